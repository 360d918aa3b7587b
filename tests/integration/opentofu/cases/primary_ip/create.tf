resource "hcloud_primary_ip" "full" {
  name              = "full"
  type              = "ipv4"
  location          = "hel1"
  auto_delete       = false
  delete_protection = true
  labels = {
    team = "a"
  }

  lifecycle {
    postcondition {
      condition     = can(cidrnetmask("${self.ip_address}/32")) && self.ip_network == null
      error_message = "The address is ${self.ip_address}."
    }
    postcondition {
      condition     = self.assignee_id == 0 && self.assignee_type == "unassigned"
      error_message = "It is assigned to ${self.assignee_type} ${self.assignee_id}."
    }
  }
}

resource "hcloud_primary_ip" "least" {
  name     = "least"
  type     = "ipv6"
  location = "ash"

  lifecycle {
    postcondition {
      condition     = self.ip_network == "${self.ip_address}/64"
      error_message = "The address is ${self.ip_address}, the network is ${self.ip_network}."
    }
  }
}
