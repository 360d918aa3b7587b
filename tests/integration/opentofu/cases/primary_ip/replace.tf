resource "hcloud_primary_ip" "full" {
  name        = "renamed"
  type        = "ipv6"
  location    = "hel1"
  auto_delete = true
}

resource "hcloud_primary_ip" "least" {
  name              = "least"
  type              = "ipv6"
  location          = "fsn1"
  delete_protection = false
  labels = {
    team = "b"
  }
}
