resource "hcloud_rdns" "server_ipv4" {
  server_id  = hcloud_server.all["two"].id
  ip_address = hcloud_server.all["two"].ipv4_address
  dns_ptr    = "new-server4.example.org"
}

resource "hcloud_rdns" "server_ipv6" {
  server_id  = hcloud_server.all["two"].id
  ip_address = hcloud_server.all["two"].ipv6_address
  dns_ptr    = "new-server6.example.org"
}

resource "hcloud_rdns" "primary_ip" {
  primary_ip_id = hcloud_primary_ip.all["two"].id
  ip_address    = cidrhost(hcloud_primary_ip.all["two"].ip_network, 7)
  dns_ptr       = "new-ip.example.org"
}

resource "hcloud_rdns" "load_balancer_ipv4" {
  load_balancer_id = hcloud_load_balancer.all["two"].id
  ip_address       = hcloud_load_balancer.all["two"].ipv4
  dns_ptr          = "new-lb4.example.org"
}

resource "hcloud_rdns" "load_balancer_ipv6" {
  load_balancer_id = hcloud_load_balancer.all["two"].id
  ip_address       = hcloud_load_balancer.all["two"].ipv6
  dns_ptr          = "new-lb6.example.org"
}
