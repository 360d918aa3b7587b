resource "hcloud_server" "public" {
  lifecycle {
    ignore_changes = [public_net]
  }
}
