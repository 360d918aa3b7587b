resource "hcloud_server" "public" {
  name        = "public"
  server_type = "cpx22"
  image       = "debian-13"
  location    = "hel1"

  public_net {
    ipv4_enabled = true
    ipv4         = hcloud_primary_ip.all["one"].id
    ipv6_enabled = true
    ipv6         = hcloud_primary_ip.all["two"].id
  }

  lifecycle {
    postcondition {
      condition     = self.ipv4_address == hcloud_primary_ip.all["one"].ip_address
      error_message = "The address is ${self.ipv4_address}."
    }
    postcondition {
      condition     = self.ipv6_network == hcloud_primary_ip.all["two"].ip_network
      error_message = "The network is ${self.ipv6_network}."
    }
  }
}
