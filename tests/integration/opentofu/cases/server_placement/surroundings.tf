resource "hcloud_placement_group" "all" {
  for_each = toset(["one", "two"])

  name = each.key
  type = "spread"
}
