//! Server, the kind with the most to it: it takes several calls to make one, some changes need it off, and what was
//! made halfway is made again.
//!
//! ```text
//! wish        the spec, read              placement   which server type where, in order
//! drift       the differences             course      the steps that come next, and readiness
//! step        the calls that they take    create      the first call
//! perform     all others                  report      what is told
//! mark        labels that record what goes on, so that every step can be the last before a crash
//! address     the public addresses that a server is given and loses
//! image       the image that its disk begins with      rebuild   overwriting the disk
//! ```
//!
//! A change of the server type, placement group or public interface shuts the server down and starts it again, and is
//! done without being asked for approval: nothing is lost. Another image, or user data, waits for approval and is then
//! done by a rebuild, which overwrites the disk and leaves id and addresses. Location and SSH keys take another server.

mod address;
mod attachment;
mod course;
mod create;
mod drift;
mod image;
mod mark;
mod perform;
mod placement;
mod rebuild;
mod report;
mod step;
mod wish;

pub(super) use attachment::{Attachment, Fields, list};

use std::{collections::BTreeSet, time::Duration};

use api::{Price, Server, ServerObservation};
use jiff::SignedDuration;

use self::{
    course::{Assessment, Situation, assess},
    create::TYPES_AGE,
    drift::{Facts, has_other_type, surplus_firewalls},
    mark::{MAINTENANCE, Marks, Stamp},
    wish::Wish,
};
use super::{
    Error, Project,
    object::{Common, ObjectKind, PresentOf},
    price,
};
use crate::{
    hcloud::{self, Priority, firewall::Target, labels::Labels},
    managed::{Connection, Created, Desired, Present},
};

/// How old what is known of a server may be when it is changed.
const FRESH: Duration = Duration::from_secs(5);
/// How old a list of firewalls may be.
const FIREWALLS_AGE: Duration = Duration::from_secs(60);
/// Why a server is shut down before its deletion.
const DELETION: &str = "deletion";

/// The kind Server.
#[derive(Debug)]
pub enum Servers {}

impl ObjectKind for Servers {
    type Resource = Server;
    type Object = hcloud::Server;

