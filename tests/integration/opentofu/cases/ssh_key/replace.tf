resource "hcloud_ssh_key" "full" {
  name       = "renamed"
  public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA+kDJOhtYtmwfThtFbnfaXJS/xsZJGUDB1Z50QPYUlD person-b@example.org"
}

resource "hcloud_ssh_key" "least" {
  name       = "least"
  public_key = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBD0E8gJ9xYv0dTGqC51CiychJT0+llCsohFVEBb+TFDIJ9VvIQVIe3oBWp1+DXUqn+MDO50qxucXncovWfY5N7M="
  labels = {
    team = "b"
  }
}
