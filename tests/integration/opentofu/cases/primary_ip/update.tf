resource "hcloud_primary_ip" "full" {
  name        = "renamed"
  type        = "ipv4"
  location    = "hel1"
  auto_delete = true
}

resource "hcloud_primary_ip" "least" {
  name              = "least"
  type              = "ipv6"
  location          = "ash"
  delete_protection = false
  labels = {
    team = "b"
  }
}
