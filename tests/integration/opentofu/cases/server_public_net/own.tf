resource "hcloud_server" "public" {
  name        = "public"
  server_type = "cpx22"
  image       = "debian-13"
  location    = "hel1"

  public_net {
    ipv4_enabled = true
    ipv6_enabled = true
  }
}

data "hcloud_server" "public" {
  id         = hcloud_server.public.id
  depends_on = [hcloud_server.public]

  lifecycle {
    postcondition {
      condition     = self.ipv4_address != hcloud_primary_ip.all["three"].ip_address && self.ipv6_address != ""
      error_message = "The addresses are ${self.ipv4_address} and ${self.ipv6_address}."
    }
  }
}
