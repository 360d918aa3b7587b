resource "hcloud_load_balancer_target" "server" {
  load_balancer_id = hcloud_load_balancer_network.all["two"].load_balancer_id
  type             = "server"
  server_id        = hcloud_server_network.all["two"].server_id
  use_private_ip   = false
}

resource "hcloud_load_balancer_target" "label_selector" {
  load_balancer_id = hcloud_load_balancer_network.all["one"].load_balancer_id
  type             = "label_selector"
  label_selector   = "number"
  use_private_ip   = true
  depends_on       = [hcloud_server_network.all]
}

resource "hcloud_load_balancer_target" "ip" {
  load_balancer_id = hcloud_load_balancer_network.all["one"].load_balancer_id
  type             = "ip"
  ip               = "203.0.113.8"
}
