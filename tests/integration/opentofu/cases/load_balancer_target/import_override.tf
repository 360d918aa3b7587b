resource "hcloud_load_balancer_network" "all" {
  lifecycle {
    ignore_changes = [subnet_id]
  }
}

resource "hcloud_server_network" "all" {
  lifecycle {
    ignore_changes = [subnet_id]
  }
}