    fn common(resource: &Server) -> Common<'_> {
        let spec = &resource.spec.for_provider;
        Common {
            name: spec.name.as_deref(),
            labels: &spec.labels,
            // Hetzner switches both protections together.
            delete_protection: spec.delete_protection.or(spec.rebuild_protection),
        }
    }

    async fn present(
        project: &Project,
        desired: &Desired<Server>,
        server: &hcloud::Server,
    ) -> Result<PresentOf<Self>, Error> {
        let before = desired
            .status
            .as_ref()
            .and_then(|status| status.at_provider.as_ref());
        let mut report = report::report(server, price_of(project, desired, server).await, before);
        if desired.metadata.deletion_timestamp.is_some() {
            return Ok(Present::new(server.id.to_string(), report));
        }
        let wish = Wish::read(desired)?;
        report::count_own(&mut report, &wish);
        let facts = facts(project, &wish, server, &report).await?;
        let failed_before = report::count_failure(&mut report, facts.failure.as_deref());
        let Assessment {
            drift, readiness, ..
        } = assess(&Situation {
            wish: &wish,
            server,
            facts: &facts,
            failed_before,
            now: project.clock.now(),
        });
        let connection = report::connection(&report);
        let mut present = Present::new(server.id.to_string(), report);
        present.drift = drift;
        present.readiness = readiness;
        present.connection = connection;
        Ok(present)
    }

    async fn create(
        project: &Project,
        desired: &Desired<Server>,
        name: String,
        labels: Labels,
    ) -> Result<Created, Error> {
        create::create(project, desired, name, labels).await
    }

    async fn update(
        project: &Project,
        desired: &Desired<Server>,
        id: u64,
        present: &PresentOf<Self>,
    ) -> Result<(), Error> {
        let Some(server) = project.client.servers().by_id(id, FRESH).await? else {
            return Ok(());
        };
        let wish = Wish::read(desired)?;
        let facts = facts(project, &wish, &server, &present.at_provider).await?;
        let mut assessment = assess(&Situation {
            wish: &wish,
            server: &server,
            facts: &facts,
            failed_before: present.at_provider.failed_creations,
            now: project.clock.now(),
        });
        if server.locked && !assessment.steps.is_empty() {
            let message = format!(
                "server {id} is locked by a running action: {} waits",
                assessment.drift
            );
            return Err(Error::Waiting(message));
        }
        let held = assessment.held.take();
        perform::perform(project, owner(desired), &wish, &server, assessment).await?;
        match held {
            Some((message, retry)) => Err(Error::Later { message, retry }),
            None => Ok(()),
        }
    }

    /// Rebuilds the server. A mark comes first, so that it is known afterwards whether the disk was overwritten already.
    async fn overwrite(
        project: &Project,
        desired: &Desired<Server>,
        id: u64,
        present: &PresentOf<Self>,
    ) -> Result<Connection, Error> {
        let spec = &desired.spec.for_provider;
        if spec.delete_protection == Some(true) || spec.rebuild_protection == Some(true) {
            let problem = "the server is protected: set this, and deleteProtection where it is set, to false to have the server rebuilt";
            return Err(Error::field("rebuildProtection", problem));
        }
        let Some(server) = project.client.servers().by_id(id, FRESH).await? else {
            return Ok(Connection::new());
        };
        let wish = Wish::read(desired)?;
        if server.locked || !(server.is_running() || server.is_off()) {
            let message = format!("server {id} is {}: its rebuild waits", server.status);
            return Err(Error::Waiting(message));
        }
        let marked = Marks::of(&server.labels).rebuild;
        if marked.is_some() != present.drift.is_overwritten() {
            // It was decided on an older look.
            return Ok(Connection::new());
        }
        rebuild::rebuild(project, desired, &wish, &server, marked).await
    }

    /// A server that is wanted to end in order is shut down, and given the time that the spec says.
    async fn before_delete(
        project: &Project,
        desired: &Desired<Server>,
        server: &hcloud::Server,
    ) -> Result<(), Error> {
        address::delete_left(project, owner(desired), server).await?;
        let wanted = desired.spec.for_provider.shutdown_before_deletion == Some(true);
        if !wanted || server.is_off() {
            return Ok(());
        }
        let timeout = wish::shutdown_timeout(&desired.spec.for_provider);
        let marks = Marks::of(&server.labels);
        let now = project.clock.now();
        let begun = marks.maintenance.filter(|stamp| stamp.is_of(DELETION));
        let until = begun.as_ref().map(|stamp| {
            let timeout = SignedDuration::try_from(timeout).unwrap_or(SignedDuration::MAX);
            stamp.after(timeout)
        });
        if timeout.is_zero() || until.is_some_and(|until| until <= now) {
            return Ok(());
        }
        ask_to_shut_down(project, server, begun).await?;
        let message = format!("server {} shuts down before its deletion", server.id);
        Err(Error::Waiting(message))
    }
}

/// What marks an object as made for the server of this managed resource.
fn owner(desired: &Server) -> &str {
    desired.metadata.uid.as_deref().unwrap_or_default()
}

/// Begins the time that the server is given, if it has not begun, whatever its status is. Asks it as soon as it runs, and
/// as often as it takes to be heard.
async fn ask_to_shut_down(
    project: &Project,
    server: &hcloud::Server,
    begun: Option<Stamp>,
) -> Result<(), Error> {
    let servers = project.client.servers();
    let now = project.clock.now();
    let mut labels = server.labels.clone();
    let has_begun = begun.is_some();
    let stamp = begun.unwrap_or_else(|| Stamp::new(now, DELETION));
    if !has_begun {
        labels.insert(MAINTENANCE.to_owned(), stamp.to_string());
        servers.set_labels(server.id, &labels).await?;
    }
    if !server.is_running() || !stamp.is_to_be_asked(now) {
        return Ok(());
    }
    servers.command(server.id, "shutdown").await?;
    labels.insert(MAINTENANCE.to_owned(), stamp.asked(now).to_string());
    servers.set_labels(server.id, &labels).await?;
    Ok(())
}

