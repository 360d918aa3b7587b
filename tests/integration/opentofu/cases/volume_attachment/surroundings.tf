resource "hcloud_server" "all" {
  for_each = toset(["one", "two"])

  name        = each.key
  server_type = "cpx22"
  image       = "debian-13"
  location    = "hel1"
}

resource "hcloud_volume" "all" {
  for_each = toset(["one", "two", "three"])

  name     = each.key
  size     = 10
  location = "hel1"
  format   = "ext4"
}
