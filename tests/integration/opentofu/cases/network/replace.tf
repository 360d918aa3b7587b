resource "hcloud_network" "full" {
  name     = "renamed"
  ip_range = "10.0.0.0/8"
}

resource "hcloud_network" "least" {
  name                     = "least"
  ip_range                 = "192.168.0.0/24"
  delete_protection        = false
  expose_routes_to_vswitch = true
  labels = {
    team = "b"
  }
}
