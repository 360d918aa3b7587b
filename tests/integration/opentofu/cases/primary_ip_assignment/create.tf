resource "hcloud_primary_ip" "wanders" {
  name     = "wanders"
  type     = "ipv4"
  location = "hel1"
}
