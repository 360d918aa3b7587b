resource "hcloud_network" "full" {
  name     = "renamed"
  ip_range = "10.0.0.0/16"
}

resource "hcloud_network" "least" {
  name                     = "least"
  ip_range                 = "172.16.0.0/12"
  delete_protection        = false
  expose_routes_to_vswitch = true
  labels = {
    team = "b"
  }
}
