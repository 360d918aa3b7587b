resource "hcloud_volume" "all" {
  lifecycle {
    ignore_changes = [format]
  }
}

resource "hcloud_volume_attachment" "full" {
  lifecycle {
    ignore_changes = [automount]
  }
}
