resource "hcloud_firewall_attachment" "full" {
  firewall_id     = hcloud_firewall.all["one"].id
  server_ids      = [hcloud_server.all["one"].id]
  label_selectors = ["number=three", "role"]
}
