resource "hcloud_uploaded_certificate" "all" {
  lifecycle {
    ignore_changes = [private_key]
  }
}
