resource "hcloud_uploaded_certificate" "full" {
  lifecycle {
    ignore_changes = [private_key]
  }
}
