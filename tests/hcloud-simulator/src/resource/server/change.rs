//! What an action does to a server when it ends.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{KIND, Power, Server, model::UserData};
use crate::{
    action::ActionError,
    collection::Id,
    project::Project,
    resource::{
        image,
        network::{Member, MemberKind, MemberStatus},
        primary_ip::{self, AssigneeKind},
        server_type,
    },
};

/// A change; the last group only undoes what an action prepared that failed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    /// The action itself was all.
    Nothing,
    Start,
    Stop,
    /// The operating system is asked to stop.
    Shutdown,
    /// The operating system is asked to start again.
    Reboot,
    /// The power is cut and comes back.
    Reset,
    Rescale {
        server_type: Id,
        upgrade_disk: bool,
    },
    Rebuild {
        image: Id,
        user_data: Option<UserData>,
    },
    EnableBackup {
        window: String,
    },
    DisableBackup,
    FinishImage(Id),
    Rescue {
        enabled: bool,
    },
    Iso(Option<Id>),
    PlacementGroup(Option<Id>),
    Protect {
        both: bool,
    },
    Name {
        ip: IpAddr,
        name: Option<String>,
    },
    AliasIps {
        network: Id,
        alias_ips: Vec<Ipv4Addr>,
    },
    Detach {
        network: Id,
    },
    Delete,

    DiscardImage(Id),
    /// The attachment is what it was, or what it became.
    Settle {
        network: Id,
    },
}

fn failed(message: String) -> ActionError {
    ActionError::new("action_failed", message)
}

pub(super) fn apply(project: &mut Project, id: Id, change: &Value) -> Result<(), ActionError> {
    let change = Change::deserialize(change).map_err(|error| failed(error.to_string()))?;
    let bootable = project
        .servers()
        .get(id)
        .is_some_and(|server| server.has_interface(project));
    let server = project
        .servers_mut()
        .get_mut(id)
        .ok_or_else(|| failed(format!("{} {id} does not exist", KIND.name)))?;
    match change {
        Change::Nothing => {}
        Change::Start => {
            if server.power == Power::Off {
                return boot(server, bootable);
            }
        }
        Change::Reset => return boot(server, bootable),
        Change::Reboot => {
            if server.power == Power::Running && server.obeys_shutdown {
                return boot(server, bootable);
            }
        }
        Change::Stop => server.power = Power::Off,
        Change::Shutdown => {
            if server.obeys_shutdown {
                server.power = Power::Off;
            }
        }
        Change::Rescale {
            server_type,
            upgrade_disk,
        } => {
            server.server_type = server_type;
            if let Some(kind) = server_type::by_id(server_type).filter(|_| upgrade_disk) {
                server.primary_disk_size = kind.disk;
            }
            return boot(server, bootable);
        }
        Change::Rebuild { image, user_data } => {
            server.image = Some(image);
            if user_data.is_some() {
                server.user_data = user_data;
            }
            return boot(server, bootable);
        }
        Change::EnableBackup { window } => server.backup_window = Some(window),
        Change::DisableBackup => {
            server.backup_window = None;
            image::delete_backups(project, id);
        }
        Change::FinishImage(image) => {
            let image = project.resources.images.get_mut(image);
            image
                .ok_or_else(|| failed("the image does not exist".to_owned()))?
                .finish();
        }
        Change::DiscardImage(image) => {
            project.resources.images.remove(image);
        }
        Change::Rescue { enabled } => server.rescue_enabled = enabled,
        Change::Iso(iso) => server.iso = iso,
        Change::PlacementGroup(group) => server.placement_group = group,
        Change::Protect { both } => server.protected = both,
        Change::Name { ip, name } => primary_ip::set_dns_ptr(project, ip, name),
        Change::AliasIps { network, alias_ips } => {
            let member = find_member(project, network, id)?;
            member.alias_ips = alias_ips;
            member.status = MemberStatus::Ok;
        }
        Change::Settle { network } => {
            find_member(project, network, id)?.status = MemberStatus::Ok;
        }
        Change::Detach { network } => {
            if let Some(network) = project.networks_mut().get_mut(network) {
                network.members.retain(|member| !is(member, id));
            }
        }
        Change::Delete => delete(project, id),
    }
    Ok(())
}

/// A boot leaves the rescue system for the next time behind.
fn boot(server: &mut Server, bootable: bool) -> Result<(), ActionError> {
    if !bootable {
        return Err(ActionError::new(
            "invalid_input",
            "no public or private network interfaces found, cannot start server",
        ));
    }
    server.power = Power::Running;
    server.rescue_enabled = false;
    Ok(())
}

pub(super) fn is(member: &Member, server: Id) -> bool {
    member.kind == MemberKind::Server && member.id == server
}

pub(super) fn find_member(
    project: &mut Project,
    network: Id,
    server: Id,
) -> Result<&mut Member, ActionError> {
    let members = project.networks_mut().get_mut(network);
    let mut members = members.into_iter().flat_map(|network| &mut network.members);
    members
        .find(|member| is(member, server))
        .ok_or_else(|| failed(format!("the server is not in network {network}")))
}

/// Takes a server out of everything that it is in.
fn delete(project: &mut Project, id: Id) {
    let networks: Vec<Id> = project.networks().iter().map(|one| one.id).collect();
    for network in networks {
        if let Some(network) = project.networks_mut().get_mut(network) {
            network.members.retain(|member| !is(member, id));
        }
    }
    let volumes = project.volumes().iter();
    let attached: Vec<Id> = volumes
        .filter(|volume| volume.server == Some(id))
        .map(|volume| volume.id)
        .collect();
    for volume in attached {
        if let Some(volume) = project.volumes_mut().get_mut(volume) {
            volume.server = None;
        }
    }
    primary_ip::release(project, AssigneeKind::Server, id);
    image::delete_backups(project, id);
    project.servers_mut().remove(id);
}
