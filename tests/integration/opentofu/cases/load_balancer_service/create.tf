resource "hcloud_load_balancer_service" "tcp" {
  load_balancer_id = hcloud_load_balancer.all["one"].id
  protocol         = "tcp"
  listen_port      = 6443
  destination_port = 16443
  proxyprotocol    = true

  health_check {
    protocol = "tcp"
    port     = 16443
    interval = 10
    timeout  = 5
    retries  = 2
  }
}

resource "hcloud_load_balancer_service" "http" {
  load_balancer_id = hcloud_load_balancer.all["one"].id
  protocol         = "http"
  listen_port      = 8080
  destination_port = 80

  http {
    sticky_sessions = true
    cookie_name     = "STICKY"
    cookie_lifetime = 600
    timeout_idle    = 60
  }

  health_check {
    protocol = "http"
    port     = 80
    interval = 15
    timeout  = 10
    retries  = 3

    http {
      domain       = "example.org"
      path         = "/healthz"
      response     = "ok"
      tls          = true
      status_codes = ["200", "3??"]
    }
  }
}

resource "hcloud_load_balancer_service" "https" {
  load_balancer_id = hcloud_load_balancer.all["one"].id
  protocol         = "https"

  http {
    certificates  = [hcloud_uploaded_certificate.all["one"].id]
    redirect_http = true
  }

  lifecycle {
    postcondition {
      condition     = self.listen_port == 443 && self.destination_port == 80
      error_message = "It leads from ${self.listen_port} to ${self.destination_port}."
    }
    postcondition {
      condition     = self.http[0].cookie_name == "HCLBSTICKY" && self.http[0].cookie_lifetime == 300 && self.http[0].timeout_idle == 50
      error_message = jsonencode(self.http)
    }
    postcondition {
      condition     = self.health_check[0].protocol == "http" && self.health_check[0].port == 80 && self.health_check[0].interval == 15 && self.health_check[0].timeout == 10 && self.health_check[0].retries == 3
      error_message = jsonencode(self.health_check)
    }
  }
}

resource "hcloud_load_balancer_service" "least" {
  load_balancer_id = hcloud_load_balancer.all["two"].id
  protocol         = "http"

  lifecycle {
    postcondition {
      condition     = self.listen_port == 80 && self.destination_port == 80 && !self.proxyprotocol
      error_message = "It leads from ${self.listen_port} to ${self.destination_port}."
    }
  }
}
