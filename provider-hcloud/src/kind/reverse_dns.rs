//! ReverseDNS: the name that a public address resolves to, a part of what has the address.
//!
//! Every IPv4 address has a name, Hetzner's own where nobody has given one. So an entry exists while the name is not
//! Hetzner's own, and deleting it restores that one. As for other parts, the external name follows from the spec, only
//! that there are three types of parents, and the address may be one that only the parent tells.

use std::{fmt, net::IpAddr};

use api::{ReverseDNS, ReverseDNSObservation, ReverseDNSParameters};

use super::{
    Error, Project, access::Access, error::later, external_name, parse_id, part::announced,
    report_id, required_id,
};
use crate::{
    hcloud::{self, Class, Priority},
    managed::{Created, Desired, External, ExternalError, Identity, Look, Observation, Present},
};

mod addresses;

use addresses::Addresses;

/// Makes access to reverse DNS entries.
pub type ReverseDnsEntries = Access<EntriesOfProject>;

/// What has an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Server,
    PrimaryIp,
    LoadBalancer,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Server, Self::PrimaryIp, Self::LoadBalancer];

    fn prefix(self) -> &'static str {
        match self {
            Self::Server => "s",
            Self::PrimaryIp => "p",
            Self::LoadBalancer => "l",
        }
    }
}

/// Something that has addresses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Parent {
    kind: Kind,
    id: u64,
}

impl fmt::Display for Parent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Server => "server",
            Kind::PrimaryIp => "Primary IP",
            Kind::LoadBalancer => "load balancer",
        };
        write!(f, "{kind} {}", self.id)
    }
}

/// An entry is found by what has the address, and the address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Key {
    parent: Parent,
    ip: IpAddr,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parent { kind, id } = self.parent;
        write!(f, "{}-{id}-{}", kind.prefix(), self.ip)
    }
}

impl Key {
    const FORM: &'static str = "<s, p or l for server, Primary IP or load balancer>-<id>-<address>";

    fn parse(external_name: &str) -> Option<Self> {
        let (prefix, rest) = external_name.split_once('-')?;
        let (id, ip) = rest.split_once('-')?;
        let mut kinds = Kind::ALL.into_iter();
        Some(Self {
            parent: Parent {
                kind: kinds.find(|kind| kind.prefix() == prefix)?,
                id: parse_id(id)?,
            },
            ip: ip.parse().ok()?,
        })
    }
}

/// The entries in one project.
#[derive(Clone, Debug)]
pub struct EntriesOfProject {
    project: Project,
}

impl From<Project> for EntriesOfProject {
    fn from(project: Project) -> Self {
        Self { project }
    }
}

type PresentEntry = Present<ReverseDNSObservation>;

impl External for EntriesOfProject {
    type Resource = ReverseDNS;

    const IDENTITY: Identity = Identity::Findable;

    async fn observe(
        &self,
        desired: &Desired<ReverseDNS>,
        look: Look,
    ) -> Result<Observation<ReverseDNSObservation>, ExternalError> {
        let seen = self.look(desired, look).await;
        self.project
            .finish(seen.map(|present| present.map_or(Observation::Absent, Observation::Present)))
    }

    async fn foretell(
        &self,
        desired: &Desired<ReverseDNS>,
    ) -> Result<Option<String>, ExternalError> {
        let key = self.key(&desired.spec.for_provider).await;
        self.project.finish(key.map(|key| Some(key.to_string())))
    }

    async fn create(&self, desired: &Desired<ReverseDNS>) -> Result<Created, ExternalError> {
        self.project.finish(self.make(desired).await)
    }

    async fn update(
        &self,
        desired: &Desired<ReverseDNS>,
        present: &PresentEntry,
    ) -> Result<(), ExternalError> {
        let name = desired.spec.for_provider.dns_ptr.as_deref();
        let changed = match (Key::parse(&present.external_name), name) {
            (Some(key), Some(name)) => self.change(key, Some(name)).await,
            _ => Ok(()),
        };
        self.project.finish(changed)
    }

