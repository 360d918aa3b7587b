# The landscape of examples/provider, as somebody would write it who uses OpenTofu. What an import cannot tell is left
# out of the comparison.

variable "tags" {
  description = "The labels by which the provider knows its objects, by address."
  type        = map(map(string))
}

resource "hcloud_network" "shop" {
  name     = "shop"
  ip_range = "10.210.0.0/16"
  labels = merge(var.tags["hcloud_network.shop"], { team = "shop" })
}

resource "hcloud_network_subnet" "shop" {
  network_id   = hcloud_network.shop.id
  type         = "cloud"
  network_zone = "eu-central"
  ip_range     = "10.210.1.0/24"
}

resource "hcloud_network_route" "office" {
  network_id  = hcloud_network.shop.id
  destination = "192.168.40.0/24"
  gateway     = "10.210.1.10"
}

resource "hcloud_ssh_key" "shop-admin" {
  name       = "shop-admin"
  public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICj/yCqYtHpbqxaXsUCxxI2rV7bYpDM6Sq6AP0AVaaTt admin@shop.example"
  labels = merge(var.tags["hcloud_ssh_key.shop-admin"], { team = "shop" })
}

resource "hcloud_placement_group" "shop" {
  name = "shop"
  type = "spread"
  labels = merge(var.tags["hcloud_placement_group.shop"], { team = "shop" })
}

resource "hcloud_firewall" "shop-web" {
  name = "shop-web"
  labels = merge(var.tags["hcloud_firewall.shop-web"], { team = "shop" })

  rule {
    description = "Web"
    direction   = "in"
    protocol    = "tcp"
    port        = "443"
    source_ips  = ["0.0.0.0/0", "::/0"]
  }

  rule {
    description = "Tunnel of the office"
    direction   = "in"
    protocol    = "udp"
    port        = "51820"
    source_ips  = ["203.0.113.0/24"]
  }

  rule {
    description = "Ping"
    direction   = "in"
    protocol    = "icmp"
    source_ips  = ["0.0.0.0/0", "::/0"]
  }
}

resource "hcloud_primary_ip" "shop-web" {
  name        = "shop-web"
  type        = "ipv4"
  location    = "fsn1"
  auto_delete = false
  labels = merge(var.tags["hcloud_primary_ip.shop-web"], { team = "shop" })
}

resource "hcloud_rdns" "shop-web" {
  primary_ip_id = hcloud_primary_ip.shop-web.id
  ip_address    = hcloud_primary_ip.shop-web.ip_address
  dns_ptr       = "web.shop.example"
}

resource "hcloud_server" "shop-web" {
  name                     = "shop-web"
  server_type              = "cx23"
  location                 = "fsn1"
  image                    = "debian-13"
  ssh_keys                 = [hcloud_ssh_key.shop-admin.id]
  user_data                = "packages:\n- nginx\n"
  firewall_ids             = [hcloud_firewall.shop-web.id]
  placement_group_id       = hcloud_placement_group.shop.id
  shutdown_before_deletion = true
  labels = merge(var.tags["hcloud_server.shop-web"], { role = "web", team = "shop" })

  network {
    network_id = hcloud_network.shop.id
    ip         = "10.210.1.10"
  }

  public_net {
    ipv4         = hcloud_primary_ip.shop-web.id
    ipv6_enabled = true
  }

  lifecycle {
    ignore_changes = [user_data, ssh_keys, keep_disk, ignore_remote_firewall_ids, shutdown_before_deletion, network, public_net]
  }
}

resource "hcloud_server" "reports" {
  name        = "reports"
  server_type = "cpx22"
  location    = "fsn1"
  image       = "debian-13"
  labels = merge(var.tags["hcloud_server.reports"], { team = "reports" })

  lifecycle {
    ignore_changes = [keep_disk, ignore_remote_firewall_ids]
  }
}

resource "hcloud_server_network" "reports-in-shop" {
  server_id  = hcloud_server.reports.id
  network_id = hcloud_network.shop.id
  ip         = "10.210.1.20"
}

resource "hcloud_volume" "shop-data" {
  name     = "shop-data"
  size     = 20
  location = "fsn1"
  format   = "ext4"
  labels = merge(var.tags["hcloud_volume.shop-data"], { team = "shop" })

  lifecycle {
    ignore_changes = [format]
  }
}

resource "hcloud_volume_attachment" "shop-data" {
  volume_id = hcloud_volume.shop-data.id
  server_id = hcloud_server.shop-web.id
  automount = true

  lifecycle {
    ignore_changes = [automount]
  }
}

resource "hcloud_load_balancer" "shop" {
  name               = "shop"
  load_balancer_type = "lb11"
  location           = "fsn1"
  labels = merge(var.tags["hcloud_load_balancer.shop"], { team = "shop" })

  algorithm {
    type = "least_connections"
  }
}

resource "hcloud_load_balancer_network" "shop" {
  load_balancer_id = hcloud_load_balancer.shop.id
  network_id       = hcloud_network.shop.id
  ip               = "10.210.1.5"
}

resource "hcloud_load_balancer_service" "shop-https" {
  load_balancer_id = hcloud_load_balancer.shop.id
  protocol         = "tcp"
  listen_port      = 443
  destination_port = 443
  proxyprotocol    = true

  health_check {
    protocol = "http"
    port     = 443
    interval = 10
    timeout  = 5
    retries  = 3

    http {
      path         = "/healthz"
      tls          = true
      status_codes = ["2??"]
    }
  }
}

resource "hcloud_load_balancer_target" "shop-web" {
  load_balancer_id = hcloud_load_balancer.shop.id
  type             = "label_selector"
  label_selector   = "team=shop,role=web"
  use_private_ip   = true
}
