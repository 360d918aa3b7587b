terraform {
  required_providers {
    hcloud = {
      source = "hetznercloud/hcloud"
    }
  }
}

# Endpoint and token come from the environment.
provider "hcloud" {
  poll_interval = "5ms"
  poll_function = "constant"
}
