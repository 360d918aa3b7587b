resource "hcloud_load_balancer" "full" {
  name               = "full"
  load_balancer_type = "lb11"
  location           = "hel1"
  delete_protection  = true
  labels = {
    team = "a"
  }

  algorithm {
    type = "least_connections"
  }

  target {
    type      = "server"
    server_id = hcloud_server.all["one"].id
  }

  lifecycle {
    postcondition {
      condition     = self.network_zone == "eu-central" && self.ipv4 != "" && self.ipv6 != ""
      error_message = "The zone is ${self.network_zone}, the addresses are ${self.ipv4} and ${self.ipv6}."
    }
  }
}

resource "hcloud_load_balancer" "least" {
  name               = "least"
  load_balancer_type = "lb11"
  network_zone       = "us-east"

  lifecycle {
    postcondition {
      condition     = self.location == "ash" && self.algorithm[0].type == "round_robin"
      error_message = "It is in ${self.location}, and the algorithm is ${self.algorithm[0].type}."
    }
  }
}
