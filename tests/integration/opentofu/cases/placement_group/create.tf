resource "hcloud_placement_group" "full" {
  name = "full"
  type = "spread"
  labels = {
    team = "a"
  }
}

resource "hcloud_placement_group" "least" {
  name = "least"
  type = "spread"
}
