resource "hcloud_volume" "detached" {
  name              = "detached"
  size              = 10
  location          = "hel1"
  format            = "ext4"
  delete_protection = true
  labels = {
    team = "a"
  }

  lifecycle {
    postcondition {
      condition     = strcontains(self.linux_device, self.id)
      error_message = "The device is ${self.linux_device}."
    }
  }
}

resource "hcloud_volume" "attached" {
  name      = "attached"
  size      = 20
  server_id = hcloud_server.all["one"].id
  format    = "xfs"
  automount = true

  lifecycle {
    postcondition {
      condition     = self.location == "hel1"
      error_message = "It is in ${self.location}."
    }
  }
}
