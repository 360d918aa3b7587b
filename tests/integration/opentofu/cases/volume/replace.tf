resource "hcloud_volume" "detached" {
  name     = "renamed"
  size     = 30
  location = "ash"
  format   = "ext4"
}

resource "hcloud_volume" "attached" {
  name      = "attached"
  size      = 20
  server_id = hcloud_server.all["two"].id
  format    = "xfs"
  automount = false
}
