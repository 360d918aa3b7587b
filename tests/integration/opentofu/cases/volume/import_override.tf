resource "hcloud_volume" "detached" {
  lifecycle {
    ignore_changes = [format]
  }
}

resource "hcloud_volume" "attached" {
  lifecycle {
    ignore_changes = [format, automount]
  }
}
