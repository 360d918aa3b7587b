resource "hcloud_server" "public" {
  name        = "public"
  server_type = "cpx22"
  image       = "debian-13"
  location    = "hel1"

  public_net {
    ipv4_enabled = true
    ipv4         = hcloud_primary_ip.all["three"].id
    ipv6_enabled = false
  }
}

data "hcloud_server" "public" {
  id         = hcloud_server.public.id
  depends_on = [hcloud_server.public]

  lifecycle {
    postcondition {
      condition     = self.ipv4_address == hcloud_primary_ip.all["three"].ip_address && self.ipv6_address == ""
      error_message = "The addresses are ${self.ipv4_address} and ${self.ipv6_address}."
    }
  }
}
