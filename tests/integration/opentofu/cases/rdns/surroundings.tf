resource "hcloud_server" "all" {
  for_each = toset(["one", "two"])

  name        = each.key
  server_type = "cpx22"
  image       = "debian-13"
  location    = "hel1"
}

resource "hcloud_primary_ip" "all" {
  for_each = { one = "ipv4", two = "ipv6" }

  name     = each.key
  type     = each.value
  location = "hel1"
}

resource "hcloud_load_balancer" "all" {
  for_each = toset(["one", "two"])

  name               = each.key
  load_balancer_type = "lb11"
  location           = "hel1"
}
