resource "hcloud_load_balancer_network" "full" {
  load_balancer_id        = hcloud_load_balancer.all["one"].id
  subnet_id               = hcloud_network_subnet.all["one"].id
  ip                      = "10.0.1.5"
  enable_public_interface = false
}

resource "hcloud_load_balancer_network" "least" {
  load_balancer_id = hcloud_load_balancer.all["two"].id
  network_id       = hcloud_network_subnet.all["one"].network_id

  lifecycle {
    postcondition {
      condition     = cidrcontains("10.0.1.0/24", self.ip) && self.enable_public_interface
      error_message = "The address is ${self.ip}."
    }
  }
}
