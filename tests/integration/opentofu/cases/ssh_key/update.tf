resource "hcloud_ssh_key" "full" {
  name       = "renamed"
  public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPS50g/mD6sMuCTQob4YNuWSLjFSI20CYzPP2I5AK0Vb person-a@example.org"
}

resource "hcloud_ssh_key" "least" {
  name       = "least"
  public_key = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBD0E8gJ9xYv0dTGqC51CiychJT0+llCsohFVEBb+TFDIJ9VvIQVIe3oBWp1+DXUqn+MDO50qxucXncovWfY5N7M="
  labels = {
    team = "b"
  }
}
