resource "hcloud_load_balancer" "full" {
  name               = "renamed"
  load_balancer_type = "lb31"
  location           = "hel1"
  labels = {
    team = "b"
  }

  algorithm {
    type = "round_robin"
  }

  target {
    type      = "server"
    server_id = hcloud_server.all["two"].id
  }
}

resource "hcloud_load_balancer" "least" {
  name               = "least"
  load_balancer_type = "lb11"
  network_zone       = "us-east"
  labels = {
    team = "c"
  }
}
