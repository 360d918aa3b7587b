resource "hcloud_firewall" "full" {
  name = "full"
  labels = {
    team = "a"
  }

  rule {
    description = "Web"
    direction   = "in"
    protocol    = "tcp"
    port        = "80"
    source_ips  = ["0.0.0.0/0", "::/0"]
  }

  rule {
    direction  = "in"
    protocol   = "tcp"
    port       = "8080-8090"
    source_ips = ["10.0.0.0/8"]
  }

  rule {
    direction  = "in"
    protocol   = "udp"
    port       = "any"
    source_ips = ["192.0.2.7/32", "2001:db8::/32"]
  }

  rule {
    direction  = "in"
    protocol   = "icmp"
    source_ips = ["0.0.0.0/0"]
  }

  rule {
    direction       = "out"
    protocol        = "esp"
    destination_ips = ["198.51.100.0/24"]
  }

  rule {
    direction       = "out"
    protocol        = "gre"
    destination_ips = ["198.51.100.0/24"]
  }

  apply_to {
    server = hcloud_server.all["one"].id
  }

  apply_to {
    label_selector = "role=web"
  }
}

resource "hcloud_firewall" "least" {
  name = "least"
}
