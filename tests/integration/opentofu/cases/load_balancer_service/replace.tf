resource "hcloud_load_balancer_service" "tcp" {
  load_balancer_id = hcloud_load_balancer.all["one"].id
  protocol         = "tcp"
  listen_port      = 6444
  destination_port = 26443
  proxyprotocol    = false

  health_check {
    protocol = "http"
    port     = 26443
    interval = 20
    timeout  = 6
    retries  = 1

    http {
      path         = "/livez"
      status_codes = ["200"]
    }
  }
}

resource "hcloud_load_balancer_service" "http" {
  load_balancer_id = hcloud_load_balancer.all["two"].id
  protocol         = "http"
  listen_port      = 8080
  destination_port = 81

  http {
    sticky_sessions = false
    cookie_name     = "OTHER"
    cookie_lifetime = 700
    timeout_idle    = 70
  }

  health_check {
    protocol = "http"
    port     = 81
    interval = 25
    timeout  = 11
    retries  = 4

    http {
      domain       = "www.example.org"
      path         = "/readyz"
      response     = "fine"
      tls          = false
      status_codes = ["2??"]
    }
  }
}

resource "hcloud_load_balancer_service" "https" {
  load_balancer_id = hcloud_load_balancer.all["one"].id
  protocol         = "https"

  http {
    certificates  = [hcloud_uploaded_certificate.all["one"].id, hcloud_uploaded_certificate.all["two"].id]
    redirect_http = false
  }
}

resource "hcloud_load_balancer_service" "least" {
  load_balancer_id = hcloud_load_balancer.all["two"].id
  protocol         = "tcp"
  listen_port      = 80
  destination_port = 80
}