    async fn delete(
        &self,
        _: &Desired<ReverseDNS>,
        present: &PresentEntry,
    ) -> Result<(), ExternalError> {
        let reset = match Key::parse(&present.external_name) {
            Some(key) => self.change(key, None).await,
            None => Ok(()),
        };
        self.project.finish(match reset {
            Err(error) if error.class() == Some(Class::NotFound) => Ok(()),
            reset => reset,
        })
    }
}

impl EntriesOfProject {
    async fn look(
        &self,
        desired: &Desired<ReverseDNS>,
        look: Look,
    ) -> Result<Option<PresentEntry>, Error> {
        let spec = &desired.spec.for_provider;
        let deleting = desired.metadata.deletion_timestamp.is_some();
        let recorded = external_name(&**desired, Key::FORM, Key::parse)?;
        let recorded = announced(&desired.metadata, Key::parse).or(recorded);
        let wanted = parent(spec);
        let parent = match (recorded, &wanted) {
            (Some(key), _) => key.parent,
            (None, Ok(parent)) => *parent,
            // What was never announced was never made: references are only lost while something is being deleted.
            (None, Err(_)) if deleting => return Ok(None),
            (None, Err(_)) => return wanted.map(|_| None),
        };
        let Some(addresses) = self.addresses(parent, look).await? else {
            return Ok(None);
        };
        let key = match recorded {
            Some(key) if addresses.has(key.ip) => key,
            Some(_) => return Ok(None),
            None => match address(spec, parent, &addresses) {
                Ok(ip) => Key { parent, ip },
                Err(_) if deleting => return Ok(None),
                Err(error) => return Err(error),
            },
        };
        let name = addresses.name(key.ip);
        let reported = desired.status.as_ref().and_then(|s| s.at_provider.as_ref());
        let ours = [
            spec.dns_ptr.as_deref(),
            reported.and_then(|seen| seen.dns_ptr.as_deref()),
        ];
        let exists = name.is_some_and(|name| {
            let named_by_us = ours.iter().flatten().any(|own| same(own, name));
            match deleting {
                true => named_by_us && !is_default(key.ip, name),
                false => spec.dns_ptr.is_none() || named_by_us || !is_default(key.ip, name),
            }
        });
        if !exists {
            return Ok(None);
        }
        let mut present = Present::new(key.to_string(), report(key, name));
        if !deleting {
            let name = name.unwrap_or_default();
            let drift = &mut present.drift;
            let other = spec.dns_ptr.as_deref().filter(|wanted| !same(wanted, name));
            drift.check("dnsPtr", other, name);
            if let Ok(parent) = wanted {
                let ip = spec.ip_address.as_ref().and_then(|ip| ip.parse().ok());
                let ip = ip.unwrap_or(key.ip);
                let wanted = Key { parent, ip }.to_string();
                drift.check_fixed("identity", Some(&wanted), &key.to_string());
            }
        }
        Ok(Some(present))
    }

    async fn make(&self, desired: &Desired<ReverseDNS>) -> Result<Created, Error> {
        let spec = &desired.spec.for_provider;
        let name = spec.dns_ptr.as_deref().ok_or(Error::Required("dnsPtr"))?;
        let key = self.key(spec).await?;
        self.change(key, Some(name)).await?;
        Ok(Created::named(key))
    }

    /// The key that the spec asks for.
    async fn key(&self, spec: &ReverseDNSParameters) -> Result<Key, Error> {
        let parent = parent(spec)?;
        let addresses = self.addresses(parent, Look::Direct).await?;
        let missing = || {
            later(format!(
                "{parent} does not exist: its address cannot be named"
            ))
        };
        let ip = address(spec, parent, &addresses.ok_or_else(missing)?)?;
        Ok(Key { parent, ip })
    }

