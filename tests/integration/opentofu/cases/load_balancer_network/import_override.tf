resource "hcloud_load_balancer_network" "full" {
  lifecycle {
    ignore_changes = [subnet_id]
  }
}
