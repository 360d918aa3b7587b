resource "hcloud_network" "one" {
  name     = "one"
  ip_range = "10.0.0.0/16"
}

resource "hcloud_network" "two" {
  name     = "two"
  ip_range = "10.1.0.0/16"
}

resource "hcloud_network_subnet" "one" {
  network_id   = hcloud_network.one.id
  type         = "cloud"
  network_zone = "eu-central"
  ip_range     = "10.0.1.0/24"
}
