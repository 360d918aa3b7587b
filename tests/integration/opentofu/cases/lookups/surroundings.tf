resource "hcloud_ssh_key" "all" {
  for_each = toset(["one", "two"])

  name = each.key
  public_key = {
    one = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPS50g/mD6sMuCTQob4YNuWSLjFSI20CYzPP2I5AK0Vb"
    two = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA+kDJOhtYtmwfThtFbnfaXJS/xsZJGUDB1Z50QPYUlD"
  }[each.key]
  labels = {
    number = each.key
  }
}

resource "hcloud_uploaded_certificate" "all" {
  for_each = toset(["one", "two"])

  name        = each.key
  certificate = file("${each.key}.crt")
  private_key = file("${each.key}.key")
  labels = {
    number = each.key
  }
}

resource "hcloud_placement_group" "all" {
  for_each = toset(["one", "two"])

  name = each.key
  type = "spread"
  labels = {
    number = each.key
  }
}

resource "hcloud_firewall" "all" {
  for_each = toset(["one", "two"])

  name = each.key

  labels = {
    number = each.key
  }
}

resource "hcloud_network" "all" {
  for_each = toset(["one", "two"])

  name     = each.key
  ip_range = "10.0.0.0/16"
  labels = {
    number = each.key
  }
}

resource "hcloud_primary_ip" "all" {
  for_each = toset(["one", "two"])

  name     = each.key
  type     = "ipv4"
  location = "hel1"
  labels = {
    number = each.key
  }
}

resource "hcloud_server" "all" {
  for_each = toset(["one", "two"])

  name        = each.key
  server_type = "cpx22"
  image       = "debian-13"
  location    = "hel1"
  labels = {
    number = each.key
  }
}

resource "hcloud_volume" "all" {
  for_each = toset(["one", "two"])

  name     = each.key
  size     = 10
  location = "hel1"
  labels = {
    number = each.key
  }
}

resource "hcloud_load_balancer" "all" {
  for_each = toset(["one", "two"])

  name               = each.key
  load_balancer_type = "lb11"
  location           = "hel1"
  labels = {
    number = each.key
  }
}

resource "hcloud_snapshot" "all" {
  for_each = hcloud_server.all

  server_id   = each.value.id
  description = each.key
  labels = {
    number = each.key
  }
}
