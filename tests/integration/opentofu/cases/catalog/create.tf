data "hcloud_locations" "all" {
  lifecycle {
    postcondition {
      condition = { for location in self.locations : location.name => location.network_zone } == {
        fsn1 = "eu-central", nbg1 = "eu-central", hel1 = "eu-central"
        ash  = "us-east", hil = "us-west", sin = "ap-southeast"
      }
      error_message = jsonencode(self.locations)
    }
  }
}

data "hcloud_location" "by_name" {
  name = "hel1"
}

data "hcloud_location" "by_id" {
  id = data.hcloud_location.by_name.id

  lifecycle {
    postcondition {
      condition     = self.name == "hel1" && self.country == "FI" && self.latitude > 60 && self.longitude > 24
      error_message = jsonencode(self)
    }
  }
}

data "hcloud_server_types" "all" {
  lifecycle {
    postcondition {
      condition     = length(self.server_types) > 20 && alltrue([for kind in self.server_types : kind.cores > 0 && kind.memory > 0 && kind.disk > 0])
      error_message = jsonencode(self.server_types)
    }
    postcondition {
      condition     = toset([for kind in self.server_types : kind.architecture]) == toset(["x86", "arm"])
      error_message = jsonencode(self.server_types)
    }
    postcondition {
      condition     = alltrue([for kind in self.server_types : length(kind.locations) > 0])
      error_message = jsonencode(self.server_types)
    }
  }
}

data "hcloud_server_type" "by_name" {
  name = "cpx22"
}

data "hcloud_server_type" "by_id" {
  id = data.hcloud_server_type.by_name.id

  lifecycle {
    postcondition {
      condition     = self.name == "cpx22" && self.cores == 2 && self.memory == 4 && self.disk == 80 && self.cpu_type == "shared"
      error_message = jsonencode(self)
    }
    postcondition {
      condition     = anytrue([for location in self.locations : location.name == "hel1" && location.available])
      error_message = jsonencode(self.locations)
    }
  }
}

data "hcloud_images" "x86" {
  with_architecture = ["x86"]
  with_status       = ["available"]

  lifecycle {
    postcondition {
      condition     = length(self.images) > 5 && alltrue([for image in self.images : image.architecture == "x86" && contains(["system", "app"], image.type)])
      error_message = jsonencode(self.images)
    }
  }
}

data "hcloud_images" "all" {
  include_deprecated = true
  most_recent        = true

  lifecycle {
    postcondition {
      condition     = length(self.images) > 2 * length(data.hcloud_images.x86.images)
      error_message = jsonencode(self.images)
    }
    postcondition {
      condition     = join(",", self.images[*].created) == join(",", reverse(sort(self.images[*].created)))
      error_message = join(",", self.images[*].created)
    }
  }
}

data "hcloud_images" "labelled" {
  with_selector = "team"

  lifecycle {
    postcondition {
      condition     = length(self.images) == 0
      error_message = jsonencode(self.images)
    }
  }
}

data "hcloud_image" "by_name" {
  name              = "ubuntu-24.04"
  with_architecture = "arm"
}

data "hcloud_image" "by_id" {
  id = data.hcloud_image.by_name.id

  lifecycle {
    postcondition {
      condition     = self.name == "ubuntu-24.04" && self.architecture == "arm" && self.os_flavor == "ubuntu" && self.os_version == "24.04" && self.rapid_deploy
      error_message = jsonencode(self)
    }
  }
}

data "hcloud_load_balancer_types" "all" {
  lifecycle {
    postcondition {
      condition     = toset([for kind in self.load_balancer_types : kind.name]) == toset(["lb11", "lb21", "lb31"])
      error_message = jsonencode(self.load_balancer_types)
    }
  }
}

data "hcloud_load_balancer_type" "by_name" {
  name = "lb11"
}

data "hcloud_load_balancer_type" "by_id" {
  id = data.hcloud_load_balancer_type.by_name.id

  lifecycle {
    postcondition {
      condition     = self.name == "lb11" && self.max_services == 5 && self.max_targets == 25 && self.max_assigned_certificates == 10
      error_message = jsonencode(self)
    }
  }
}
