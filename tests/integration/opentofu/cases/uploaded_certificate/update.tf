resource "hcloud_uploaded_certificate" "full" {
  name        = "renamed"
  certificate = file("one.crt")
  private_key = file("one.key")
  labels = {
    team = "b"
  }
}
