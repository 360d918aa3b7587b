data "hcloud_ssh_key" "one" {
  for_each = toset(["id", "name", "selector"])

  id            = each.key == "id" ? hcloud_ssh_key.all["one"].id : null
  name          = each.key == "name" ? hcloud_ssh_key.all["one"].name : null
  with_selector = each.key == "selector" ? "number=${hcloud_ssh_key.all["one"].labels.number}" : null

  lifecycle {
    postcondition {
      condition     = tostring(self.id) == tostring(hcloud_ssh_key.all["one"].id) && self.labels.number == "one"
      error_message = jsonencode(self.labels)
    }
  }
}

data "hcloud_ssh_keys" "one" {
  with_selector = "number=${hcloud_ssh_key.all["one"].labels.number}"

  lifecycle {
    postcondition {
      condition     = [for found in self.ssh_keys : found.name] == ["one"]
      error_message = jsonencode(self.ssh_keys)
    }
  }
}

data "hcloud_ssh_keys" "all" {
  depends_on = [hcloud_ssh_key.all]

  lifecycle {
    postcondition {
      condition     = toset([for found in self.ssh_keys : found.name]) == toset(["one", "two"])
      error_message = jsonencode(self.ssh_keys)
    }
  }
}

data "hcloud_certificate" "one" {
  for_each = toset(["id", "name", "selector"])

  id            = each.key == "id" ? hcloud_uploaded_certificate.all["one"].id : null
  name          = each.key == "name" ? hcloud_uploaded_certificate.all["one"].name : null
  with_selector = each.key == "selector" ? "number=${hcloud_uploaded_certificate.all["one"].labels.number}" : null

  lifecycle {
    postcondition {
      condition     = tostring(self.id) == tostring(hcloud_uploaded_certificate.all["one"].id) && self.labels.number == "one"
      error_message = jsonencode(self.labels)
    }
  }
}

data "hcloud_certificates" "one" {
  with_selector = "number=${hcloud_uploaded_certificate.all["one"].labels.number}"

  lifecycle {
    postcondition {
      condition     = [for found in self.certificates : found.name] == ["one"]
      error_message = jsonencode(self.certificates)
    }
  }
}

data "hcloud_certificates" "all" {
  depends_on = [hcloud_uploaded_certificate.all]

  lifecycle {
    postcondition {
      condition     = toset([for found in self.certificates : found.name]) == toset(["one", "two"])
      error_message = jsonencode(self.certificates)
    }
  }
}

data "hcloud_placement_group" "one" {
  for_each = toset(["id", "name", "selector"])

  id            = each.key == "id" ? hcloud_placement_group.all["one"].id : null
  name          = each.key == "name" ? hcloud_placement_group.all["one"].name : null
  with_selector = each.key == "selector" ? "number=${hcloud_placement_group.all["one"].labels.number}" : null

  lifecycle {
    postcondition {
      condition     = tostring(self.id) == tostring(hcloud_placement_group.all["one"].id) && self.labels.number == "one"
      error_message = jsonencode(self.labels)
    }
  }
}

data "hcloud_placement_groups" "one" {
  with_selector = "number=${hcloud_placement_group.all["one"].labels.number}"

  lifecycle {
    postcondition {
      condition     = [for found in self.placement_groups : found.name] == ["one"]
      error_message = jsonencode(self.placement_groups)
    }
  }
}

data "hcloud_placement_groups" "all" {
  depends_on = [hcloud_placement_group.all]

  lifecycle {
    postcondition {
      condition     = toset([for found in self.placement_groups : found.name]) == toset(["one", "two"])
      error_message = jsonencode(self.placement_groups)
    }
  }
}

data "hcloud_firewall" "one" {
  for_each = toset(["id", "name", "selector"])

  id            = each.key == "id" ? hcloud_firewall.all["one"].id : null
  name          = each.key == "name" ? hcloud_firewall.all["one"].name : null
  with_selector = each.key == "selector" ? "number=${hcloud_firewall.all["one"].labels.number}" : null

  lifecycle {
    postcondition {
      condition     = tostring(self.id) == tostring(hcloud_firewall.all["one"].id) && self.labels.number == "one"
      error_message = jsonencode(self.labels)
    }
  }
}

