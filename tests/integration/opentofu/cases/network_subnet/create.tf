resource "hcloud_network_subnet" "cloud" {
  network_id   = hcloud_network.one.id
  type         = "cloud"
  network_zone = "eu-central"
  ip_range     = "10.0.1.0/24"

  lifecycle {
    postcondition {
      condition     = self.gateway == "10.0.0.1"
      error_message = "The gateway is ${self.gateway}."
    }
  }
}

resource "hcloud_network_subnet" "server" {
  network_id   = hcloud_network.one.id
  type         = "server"
  network_zone = "us-east"
  ip_range     = "10.0.2.0/30"
}

resource "hcloud_network_subnet" "vswitch" {
  network_id   = hcloud_network.one.id
  type         = "vswitch"
  network_zone = "eu-central"
  ip_range     = "10.0.4.0/22"
  vswitch_id   = 4711
}
