resource "hcloud_server_network" "full" {
  server_id = hcloud_server.all["one"].id
  subnet_id = hcloud_network_subnet.all["one"].id
  ip        = "10.0.1.5"
  alias_ips = ["10.0.1.6", "10.0.1.7"]
}

resource "hcloud_server_network" "least" {
  server_id  = hcloud_server.all["two"].id
  network_id = hcloud_network_subnet.all["one"].network_id

  lifecycle {
    postcondition {
      condition     = cidrcontains("10.0.1.0/24", self.ip) && length(self.alias_ips) == 0 && self.mac_address != ""
      error_message = "The address is ${self.ip}, the MAC address is ${self.mac_address}."
    }
  }
}
