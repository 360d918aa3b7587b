resource "hcloud_ssh_key" "one" {
  name       = "one"
  public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPS50g/mD6sMuCTQob4YNuWSLjFSI20CYzPP2I5AK0Vb person-a@example.org"
}

resource "hcloud_ssh_key" "two" {
  name       = "two"
  public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA+kDJOhtYtmwfThtFbnfaXJS/xsZJGUDB1Z50QPYUlD person-b@example.org"
}

resource "hcloud_firewall" "all" {
  for_each = toset(["one", "two"])

  name = each.key
}

resource "hcloud_placement_group" "one" {
  name = "one"
  type = "spread"
}
