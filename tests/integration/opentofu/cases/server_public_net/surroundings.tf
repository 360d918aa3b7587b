resource "hcloud_primary_ip" "all" {
  for_each = { one = "ipv4", two = "ipv6", three = "ipv4" }

  name     = each.key
  type     = each.value
  location = "hel1"
}
