resource "hcloud_server_network" "full" {
  server_id = hcloud_server.all["three"].id
  subnet_id = hcloud_network_subnet.all["two"].id
  ip        = "10.1.1.9"
}

resource "hcloud_server_network" "least" {
  server_id  = hcloud_server.all["two"].id
  network_id = hcloud_network_subnet.all["two"].network_id
  alias_ips  = ["10.1.1.8"]
}
