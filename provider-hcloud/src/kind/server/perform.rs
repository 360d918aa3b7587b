//! Carries out the steps of an assessment, one call of the API after the other.

use std::time::Duration;

use serde_json::json;

use super::{
    address::Addresses,
    course::Assessment,
    mark::{FAILED, MAINTENANCE, REFUSED, SETUP, Stamp},
    step::Step,
    wish::{RESCUE_TYPE, Wish},
};
use crate::{
    hcloud::{self, Class, Resources, Server, firewall::Target, labels::Labels, server::IdOrName},
    kind::{Error, Project, error::refusal, near},
};

/// How long to wait for a change of the type, which copies the disk when it has to move the server. A longer one is
/// seen to its end by looking.
const MOVE: Duration = Duration::from_secs(20);
/// How old a list of SSH keys may be.
const KEYS_AGE: Duration = Duration::from_secs(60);

/// A server that steps are carried out on.
struct Work<'a> {
    project: &'a Project,
    addresses: Addresses<'a>,
    wish: &'a Wish,
    server: &'a Server,
    /// The labels as they are now.
    labels: Labels,
}

/// Carries out the steps. `owner` is the UID of the managed resource.
///
/// # Errors
/// The first step that is refused. A server that was switched off for it is started again, and carries the mark that
/// keeps this from being repeated at once. A server that cannot be set up is marked, and so made again.
pub(super) async fn perform(
    project: &Project,
    owner: &str,
    wish: &Wish,
    server: &Server,
    assessment: Assessment,
) -> Result<(), Error> {
    let mut work = Work {
        project,
        addresses: Addresses::new(project, owner, server),
        wish,
        server,
        labels: server.labels.clone(),
    };
    for step in assessment.steps {
        let Err(error) = work.take(step).await else {
            continue;
        };
        if let Some(refusal) = assessment.refusal
            && is_refusal(&error)
        {
            tracing::warn!(server = server.id, %error, "A change was refused; starting the server again");
            work.give_up(&refusal).await?;
        }
        let failed = matches!(error, Error::Api(hcloud::Error::Action { .. }));
        if failed && work.labels.contains_key(SETUP) {
            work.mark(&[(SETUP, Some(FAILED.to_owned()))]).await?;
        }
        return Err(match error {
            Error::Api(error) => refusal(error),
            error => error,
        });
    }
    Ok(())
}

/// Whether trying again soon is of no use.
fn is_refusal(error: &Error) -> bool {
    match error.class() {
        Some(
            Class::Conflict
            | Class::Locked
            | Class::RateLimited
            | Class::Unavailable
            | Class::OutcomeUnknown
            | Class::NotFound
            | Class::Unauthorized,
        ) => false,
        None
        | Some(
            Class::Protected
            | Class::InUse
            | Class::Invalid
            | Class::Forbidden
            | Class::Quota
            | Class::Capacity
            | Class::Uniqueness
            | Class::Other,
        ) => true,
    }
}

