resource "hcloud_load_balancer_network" "full" {
  load_balancer_id        = hcloud_load_balancer.all["one"].id
  subnet_id               = hcloud_network_subnet.all["one"].id
  ip                      = "10.0.1.5"
  enable_public_interface = true
}

resource "hcloud_load_balancer_network" "least" {
  load_balancer_id        = hcloud_load_balancer.all["two"].id
  network_id              = hcloud_network_subnet.all["one"].network_id
  enable_public_interface = false
}
