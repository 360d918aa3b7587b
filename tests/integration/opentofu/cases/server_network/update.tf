resource "hcloud_server_network" "full" {
  server_id = hcloud_server.all["one"].id
  subnet_id = hcloud_network_subnet.all["one"].id
  ip        = "10.0.1.5"
}

resource "hcloud_server_network" "least" {
  server_id  = hcloud_server.all["two"].id
  network_id = hcloud_network_subnet.all["one"].network_id
  alias_ips  = ["10.0.1.8"]
}
