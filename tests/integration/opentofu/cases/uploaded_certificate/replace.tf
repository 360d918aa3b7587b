resource "hcloud_uploaded_certificate" "full" {
  name        = "renamed"
  certificate = file("two.crt")
  private_key = file("two.key")
  labels = {
    team = "b"
  }
}
