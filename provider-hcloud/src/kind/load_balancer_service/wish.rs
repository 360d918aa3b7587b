//! What a spec asks of a service: compared with what is there, and turned into requests.

use std::{collections::BTreeSet, fmt::Display};

use api::{
    LoadBalancerHealthCheck, LoadBalancerHealthCheckProtocol, LoadBalancerProtocol,
    LoadBalancerServiceHttp, LoadBalancerServiceParameters,
};

use crate::{
    hcloud::load_balancer::{HealthCheck, HealthCheckHttp, Http, Service},
    kind::{Error, parse_id},
    managed::Drift,
};

/// The port of the targets when `http` and `https` do not say.
const HTTP_PORT: i64 = 80;

/// Reads the spec; what it leaves out is left out. The listen port is the key's.
///
/// # Errors
/// When an id is none.
pub(super) fn read(spec: &LoadBalancerServiceParameters) -> Result<Service, Error> {
    // Exhaustive, here and below, so that a new field is sent or the compiler asks why not.
    let LoadBalancerServiceParameters {
        load_balancer_id: _,
        load_balancer_id_ref: _,
        load_balancer_id_selector: _,
        listen_port: _,
        protocol,
        destination_port,
        proxy_protocol,
        http,
        health_check,
    } = spec;
    Ok(Service {
        listen_port: 0,
        protocol: protocol.map(|protocol| protocol.as_str().to_owned()),
        destination_port: *destination_port,
        proxyprotocol: *proxy_protocol,
        http: http.as_ref().map(read_http).transpose()?,
        health_check: health_check.as_ref().map(read_health_check),
    })
}

fn read_http(spec: &LoadBalancerServiceHttp) -> Result<Http, Error> {
    let LoadBalancerServiceHttp {
        sticky_sessions,
        cookie_name,
        cookie_lifetime,
        timeout_idle,
        certificate_ids,
        redirect_http,
    } = spec;
    let certificates = certificate_ids.as_ref().map(|ids| {
        let ids = ids.iter().enumerate().map(|(i, id)| {
            parse_id(id).ok_or_else(|| {
                let field = format!("http.certificateIds[{i}]");
                Error::field(field, format!("{id:?} is not an id"))
            })
        });
        ids.collect::<Result<Vec<_>, _>>()
    });
    Ok(Http {
        sticky_sessions: *sticky_sessions,
        cookie_name: cookie_name.clone(),
        cookie_lifetime: *cookie_lifetime,
        timeout_idle: *timeout_idle,
        certificates: certificates.transpose()?,
        redirect_http: *redirect_http,
    })
}

fn read_health_check(spec: &LoadBalancerHealthCheck) -> HealthCheck {
    let LoadBalancerHealthCheck {
        protocol,
        port,
        interval,
        timeout,
        retries,
        http,
    } = spec;
    HealthCheck {
        protocol: protocol.map(|protocol| protocol.as_str().to_owned()),
        port: *port,
        interval: *interval,
        timeout: *timeout,
        retries: *retries,
        http: http.as_ref().map(|http| HealthCheckHttp {
            domain: http.domain.clone(),
            path: http.path.clone(),
            response: http.response.clone(),
            status_codes: http.status_codes.clone(),
            tls: http.tls,
        }),
    }
}