data "hcloud_firewalls" "one" {
  with_selector = "number=${hcloud_firewall.all["one"].labels.number}"

  lifecycle {
    postcondition {
      condition     = [for found in self.firewalls : found.name] == ["one"]
      error_message = jsonencode(self.firewalls)
    }
  }
}

data "hcloud_firewalls" "all" {
  depends_on = [hcloud_firewall.all]

  lifecycle {
    postcondition {
      condition     = toset([for found in self.firewalls : found.name]) == toset(["one", "two"])
      error_message = jsonencode(self.firewalls)
    }
  }
}

data "hcloud_network" "one" {
  for_each = toset(["id", "name", "selector"])

  id            = each.key == "id" ? hcloud_network.all["one"].id : null
  name          = each.key == "name" ? hcloud_network.all["one"].name : null
  with_selector = each.key == "selector" ? "number=${hcloud_network.all["one"].labels.number}" : null

  lifecycle {
    postcondition {
      condition     = tostring(self.id) == tostring(hcloud_network.all["one"].id) && self.labels.number == "one"
      error_message = jsonencode(self.labels)
    }
  }
}

data "hcloud_networks" "one" {
  with_selector = "number=${hcloud_network.all["one"].labels.number}"

  lifecycle {
    postcondition {
      condition     = [for found in self.networks : found.name] == ["one"]
      error_message = jsonencode(self.networks)
    }
  }
}

data "hcloud_networks" "all" {
  depends_on = [hcloud_network.all]

  lifecycle {
    postcondition {
      condition     = toset([for found in self.networks : found.name]) == toset(["one", "two"])
      error_message = jsonencode(self.networks)
    }
  }
}

data "hcloud_primary_ip" "one" {
  for_each = toset(["id", "name", "selector"])

  id            = each.key == "id" ? hcloud_primary_ip.all["one"].id : null
  name          = each.key == "name" ? hcloud_primary_ip.all["one"].name : null
  with_selector = each.key == "selector" ? "number=${hcloud_primary_ip.all["one"].labels.number}" : null

  lifecycle {
    postcondition {
      condition     = tostring(self.id) == tostring(hcloud_primary_ip.all["one"].id) && self.labels.number == "one"
      error_message = jsonencode(self.labels)
    }
  }
}

data "hcloud_primary_ips" "one" {
  with_selector = "number=${hcloud_primary_ip.all["one"].labels.number}"

  lifecycle {
    postcondition {
      condition     = [for found in self.primary_ips : found.name] == ["one"]
      error_message = jsonencode(self.primary_ips)
    }
  }
}

data "hcloud_primary_ips" "all" {
  depends_on = [hcloud_primary_ip.all]

  lifecycle {
    postcondition {
      condition     = length(setsubtract(["one", "two"], self.primary_ips[*].name)) == 0
      error_message = jsonencode(self.primary_ips)
    }
  }
}

data "hcloud_server" "one" {
  for_each = toset(["id", "name", "selector"])

  id            = each.key == "id" ? hcloud_server.all["one"].id : null
  name          = each.key == "name" ? hcloud_server.all["one"].name : null
  with_selector = each.key == "selector" ? "number=${hcloud_server.all["one"].labels.number}" : null

  lifecycle {
    postcondition {
      condition     = tostring(self.id) == tostring(hcloud_server.all["one"].id) && self.labels.number == "one"
      error_message = jsonencode(self.labels)
    }
  }
}

data "hcloud_servers" "one" {
  with_selector = "number=${hcloud_server.all["one"].labels.number}"

  lifecycle {
    postcondition {
      condition     = [for found in self.servers : found.name] == ["one"]
      error_message = jsonencode(self.servers)
    }
  }
}

