resource "hcloud_placement_group" "full" {
  name = "renamed"
  type = "spread"
}

resource "hcloud_placement_group" "least" {
  name = "least"
  type = "spread"
  labels = {
    team = "b"
  }
}
