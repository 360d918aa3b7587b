//! Reading services from requests.

use std::{collections::BTreeSet, ops::RangeInclusive};

use serde_json::Value;

use super::{HealthCheck, HealthCheckHttp, HealthCheckProtocol, Http, Protocol, Service};
use crate::{collection::Id, request::Fields};

const MAX_COOKIE_NAME: usize = 100;
const MAX_DOMAIN: usize = 128;
const MAX_TEXT: usize = 256;
const MAX_STATUS_CODES: usize = 20;

/// A service that is to be added.
pub(in crate::resource::load_balancer) fn new(fields: &mut Fields) -> Option<Service> {
    let protocol = fields.parsed("protocol", protocol);
    let (listens, sends) = match protocol {
        Some(Protocol::Http) => (Some(80), Some(80)),
        Some(Protocol::Https) => (Some(443), Some(80)),
        Some(Protocol::Tcp) => {
            // A port that is there, but wrong, is refused below.
            fields.required::<Value>("listen_port");
            fields.required::<Value>("destination_port");
            (None, None)
        }
        None => (None, None),
    };
    let listen_port = port(fields, "listen_port").or(listens);
    let destination_port = port(fields, "destination_port").or(sends);
    let service = Service::new(protocol?, listen_port?, destination_port?);
    Some(read_rest(fields, service))
}

/// What a service becomes; what the request does not name stays.
pub(in crate::resource::load_balancer) fn changed(
    fields: &mut Fields,
    current: &Service,
) -> Service {
    let mut service = current.clone();
    if let Some(protocol) = fields.parsed_optional("protocol", protocol) {
        service.speak(protocol);
    }
    if let Some(port) = port(fields, "destination_port") {
        service.destination_port = port;
    }
    read_rest(fields, service)
}

fn read_rest(fields: &mut Fields, mut service: Service) -> Service {
    assign(&mut service.proxyprotocol, fields.optional("proxyprotocol"));
    fields.nested("http", |fields| {
        match &mut service.http {
            Some(http) => read_http(fields, http, service.protocol),
            None => refuse_http(fields),
        }
        Some(())
    });
    fields.nested("health_check", |fields| {
        read_health_check(fields, &mut service.health_check);
        Some(())
    });
    service
}

fn read_http(fields: &mut Fields, http: &mut Http, protocol: Protocol) {
    let name = text(fields, "cookie_name", 1..=MAX_COOKIE_NAME);
    assign(&mut http.cookie_name, name);
    let lifetime = within(fields, "cookie_lifetime", 30..=86_400);
    assign(&mut http.cookie_lifetime, lifetime);
    let timeout = within(fields, "timeout_idle", 30..=300);
    assign(&mut http.timeout_idle, timeout);
    assign(
        &mut http.sticky_sessions,
        fields.optional("sticky_sessions"),
    );
    assign(&mut http.certificates, fields.optional("certificates"));
    assign(&mut http.redirect_http, fields.optional("redirect_http"));
    if protocol != Protocol::Https {
        if !http.certificates.is_empty() {
            fields.refuse("certificates", "is only allowed for protocol https");
        }
        if http.redirect_http {
            fields.refuse("redirect_http", "is only allowed for protocol https");
        }
    }
    let distinct: BTreeSet<&Id> = http.certificates.iter().collect();
    if distinct.len() < http.certificates.len() {
        fields.refuse("certificates", "names a certificate twice");
    }
}

/// Clients send an empty or switched off `http` with every protocol.
fn refuse_http(fields: &mut Fields) {
    for name in ["sticky_sessions", "redirect_http"] {
        if fields.optional(name) == Some(true) {
            fields.refuse(name, "is only allowed for protocols http and https");
        }
    }
    let certificates: Option<Vec<Id>> = fields.optional("certificates");
    if certificates.is_some_and(|certificates| !certificates.is_empty()) {
        fields.refuse("certificates", "is only allowed for protocol https");
    }
}

