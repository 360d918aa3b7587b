resource "hcloud_network_subnet" "cloud" {
  network_id   = hcloud_network.two.id
  type         = "cloud"
  network_zone = "eu-central"
  ip_range     = "10.1.1.0/24"
}

resource "hcloud_network_subnet" "server" {
  network_id   = hcloud_network.one.id
  type         = "cloud"
  network_zone = "us-west"
  ip_range     = "10.0.2.0/30"
}

resource "hcloud_network_subnet" "vswitch" {
  network_id   = hcloud_network.one.id
  type         = "vswitch"
  network_zone = "eu-central"
  ip_range     = "10.0.4.0/22"
  vswitch_id   = 4712
}
