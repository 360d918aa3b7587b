resource "hcloud_server" "private" {
  name        = "private"
  server_type = "cpx22"
  image       = "debian-13"
  location    = "hel1"

  public_net {
    ipv4_enabled = false
    ipv6_enabled = false
  }

  network {
    subnet_id = hcloud_network_subnet.all["one"].id
    ip        = "10.0.1.5"
    alias_ips = ["10.0.1.6", "10.0.1.7"]
  }

  lifecycle {
    postcondition {
      condition     = self.status == "running" && self.ipv4_address == "" && self.ipv6_address == ""
      error_message = "It is ${self.status}, and has ${self.ipv4_address} and ${self.ipv6_address}."
    }
  }
}

resource "hcloud_server" "both" {
  name        = "both"
  server_type = "cpx22"
  image       = "debian-13"
  location    = "hel1"

  network {
    network_id = hcloud_network_subnet.all["one"].network_id
    alias_ips  = []
  }

  network {
    network_id = hcloud_network_subnet.all["two"].network_id
    alias_ips  = []
  }
}
