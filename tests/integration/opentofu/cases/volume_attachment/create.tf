resource "hcloud_volume_attachment" "full" {
  volume_id = hcloud_volume.all["one"].id
  server_id = hcloud_server.all["one"].id
  automount = true
}

resource "hcloud_volume_attachment" "least" {
  volume_id = hcloud_volume.all["two"].id
  server_id = hcloud_server.all["one"].id
}
