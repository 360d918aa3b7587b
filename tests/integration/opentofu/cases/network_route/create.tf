resource "hcloud_network_route" "private" {
  network_id  = hcloud_network.one.id
  destination = "10.100.1.0/24"
  gateway     = "10.0.1.5"
  depends_on  = [hcloud_network_subnet.one]
}

resource "hcloud_network_route" "default" {
  network_id  = hcloud_network.one.id
  destination = "0.0.0.0/0"
  gateway     = "10.0.1.6"
  depends_on  = [hcloud_network_subnet.one]
}
