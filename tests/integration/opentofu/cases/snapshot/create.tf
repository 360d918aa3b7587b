resource "hcloud_snapshot" "full" {
  server_id   = hcloud_server.all["one"].id
  description = "first"
  labels = {
    team = "a"
  }
}

resource "hcloud_snapshot" "least" {
  server_id = hcloud_server.all["one"].id

  # A server makes one image at a time.
  depends_on = [hcloud_snapshot.full]
}
