resource "hcloud_network" "all" {
  for_each = { one = "10.0.0.0/16", two = "10.1.0.0/16" }

  name     = each.key
  ip_range = each.value
}

resource "hcloud_network_subnet" "all" {
  for_each = hcloud_network.all

  network_id   = each.value.id
  type         = "cloud"
  network_zone = "eu-central"
  ip_range     = cidrsubnet(each.value.ip_range, 8, 1)
}
