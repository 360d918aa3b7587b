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
    alias_ips = ["10.0.1.7", "10.0.1.8"]
  }
}

resource "hcloud_server" "both" {
  name        = "both"
  server_type = "cpx22"
  image       = "debian-13"
  location    = "hel1"

  network {
    network_id = hcloud_network_subnet.all["two"].network_id
    ip         = "10.1.1.9"
    alias_ips  = []
  }
}
