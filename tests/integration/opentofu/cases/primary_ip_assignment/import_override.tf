resource "hcloud_server" "all" {
  lifecycle {
    ignore_changes = [public_net]
  }
}
