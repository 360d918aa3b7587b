resource "hcloud_ssh_key" "full" {
  name       = "full"
  public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPS50g/mD6sMuCTQob4YNuWSLjFSI20CYzPP2I5AK0Vb person-a@example.org"
  labels = {
    team = "a"
  }

  lifecycle {
    postcondition {
      condition     = self.fingerprint == "ae:75:85:4a:10:8b:a6:36:75:9f:23:ac:a1:f8:66:3e"
      error_message = "The fingerprint is ${self.fingerprint}."
    }
  }
}

resource "hcloud_ssh_key" "least" {
  name       = "least"
  public_key = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBD0E8gJ9xYv0dTGqC51CiychJT0+llCsohFVEBb+TFDIJ9VvIQVIe3oBWp1+DXUqn+MDO50qxucXncovWfY5N7M="
}
