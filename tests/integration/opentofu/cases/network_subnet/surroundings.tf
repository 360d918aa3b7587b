resource "hcloud_network" "one" {
  name     = "one"
  ip_range = "10.0.0.0/16"
}

resource "hcloud_network" "two" {
  name     = "two"
  ip_range = "10.1.0.0/16"
}