/// What the server costs with all that was made for it alone.
async fn price_of(
    project: &Project,
    desired: &Desired<Server>,
    server: &hcloud::Server,
) -> Option<Price> {
    let list = price::list(project).await?;
    let (name, location) = (&server.server_type.name, server.location_name());
    let mut price = price::of_type(&list, &list.pricing.server_types, name, location)?;
    if server.has_backups() {
        price = price.with_surcharge(list.pricing.server_backup.percentage.as_deref()?)?;
    }
    let public = desired.spec.for_provider.public_net.as_ref();
    let has_own_price = public.is_some_and(|public| public.ipv4_id.is_some());
    if server.public_net.ipv4.is_some() && !has_own_price {
        let address = price::of_type(&list, &list.pricing.primary_ips, "ipv4", location)?;
        price = price.plus(&address)?;
    }
    Some(price)
}

/// Asks for what has to be known, only when it has to.
async fn facts(
    project: &Project,
    wish: &Wish,
    server: &hcloud::Server,
    report: &ServerObservation,
) -> Result<Facts, Error> {
    let own = report.own_firewalls.iter();
    let mut facts = Facts {
        own_firewalls: own.filter_map(|id| u64::try_from(*id).ok()).collect(),
        own_placement_group: report.own_placement_group,
        ..Facts::default()
    };
    if has_other_type(wish, server) {
        facts.server_types = project.client.server_types().all(TYPES_AGE).await?;
    }
    let surplus = surplus_firewalls(wish, server, &facts.own_firewalls);
    if !surplus.is_empty() {
        facts.by_label = by_label(project, server.id, &surplus).await?;
    }
    let marks = Marks::of(&server.labels);
    if let Some(rebuild) = &marks.rebuild {
        facts.rebuild = rebuild::ending(project, server.id, rebuild).await?;
    }
    let settled = !server.locked && (server.is_running() || server.is_off());
    let doubtful = marks.setup_failed || !is_as_promised(wish, server);
    if marks.setup && settled && doubtful {
        let actions = project
            .client
            .servers()
            .unfinished_actions(server.id)
            .await?;
        facts.creating = actions.iter().any(|action| action.outcome().is_none());
        let failures = actions.iter().filter_map(|action| action.outcome()?.err());
        let unknown = marks.setup_failed.then(|| "an action failed".to_owned());
        facts.failure = failures.map(|error| error.to_string()).next().or(unknown);
    }
    Ok(facts)
}

/// Whether the server is what the call that created it asked for.
fn is_as_promised(wish: &Wish, server: &hcloud::Server) -> bool {
    let attached = wish
        .plain_networks()
        .all(|network| server.attachment(network).is_some());
    attached && (server.is_running() || !wish.starts_at_once())
}

/// Those of the firewalls that the server has only by its labels.
async fn by_label(
    project: &Project,
    server: u64,
    firewalls: &BTreeSet<u64>,
) -> Result<BTreeSet<u64>, Error> {
    let target = Target::server(server);
    let all = project.client.firewalls();
    let mut by_label = BTreeSet::new();
    for id in firewalls {
        let mut firewall = all.by_id(*id, FIREWALLS_AGE).await?;
        let told = |firewall: &hcloud::Firewall| {
            let mut targets = firewall.applied_to.iter();
            targets.any(|found| *found == target || found.applied_to_resources.contains(&target))
        };
        // The list is older than what the server says.
        if !firewall.as_deref().is_some_and(told) {
            firewall = all.read(*id, Priority::Update).await?;
        }
        let by_name = firewall.is_some_and(|firewall| firewall.applied_to.contains(&target));
        if !by_name {
            by_label.insert(*id);
        }
    }
    Ok(by_label)
}

#[cfg(test)]
mod tests;
