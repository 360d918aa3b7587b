resource "hcloud_snapshot" "full" {
  server_id   = hcloud_server.all["two"].id
  description = "second"
}

resource "hcloud_snapshot" "least" {
  server_id = hcloud_server.all["one"].id
  labels = {
    team = "b"
  }

  # A server makes one image at a time.
  depends_on = [hcloud_snapshot.full]
}
