resource "hcloud_load_balancer_network" "full" {
  load_balancer_id        = hcloud_load_balancer.all["three"].id
  subnet_id               = hcloud_network_subnet.all["two"].id
  ip                      = "10.1.1.9"
  enable_public_interface = true
}

resource "hcloud_load_balancer_network" "least" {
  load_balancer_id        = hcloud_load_balancer.all["two"].id
  network_id              = hcloud_network_subnet.all["two"].network_id
  enable_public_interface = false
}