fn read_health_check(fields: &mut Fields, check: &mut HealthCheck) {
    if let Some(protocol) = fields.parsed_optional("protocol", health_check_protocol) {
        check.protocol = protocol;
        match protocol {
            HealthCheckProtocol::Tcp => check.http = None,
            HealthCheckProtocol::Http => {
                check.http.get_or_insert_default();
            }
        }
    }
    assign(&mut check.port, port(fields, "port"));
    assign(&mut check.interval, within(fields, "interval", 3..=60));
    assign(&mut check.timeout, within(fields, "timeout", 1..=60));
    assign(&mut check.retries, within(fields, "retries", 1..=5));
    // Clients send an empty `http` with health checks of protocol tcp.
    if let Some(http) = &mut check.http {
        fields.nested("http", |fields| {
            read_health_check_http(fields, http);
            Some(())
        });
    }
}

fn read_health_check_http(fields: &mut Fields, http: &mut HealthCheckHttp) {
    let domain = text(fields, "domain", 0..=MAX_DOMAIN);
    if domain
        .as_ref()
        .is_some_and(|domain| domain.contains([' ', '%', '\\']))
    {
        fields.refuse("domain", "contains a space, a percent sign or a backslash");
    }
    assign(&mut http.domain, domain);
    let path = text(fields, "path", 1..=MAX_TEXT);
    if path.as_ref().is_some_and(|path| path.contains(' ')) {
        fields.refuse("path", "contains a space");
    }
    assign(&mut http.path, path);
    assign(&mut http.response, text(fields, "response", 0..=MAX_TEXT));
    let codes: Option<Vec<String>> = fields.optional("status_codes");
    for code in codes.iter().flatten() {
        if !is_status_code_pattern(code) {
            fields.refuse("status_codes", format!("'{code}' is not a status code"));
        }
    }
    if codes
        .as_ref()
        .is_some_and(|codes| codes.len() > MAX_STATUS_CODES)
    {
        fields.refuse("status_codes", format!("has more than {MAX_STATUS_CODES}"));
    }
    assign(&mut http.status_codes, codes);
    assign(&mut http.tls, fields.optional("tls"));
}

/// Three digits, where `?` stands for one of them and `*` for several.
fn is_status_code_pattern(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'?' | b'*');
    (1..=3).contains(&text.len()) && text.bytes().all(allowed)
}

fn protocol(text: &str) -> Result<Protocol, String> {
    match text {
        "tcp" => Ok(Protocol::Tcp),
        "http" => Ok(Protocol::Http),
        "https" => Ok(Protocol::Https),
        _ => Err(format!("'{text}' is not one of tcp, http, https")),
    }
}

fn health_check_protocol(text: &str) -> Result<HealthCheckProtocol, String> {
    match text {
        "tcp" => Ok(HealthCheckProtocol::Tcp),
        "http" => Ok(HealthCheckProtocol::Http),
        _ => Err(format!("'{text}' is not one of tcp, http")),
    }
}

fn assign<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

/// The identity of a service.
pub(in crate::resource::load_balancer) fn listen_port(fields: &mut Fields) -> Option<u16> {
    fields.required::<Value>("listen_port");
    port(fields, "listen_port")
}

fn port(fields: &mut Fields, name: &str) -> Option<u16> {
    within(fields, name, 1..=u32::from(u16::MAX)).and_then(|port| u16::try_from(port).ok())
}

fn within(fields: &mut Fields, name: &str, range: RangeInclusive<u32>) -> Option<u32> {
    let number = fields.optional::<i64>(name)?;
    match u32::try_from(number) {
        Ok(number) if range.contains(&number) => Some(number),
        _ => {
            let message = format!("must lie between {} and {}", range.start(), range.end());
            fields.refuse(name, message);
            None
        }
    }
}

fn text(fields: &mut Fields, name: &str, length: RangeInclusive<usize>) -> Option<String> {
    let text = fields.optional::<String>(name)?;
    if length.contains(&text.chars().count()) {
        return Some(text);
    }
    let message = match length.start() {
        0 => format!("is longer than {} characters", length.end()),
        start => format!("must have between {start} and {} characters", length.end()),
    };
    fields.refuse(name, message);
    None
}
