resource "hcloud_load_balancer" "all" {
  for_each = toset(["one", "two"])

  name               = each.key
  load_balancer_type = "lb11"
  location           = "hel1"
}

resource "hcloud_uploaded_certificate" "all" {
  for_each = toset(["one", "two"])

  name        = each.key
  certificate = file("${each.key}.crt")
  private_key = file("${each.key}.key")
}
