resource "hcloud_server" "all" {
  for_each = toset(["one", "two", "three"])

  name        = each.key
  server_type = "cpx22"
  image       = "debian-13"
  location    = "hel1"
  labels = {
    number = each.key
  }
}

resource "hcloud_firewall" "all" {
  for_each = toset(["one", "two"])

  name = each.key
}
