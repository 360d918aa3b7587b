resource "hcloud_primary_ip" "wanders" {
  name          = "wanders"
  type          = "ipv4"
  assignee_id   = hcloud_server.all["one"].id
  assignee_type = "server"
}