    /// The addresses of something, and their names; `None` when it does not exist.
    async fn addresses(&self, parent: Parent, look: Look) -> Result<Option<Addresses>, Error> {
        async fn read<T>(project: &Project, id: u64, look: Look) -> Result<Option<Addresses>, Error>
        where
            T: hcloud::Resource,
            Addresses: for<'a> From<&'a T>,
        {
            let objects = project.client.resources::<T>();
            let found = match look {
                Look::Shared { max_age } => objects.by_id(id, max_age).await?,
                Look::Direct => objects.read(id, Priority::Update).await?,
            };
            Ok(found.map(|object| Addresses::from(&*object)))
        }
        let (project, id) = (&self.project, parent.id);
        match parent.kind {
            Kind::Server => read::<hcloud::Server>(project, id, look).await,
            Kind::PrimaryIp => read::<hcloud::PrimaryIp>(project, id, look).await,
            Kind::LoadBalancer => read::<hcloud::LoadBalancer>(project, id, look).await,
        }
    }

    /// Names an address; `None` restores Hetzner's own name.
    async fn change(&self, key: Key, name: Option<&str>) -> Result<(), Error> {
        let Parent { kind, id } = key.parent;
        let ip = key.ip.to_string();
        // Names are always complete here; the API writes them without the dot that says so.
        let name = name.map(|name| name.trim_end_matches('.'));
        let client = &self.project.client;
        match kind {
            Kind::Server => client
                .servers()
                .change_dns_ptr(id, &ip, name)
                .await
                .map(drop)?,
            Kind::PrimaryIp => client
                .primary_ips()
                .change_dns_ptr(id, &ip, name)
                .await
                .map(drop)?,
            Kind::LoadBalancer => {
                client
                    .load_balancers()
                    .change_dns_ptr(id, &ip, name)
                    .await
                    .map(drop)?;
            }
        }
        Ok(())
    }
}

/// What has the address that the spec means.
fn parent(spec: &ReverseDNSParameters) -> Result<Parent, Error> {
    let given = [
        ("serverId", Kind::Server, &spec.server_id),
        ("primaryIpId", Kind::PrimaryIp, &spec.primary_ip_id),
        ("loadBalancerId", Kind::LoadBalancer, &spec.load_balancer_id),
    ];
    let mut given = given.iter().filter(|(.., id)| id.is_some());
    let Some((field, kind, id)) = given.next() else {
        return Err(Error::Required("serverId, primaryIpId or loadBalancerId"));
    };
    if given.next().is_some() {
        let problem = "only one of serverId, primaryIpId and loadBalancerId is possible";
        return Err(Error::field(*field, problem));
    }
    Ok(Parent {
        kind: *kind,
        id: required_id(field, id.as_deref())?,
    })
}

/// The address that the spec means.
fn address(
    spec: &ReverseDNSParameters,
    parent: Parent,
    addresses: &Addresses,
) -> Result<IpAddr, Error> {
    let Some(text) = &spec.ip_address else {
        // A Primary IP has one address only, of whichever family.
        let any = parent.kind == Kind::PrimaryIp;
        return addresses.of_family(spec.ip_family, any).map_err(|family| {
            later(format!(
                "{parent} has no {family} address that could be named"
            ))
        });
    };
    let ip = text.parse::<IpAddr>();
    let ip = ip.map_err(|_| Error::field("ipAddress", format!("{text:?} is not an IP address")))?;
    if addresses.has(ip) {
        return Ok(ip);
    }
    let problem = format!("{parent} does not have the address {ip}: it has {addresses}");
    Err(Error::field("ipAddress", problem))
}

/// Whether two names are the same: case says nothing, nor does a dot at the end.
fn same(a: &str, b: &str) -> bool {
    a.trim_end_matches('.')
        .eq_ignore_ascii_case(b.trim_end_matches('.'))
}

/// Whether this is Hetzner's own name for the address.
fn is_default(ip: IpAddr, name: &str) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            same(
                name,
                &format!("static.{d}.{c}.{b}.{a}.clients.your-server.de"),
            )
        }
        IpAddr::V6(_) => false,
    }
}

fn report(key: Key, name: Option<&str>) -> ReverseDNSObservation {
    let id = |kind: Kind| (key.parent.kind == kind).then(|| report_id(key.parent.id));
    ReverseDNSObservation {
        server_id: id(Kind::Server),
        primary_ip_id: id(Kind::PrimaryIp),
        load_balancer_id: id(Kind::LoadBalancer),
        ip_address: key.ip.to_string(),
        dns_ptr: name.map(str::to_owned),
    }
}

#[cfg(test)]
mod tests;
