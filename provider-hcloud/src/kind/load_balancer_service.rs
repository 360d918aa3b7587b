//! LoadBalancerService: a port that a load balancer listens on, a part of the load balancer.
//!
//! A block (`http`, `healthCheck`) that is sent is sent whole: what the spec leaves out has the value that it has, or
//! the documented default when the service is new.

use std::fmt;

use api::{
    LoadBalancerHealthCheckHttp, LoadBalancerService, LoadBalancerServiceObservation,
    ObservedHealthCheck, ObservedServiceHttp,
};

use super::{
    Error, Project,
    load_balancer::refusal_of_part,
    parse_id,
    part::{PartKind, PresentOf},
    report_id, required_id,
};
use crate::{
    hcloud::{self, Class, load_balancer::Service},
    managed::{Desired, Present},
};

mod wish;

/// The kind LoadBalancerService.
#[derive(Debug)]
pub enum LoadBalancerServices {}

/// A service is found by its load balancer and the port that it listens on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Key {
    load_balancer: u64,
    listen_port: u16,
}

impl Key {
    fn port(&self) -> i64 {
        self.listen_port.into()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}__{}", self.load_balancer, self.listen_port)
    }
}

impl PartKind for LoadBalancerServices {
    type Resource = LoadBalancerService;
    type Parent = hcloud::LoadBalancer;
    type Key = Key;

    const FORM: &'static str = "<load balancer id>__<listen port>";

    fn parse(external_name: &str) -> Option<Key> {
        let (load_balancer, listen_port) = external_name.split_once("__")?;
        Some(Key {
            load_balancer: parse_id(load_balancer)?,
            listen_port: listen_port.parse().ok().filter(|port| *port > 0)?,
        })
    }

    fn key(resource: &LoadBalancerService) -> Result<Key, Error> {
        let spec = &resource.spec.for_provider;
        let port = spec.listen_port.ok_or(Error::Required("listenPort"))?;
        let listen_port = u16::try_from(port).ok().filter(|port| *port > 0);
        let problem = || Error::field("listenPort", format!("{port} is not a port"));
        Ok(Key {
            load_balancer: required_id("loadBalancerId", spec.load_balancer_id.as_deref())?,
            listen_port: listen_port.ok_or_else(problem)?,
        })
    }

    fn parent(key: &Key) -> u64 {
        key.load_balancer
    }

    async fn present(
        _: &Project,
        desired: &Desired<LoadBalancerService>,
        key: &Key,
        found: &hcloud::LoadBalancer,
    ) -> Result<Option<PresentOf<Self>>, Error> {
        let Some(service) = found.service(key.port()) else {
            return Ok(None);
        };
        let mut present = Present::new(key.to_string(), report(key, service));
        if desired.metadata.deletion_timestamp.is_some() {
            return Ok(Some(present));
        }
        let wish = wish::read(&desired.spec.for_provider)?;
        present.drift = wish::drift(&wish, service);
        Ok(Some(present))
    }

    async fn create(
        project: &Project,
        desired: &Desired<LoadBalancerService>,
        key: &Key,
    ) -> Result<(), Error> {
        let wish = wish::read(&desired.spec.for_provider)?;
        let request = Service {
            listen_port: key.port(),
            ..wish::complete(wish)?
        };
        let load_balancers = project.client.load_balancers();
        let added = load_balancers.add_service(key.load_balancer, &request);
        added.await.map(drop).map_err(refusal_of_part)
    }

    async fn update(
        project: &Project,
        desired: &Desired<LoadBalancerService>,
        key: &Key,
        present: &PresentOf<Self>,
    ) -> Result<(), Error> {
        let load_balancers = project.client.load_balancers();
        // What is left out of a block is taken over as it is now.
        let found = load_balancers
            .read(key.load_balancer, hcloud::Priority::Update)
            .await?;
        let Some(service) = found.as_ref().and_then(|found| found.service(key.port())) else {
            return Ok(());
        };
        let wish = wish::read(&desired.spec.for_provider)?;
        let request = wish::change(&wish, service, &present.drift);
        let updated = load_balancers.update_service(key.load_balancer, &request);
        updated.await.map(drop).map_err(refusal_of_part)
    }

    async fn delete(
        project: &Project,
        _: &Desired<LoadBalancerService>,
        key: &Key,
    ) -> Result<(), Error> {
        let load_balancers = project.client.load_balancers();
        match load_balancers
            .delete_service(key.load_balancer, key.port())
            .await
        {
            Err(error) if error.class() == Class::NotFound => {
                load_balancers.doubt(key.load_balancer);
                Ok(())
            }
            deleted => Ok(deleted.map(drop)?),
        }
    }
}

fn report(key: &Key, service: &Service) -> LoadBalancerServiceObservation {
    let http = service.http.as_ref().map(|http| {
        let mut certificate_ids: Vec<_> = http.certificates.iter().flatten().copied().collect();
        certificate_ids.sort_unstable();
        ObservedServiceHttp {
            sticky_sessions: http.sticky_sessions.unwrap_or_default(),
            cookie_name: http.cookie_name.clone(),
            cookie_lifetime: http.cookie_lifetime,
            timeout_idle: http.timeout_idle,
            certificate_ids: certificate_ids.into_iter().map(report_id).collect(),
            redirect_http: http.redirect_http.unwrap_or_default(),
        }
    });
    let health_check = service
        .health_check
        .as_ref()
        .map(|check| ObservedHealthCheck {
            protocol: check.protocol.clone().unwrap_or_default(),
            port: check.port.unwrap_or_default(),
            interval: check.interval.unwrap_or_default(),
            timeout: check.timeout.unwrap_or_default(),
            retries: check.retries.unwrap_or_default(),
            http: check.http.as_ref().map(|http| LoadBalancerHealthCheckHttp {
                domain: http.domain.clone().filter(|domain| !domain.is_empty()),
                path: http.path.clone(),
                response: http.response.clone().filter(|text| !text.is_empty()),
                status_codes: http.status_codes.clone(),
                tls: http.tls,
            }),
        });
    LoadBalancerServiceObservation {
        load_balancer_id: report_id(key.load_balancer),
        listen_port: key.port(),
        protocol: service.protocol.clone().unwrap_or_default(),
        destination_port: service.destination_port.unwrap_or_default(),
        proxy_protocol: service.proxyprotocol.unwrap_or_default(),
        http,
        health_check,
    }
}

#[cfg(test)]
mod tests;
