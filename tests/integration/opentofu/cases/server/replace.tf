resource "hcloud_server" "full" {
  name                     = "renamed"
  server_type              = "cpx32"
  image                    = "debian-12"
  location                 = "nbg1"
  user_data                = "#cloud-config\npackages: []\n"
  ssh_keys                 = [hcloud_ssh_key.two.name]
  keep_disk                = true
  firewall_ids             = [hcloud_firewall.all["two"].id]
  placement_group_id       = hcloud_placement_group.one.id
  shutdown_before_deletion = true

  public_net {
    ipv4_enabled = true
    ipv6_enabled = true
  }
}

resource "hcloud_server" "least" {
  name        = "least"
  server_type = "cpx32"
  image       = "debian-13"
  iso         = "debian-13.1.0-amd64-netinst.iso"
  rescue      = "linux64"
  backups     = true

  ignore_remote_firewall_ids = true

  labels = {
    team = "b"
  }
}