/// How what is there differs from what is asked for. What the API does not tell cannot differ; a block is missing only
/// beside another protocol, which differs itself.
pub(super) fn drift(wish: &Service, found: &Service) -> Drift {
    let mut drift = Drift::default();
    check(&mut drift, "protocol", &wish.protocol, &found.protocol);
    check(
        &mut drift,
        "destinationPort",
        &wish.destination_port,
        &found.destination_port,
    );
    check(
        &mut drift,
        "proxyProtocol",
        &wish.proxyprotocol,
        &found.proxyprotocol,
    );
    if let (Some(wish), Some(found)) = (&wish.http, &found.http) {
        check(
            &mut drift,
            "http.stickySessions",
            &wish.sticky_sessions,
            &found.sticky_sessions,
        );
        check(
            &mut drift,
            "http.cookieName",
            &wish.cookie_name,
            &found.cookie_name,
        );
        check(
            &mut drift,
            "http.cookieLifetime",
            &wish.cookie_lifetime,
            &found.cookie_lifetime,
        );
        check(
            &mut drift,
            "http.timeoutIdle",
            &wish.timeout_idle,
            &found.timeout_idle,
        );
        check_set(
            &mut drift,
            "http.certificateIds",
            &wish.certificates,
            &found.certificates,
        );
        check(
            &mut drift,
            "http.redirectHttp",
            &wish.redirect_http,
            &found.redirect_http,
        );
    }
    if let (Some(wish), Some(found)) = (&health_check(wish, found), &found.health_check) {
        check(
            &mut drift,
            "healthCheck.protocol",
            &wish.protocol,
            &found.protocol,
        );
        check(&mut drift, "healthCheck.port", &wish.port, &found.port);
        check(
            &mut drift,
            "healthCheck.interval",
            &wish.interval,
            &found.interval,
        );
        check(
            &mut drift,
            "healthCheck.timeout",
            &wish.timeout,
            &found.timeout,
        );
        check(
            &mut drift,
            "healthCheck.retries",
            &wish.retries,
            &found.retries,
        );
        if let (Some(wish), Some(found)) = (&wish.http, &found.http) {
            // None and empty are the same to the API.
            let text = |text: &Option<String>| Some(text.clone().unwrap_or_default());
            check(
                &mut drift,
                "healthCheck.http.domain",
                &wish.domain,
                &text(&found.domain),
            );
            check(&mut drift, "healthCheck.http.path", &wish.path, &found.path);
            check(
                &mut drift,
                "healthCheck.http.response",
                &wish.response,
                &text(&found.response),
            );
            let (codes, seen) = (&wish.status_codes, &found.status_codes);
            check_set(&mut drift, "healthCheck.http.statusCodes", codes, seen);
            check(&mut drift, "healthCheck.http.tls", &wish.tls, &found.tls);
        }
    }
    drift
}

/// The health check that is asked for. The API leaves the port of a check as it is when the destination port changes
/// alone, so a check without a port of its own is asked for at the destination port, and one that the spec does not
/// mention goes along if it was there.
fn health_check(wish: &Service, found: &Service) -> Option<HealthCheck> {
    let port = wish.destination_port.or(found.destination_port);
    if let Some(check) = &wish.health_check {
        return Some(HealthCheck {
            port: check.port.or(port),
            ..check.clone()
        });
    }
    let seen = found.health_check.as_ref()?;
    let goes_along = seen.port.is_some() && seen.port == found.destination_port;
    goes_along.then(|| HealthCheck {
        port,
        ..HealthCheck::default()
    })
}

fn check<T: PartialEq + Display>(
    drift: &mut Drift,
    field: &str,
    wish: &Option<T>,
    found: &Option<T>,
) {
    if let Some(found) = found {
        drift.check(field, wish.as_ref(), found);
    }
}

/// As [`check`], for lists whose order says nothing.
fn check_set<T: Ord + Display>(
    drift: &mut Drift,
    field: &str,
    wish: &Option<Vec<T>>,
    found: &Option<Vec<T>>,
) {
    let list = |values: &Vec<T>| {
        let values: BTreeSet<_> = values.iter().collect();
        let texts: Vec<_> = values.into_iter().map(ToString::to_string).collect();
        format!("[{}]", texts.join(", "))
    };
    let wish = wish.as_ref().map(list);
    let found = found.as_ref().map_or_else(|| "[]".to_owned(), list);
    drift.check(field, wish.as_ref(), &found);
}