data "hcloud_servers" "all" {
  depends_on = [hcloud_server.all]

  lifecycle {
    postcondition {
      condition     = toset([for found in self.servers : found.name]) == toset(["one", "two"])
      error_message = jsonencode(self.servers)
    }
  }
}

data "hcloud_volume" "one" {
  for_each = toset(["id", "name", "selector"])

  id            = each.key == "id" ? hcloud_volume.all["one"].id : null
  name          = each.key == "name" ? hcloud_volume.all["one"].name : null
  with_selector = each.key == "selector" ? "number=${hcloud_volume.all["one"].labels.number}" : null

  lifecycle {
    postcondition {
      condition     = tostring(self.id) == tostring(hcloud_volume.all["one"].id) && self.labels.number == "one"
      error_message = jsonencode(self.labels)
    }
  }
}

data "hcloud_volumes" "one" {
  with_selector = "number=${hcloud_volume.all["one"].labels.number}"

  lifecycle {
    postcondition {
      condition     = [for found in self.volumes : found.name] == ["one"]
      error_message = jsonencode(self.volumes)
    }
  }
}

data "hcloud_volumes" "all" {
  depends_on = [hcloud_volume.all]

  lifecycle {
    postcondition {
      condition     = toset([for found in self.volumes : found.name]) == toset(["one", "two"])
      error_message = jsonencode(self.volumes)
    }
  }
}

data "hcloud_load_balancer" "one" {
  for_each = toset(["id", "name", "selector"])

  id            = each.key == "id" ? hcloud_load_balancer.all["one"].id : null
  name          = each.key == "name" ? hcloud_load_balancer.all["one"].name : null
  with_selector = each.key == "selector" ? "number=${hcloud_load_balancer.all["one"].labels.number}" : null

  lifecycle {
    postcondition {
      condition     = tostring(self.id) == tostring(hcloud_load_balancer.all["one"].id) && self.labels.number == "one"
      error_message = jsonencode(self.labels)
    }
  }
}

data "hcloud_load_balancers" "one" {
  with_selector = "number=${hcloud_load_balancer.all["one"].labels.number}"

  lifecycle {
    postcondition {
      condition     = [for found in self.load_balancers : found.name] == ["one"]
      error_message = jsonencode(self.load_balancers)
    }
  }
}

data "hcloud_load_balancers" "all" {
  depends_on = [hcloud_load_balancer.all]

  lifecycle {
    postcondition {
      condition     = toset([for found in self.load_balancers : found.name]) == toset(["one", "two"])
      error_message = jsonencode(self.load_balancers)
    }
  }
}

data "hcloud_server" "running" {
  with_selector = "number=${hcloud_server.all["two"].labels.number}"
  with_status   = ["running"]

  lifecycle {
    postcondition {
      condition     = self.labels.number == "two"
      error_message = jsonencode(self.labels)
    }
  }
}

data "hcloud_servers" "off" {
  with_status = ["off"]
  depends_on  = [hcloud_server.all]

  lifecycle {
    postcondition {
      condition     = length(self.servers) == 0
      error_message = jsonencode(self.servers)
    }
  }
}

data "hcloud_image" "snapshot" {
  with_selector = "number=${hcloud_snapshot.all["one"].labels.number}"
  most_recent   = true

  lifecycle {
    postcondition {
      condition     = tostring(self.id) == hcloud_snapshot.all["one"].id && self.type == "snapshot" && self.description == "one"
      error_message = jsonencode(self.labels)
    }
  }
}

data "hcloud_ssh_key" "by_fingerprint" {
  fingerprint = hcloud_ssh_key.all["two"].fingerprint

  lifecycle {
    postcondition {
      condition     = self.labels.number == "two"
      error_message = jsonencode(self.labels)
    }
  }
}

data "hcloud_primary_ip" "by_address" {
  ip_address = hcloud_primary_ip.all["two"].ip_address

  lifecycle {
    postcondition {
      condition     = self.labels.number == "two"
      error_message = jsonencode(self.labels)
    }
  }
}
