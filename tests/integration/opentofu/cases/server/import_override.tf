resource "hcloud_server" "full" {
  lifecycle {
    ignore_changes = [user_data, ssh_keys, keep_disk, public_net, shutdown_before_deletion]
  }
}

resource "hcloud_server" "least" {
  lifecycle {
    ignore_changes = [iso, rescue, ignore_remote_firewall_ids]
  }
}
