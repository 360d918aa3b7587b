resource "hcloud_server" "placed" {
  name               = "placed"
  server_type        = "cpx22"
  image              = "debian-13"
  location           = "hel1"
  placement_group_id = hcloud_placement_group.all["two"].id
}
