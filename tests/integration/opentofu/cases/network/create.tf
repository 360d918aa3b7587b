resource "hcloud_network" "full" {
  name                     = "full"
  ip_range                 = "10.0.0.0/16"
  delete_protection        = true
  expose_routes_to_vswitch = true
  labels = {
    team                = "a"
    "example.org/empty" = ""
  }
}

resource "hcloud_network" "least" {
  name     = "least"
  ip_range = "172.16.0.0/12"
}
