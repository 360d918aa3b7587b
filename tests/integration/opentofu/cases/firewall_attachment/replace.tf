resource "hcloud_firewall_attachment" "full" {
  firewall_id     = hcloud_firewall.all["two"].id
  server_ids      = [hcloud_server.all["one"].id, hcloud_server.all["two"].id]
  label_selectors = ["role=db"]
}
