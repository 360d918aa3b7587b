resource "hcloud_server" "private" {
  lifecycle {
    ignore_changes = [public_net, network]
  }
}

resource "hcloud_server" "both" {
  lifecycle {
    ignore_changes = [network]
  }
}
