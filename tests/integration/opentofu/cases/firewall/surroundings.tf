resource "hcloud_server" "all" {
  for_each = toset(["one", "two"])

  name        = each.key
  server_type = "cpx22"
  image       = "debian-13"
  location    = "hel1"
}
