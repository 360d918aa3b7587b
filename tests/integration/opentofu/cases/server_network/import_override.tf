resource "hcloud_server_network" "full" {
  lifecycle {
    ignore_changes = [subnet_id]
  }
}
