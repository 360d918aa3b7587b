resource "hcloud_network_route" "private" {
  network_id  = hcloud_network.one.id
  destination = "172.16.0.0/16"
  gateway     = "10.0.1.7"
  depends_on  = [hcloud_network_subnet.one]
}

resource "hcloud_network_route" "default" {
  network_id  = hcloud_network.two.id
  destination = "0.0.0.0/0"
  gateway     = "10.1.1.6"
  depends_on  = [hcloud_network_subnet.one]
}
