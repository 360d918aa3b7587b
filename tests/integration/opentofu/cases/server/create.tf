resource "hcloud_server" "full" {
  name               = "full"
  server_type        = "cpx22"
  image              = "ubuntu-24.04"
  location           = "hel1"
  user_data          = "#cloud-config\n"
  ssh_keys           = [hcloud_ssh_key.one.name, hcloud_ssh_key.two.id]
  keep_disk          = false
  backups            = true
  iso                = "systemrescue-11.00-amd64.iso"
  rescue             = "linux64"
  firewall_ids       = [hcloud_firewall.all["one"].id]
  placement_group_id = hcloud_placement_group.one.id
  delete_protection  = true
  rebuild_protection = true
  labels = {
    team = "a"
  }

  public_net {
    ipv4_enabled = true
    ipv6_enabled = true
  }

  lifecycle {
    postcondition {
      condition     = self.status == "running" && self.primary_disk_size == 80
      error_message = "It is ${self.status}, and has a disk of ${self.primary_disk_size} GB."
    }
    postcondition {
      condition     = cidrhost(self.ipv6_network, 1) == self.ipv6_address && self.ipv4_address != ""
      error_message = "The addresses are ${self.ipv4_address} and ${self.ipv6_address} of ${self.ipv6_network}."
    }
  }
}

resource "hcloud_server" "least" {
  name        = "least"
  server_type = "cpx22"
  image       = "debian-13"

  lifecycle {
    postcondition {
      condition     = self.location != "" && !self.backups && length(self.firewall_ids) == 0
      error_message = "It is in ${self.location}."
    }
  }
}
