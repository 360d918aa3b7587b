resource "hcloud_firewall" "full" {
  name = "renamed"
  labels = {
    team = "b"
  }

  rule {
    description     = "DNS"
    direction       = "out"
    protocol        = "udp"
    port            = "53"
    destination_ips = ["0.0.0.0/0"]
  }

  apply_to {
    server = hcloud_server.all["two"].id
  }

  apply_to {
    label_selector = "role in (db, cache)"
  }
}

resource "hcloud_firewall" "least" {
  name = "least"

  rule {
    direction  = "in"
    protocol   = "icmp"
    source_ips = ["::/0"]
  }
}
