resource "hcloud_server" "full" {
  name                     = "renamed"
  server_type              = "cpx32"
  image                    = "ubuntu-24.04"
  location                 = "hel1"
  user_data                = "#cloud-config\n"
  ssh_keys                 = [hcloud_ssh_key.one.name, hcloud_ssh_key.two.id]
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

data "hcloud_server" "changed" {
  for_each   = { full = hcloud_server.full.id, least = hcloud_server.least.id }
  depends_on = [hcloud_server.full, hcloud_server.least]

  id = each.value

  lifecycle {
    postcondition {
      condition     = self.status == "running" && self.primary_disk_size == (each.key == "full" ? 80 : 160)
      error_message = "It is ${self.status}, and has a disk of ${self.primary_disk_size} GB."
    }
    postcondition {
      condition     = self.backups == (each.key == "least")
      error_message = "Backups are ${self.backups ? "on" : "off"}."
    }
  }
}