/// A new service: the API wants health checks complete, so the documented defaults are filled in.
///
/// # Errors
/// When the spec is incomplete.
pub(super) fn complete(mut wish: Service) -> Result<Service, Error> {
    let protocol = wish
        .protocol
        .as_deref()
        .ok_or(Error::Required("protocol"))?;
    if wish.destination_port.is_none() {
        if protocol == LoadBalancerProtocol::Tcp.as_str() {
            return Err(Error::Required("destinationPort"));
        }
        wish.destination_port = Some(HTTP_PORT);
    }
    if let Some(check) = &mut wish.health_check {
        let tcp = || LoadBalancerHealthCheckProtocol::Tcp.as_str().to_owned();
        check.protocol.get_or_insert_with(tcp);
        check.port = check.port.or(wish.destination_port);
        check.interval.get_or_insert(15);
        check.timeout.get_or_insert(10);
        check.retries.get_or_insert(3);
        complete_request(check);
    }
    Ok(wish)
}

/// Domain and path belong to every check by HTTP, and only to those.
fn complete_request(check: &mut HealthCheck) {
    if check.protocol.as_deref() == Some(LoadBalancerHealthCheckProtocol::Http.as_str()) {
        let http = check.http.get_or_insert_default();
        http.domain.get_or_insert_default();
        http.path.get_or_insert_with(|| "/".to_owned());
    } else {
        check.http = None;
    }
}

/// What changes a service so that it is as asked for.
pub(super) fn change(wish: &Service, found: &Service, drift: &Drift) -> Service {
    let protocol = wish.protocol.clone().or_else(|| found.protocol.clone());
    let is = |wanted: LoadBalancerProtocol| protocol.as_deref() == Some(wanted.as_str());
    let (https, tcp) = (
        is(LoadBalancerProtocol::Https),
        is(LoadBalancerProtocol::Tcp),
    );
    let mut http = wish.http.as_ref().map(|wish| {
        let found = found.http.clone().unwrap_or_default();
        Http {
            sticky_sessions: wish.sticky_sessions.or(found.sticky_sessions),
            cookie_name: wish.cookie_name.clone().or(found.cookie_name),
            cookie_lifetime: wish.cookie_lifetime.or(found.cookie_lifetime),
            timeout_idle: wish.timeout_idle.or(found.timeout_idle),
            certificates: wish.certificates.clone().or(found.certificates),
            redirect_http: wish.redirect_http.or(found.redirect_http),
        }
    });
    if let Some(http) = &mut http
        && !https
    {
        (http.certificates, http.redirect_http) = (None, None);
    }
    let check = health_check(wish, found).map(|wish| {
        let found = found.health_check.clone().unwrap_or_default();
        let (asked, seen) = (wish.http.unwrap_or_default(), found.http);
        let seen = seen.unwrap_or_default();
        let mut check = HealthCheck {
            protocol: wish.protocol.or(found.protocol),
            port: wish.port.or(found.port),
            interval: wish.interval.or(found.interval),
            timeout: wish.timeout.or(found.timeout),
            retries: wish.retries.or(found.retries),
            http: Some(HealthCheckHttp {
                domain: asked.domain.or(seen.domain),
                path: asked.path.or(seen.path),
                response: asked.response.or(seen.response),
                status_codes: asked.status_codes.or(seen.status_codes),
                tls: asked.tls.or(seen.tls),
            }),
        };
        complete_request(&mut check);
        check
    });
    let changes_protocol = drift.touches("protocol");
    let with_http = changes_protocol || drift.touches("http");
    let with_check =
        drift.touches("healthCheck") || changes_protocol && wish.health_check.is_some();
    Service {
        listen_port: found.listen_port,
        protocol,
        destination_port: wish.destination_port,
        proxyprotocol: wish.proxyprotocol,
        http: http.filter(|_| with_http && !tcp),
        health_check: check.filter(|_| with_check),
    }
}