impl Work<'_> {
    fn servers(&self) -> Resources<'_, Server> {
        self.project.client.servers()
    }

    async fn take(&mut self, step: Step) -> Result<(), Error> {
        let (servers, id) = (self.project.client.servers(), self.server.id);
        match step {
            Step::Mark(changes) => self.mark(&changes).await?,
            Step::Attach(request) => match servers.attach(id, &request).await {
                // By an earlier call whose answer was lost.
                Err(error) if error.code() == Some("server_already_attached") => servers.doubt(id),
                attached => attached?,
            },
            Step::Detach(network) => servers.detach(id, network).await?,
            Step::AliasIps(network, ips) => servers.change_alias_ips(id, network, &ips).await?,
            Step::ApplyFirewall(firewall) => self.apply_firewall(firewall).await?,
            Step::TakeFirewallAway(firewall) => {
                let firewalls = self.project.client.firewalls();
                firewalls.take_away(firewall, &[Target::server(id)]).await?;
                servers.doubt(id);
            }
            Step::EnableBackup => servers.command(id, "enable_backup").await?,
            Step::DisableBackup => servers.command(id, "disable_backup").await?,
            Step::AttachIso(iso) => {
                let request = json!({"iso": iso});
                servers.run(id, "attach_iso", Some(&request)).await?;
            }
            Step::DetachIso => servers.command(id, "detach_iso").await?,
            Step::EnableRescue => self.enable_rescue().await?,
            Step::DisableRescue => servers.command(id, "disable_rescue").await?,
            Step::Shutdown => servers.command(id, "shutdown").await?,
            Step::PowerOff => servers.command(id, "poweroff").await?,
            Step::PowerOn => servers.command(id, "poweron").await?,
            Step::Reset => servers.command(id, "reset").await?,
            Step::JoinPlacementGroup(group) => {
                let request = json!({"placement_group": group});
                servers
                    .run(id, "add_to_placement_group", Some(&request))
                    .await?;
            }
            Step::LeavePlacementGroup => {
                servers.command(id, "remove_from_placement_group").await?;
            }
            Step::Unassign(ip) => self.addresses.unassign(ip).await?,
            Step::DeleteAddress(ip) => self.addresses.delete(ip).await?,
            Step::Assign(ip) => self.addresses.assign(ip).await?,
            Step::NewAddress(family) => self.addresses.make(family).await?,
            Step::DeleteUnusedAddresses(family) => self.addresses.delete_unused(family).await?,
            Step::ChangeType(server_type) => {
                let upgrade_disk = !self.wish.keep_disk;
                let request = json!({"server_type": server_type, "upgrade_disk": upgrade_disk});
                let moved = servers.run(id, "change_type", Some(&request));
                if let Ok(moved) = tokio::time::timeout(MOVE, moved).await {
                    moved?;
                }
            }
        }
        Ok(())
    }

    async fn mark(&mut self, changes: &[(&'static str, Option<String>)]) -> Result<(), Error> {
        let before = self.labels.clone();
        for (key, value) in changes {
            match value {
                Some(value) => self.labels.insert((*key).to_owned(), value.clone()),
                None => self.labels.remove(*key),
            };
        }
        if self.labels != before {
            let id = self.server.id;
            self.servers().set_labels(id, &self.labels).await?;
        }
        Ok(())
    }

    async fn give_up(&mut self, refusal: &Stamp) -> Result<(), Error> {
        let refused = (REFUSED, Some(refusal.to_string()));
        self.servers().command(self.server.id, "poweron").await?;
        self.mark(&[(MAINTENANCE, None), refused]).await
    }

    async fn apply_firewall(&self, firewall: u64) -> Result<(), Error> {
        let firewalls = self.project.client.firewalls();
        let target = Target::server(self.server.id);
        match firewalls.apply(firewall, &[target]).await {
            Err(error) if error.code() != Some("firewall_already_applied") => {
                return Err(error.into());
            }
            _ => self.servers().doubt(self.server.id),
        }
        Ok(())
    }

    async fn enable_rescue(&self) -> Result<(), Error> {
        let rescue = self.wish.rescue.clone().unwrap_or_default();
        let (field, named) = self.wish.rescue_keys();
        let mut keys = Vec::new();
        for (index, key) in named.into_iter().enumerate() {
            keys.push(match key {
                IdOrName::Id(id) => id,
                IdOrName::Name(name) => {
                    self.key_called(&format!("{field}[{index}]"), &name).await?
                }
            });
        }
        let type_ = rescue.type_.as_deref().unwrap_or(RESCUE_TYPE);
        let request = json!({"type": type_, "ssh_keys": keys});
        let id = self.server.id;
        Ok(self
            .servers()
            .run(id, "enable_rescue", Some(&request))
            .await?)
    }

    async fn key_called(&self, field: &str, name: &str) -> Result<u64, Error> {
        let keys = self.project.client.ssh_keys();
        if let Some(key) = keys.by_name(name, KEYS_AGE).await?.pop() {
            return Ok(key.id);
        }
        let all = keys.all(KEYS_AGE).await?;
        let near = near(name, all.iter().map(|key| key.name.as_str()));
        let problem = format!("there is no SSH key {name:?} in the project: it has {near}");
        Err(Error::field(field, problem))
    }
}
