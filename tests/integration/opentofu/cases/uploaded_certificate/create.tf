resource "hcloud_uploaded_certificate" "full" {
  name        = "full"
  certificate = file("one.crt")
  private_key = file("one.key")
  labels = {
    team = "a"
  }

  lifecycle {
    postcondition {
      condition     = self.type == "uploaded" && contains(self.domain_names, "one.example.org")
      error_message = "It is of type ${self.type} and for ${join(", ", self.domain_names)}."
    }
    postcondition {
      condition     = timecmp(self.not_valid_before, self.not_valid_after) < 0 && length(self.fingerprint) == 95
      error_message = "It is valid from ${self.not_valid_before} to ${self.not_valid_after}; its fingerprint is ${self.fingerprint}."
    }
  }
}
