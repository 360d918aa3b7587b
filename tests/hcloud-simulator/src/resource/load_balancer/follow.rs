//! What becomes of targets when servers, their labels or networks change.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{
    Destination, Selected, Target,
    target::{is_reachable, selected},
};
use crate::{clock::later, collection::Id, project::Project, resource::network::Network};

/// Lets the targets of every load balancer follow what became of servers, their labels and networks.
pub(crate) fn follow(project: &mut Project, now: Timestamp) {
    let ids: Vec<Id> = project.load_balancers().iter().map(|one| one.id).collect();
    for id in ids {
        let Some(load_balancer) = project.load_balancers().get(id) else {
            continue;
        };
        let network = load_balancer
            .private_net(project)
            .map(|(network, _)| network);
        let followed: Vec<Target> = load_balancer
            .targets
            .iter()
            .filter(|target| still_exists(project, network, target))
            .map(|target| followed(project, network, target, now))
            .collect();
        if let Some(load_balancer) = project.load_balancers_mut().get_mut(id) {
            load_balancer.targets = followed;
        }
    }
}

/// A target goes with its server, and one behind the private interface with the network.
fn still_exists(project: &Project, network: Option<&Network>, target: &Target) -> bool {
    match target.destination {
        Destination::Server(id) => project.servers().get(id).is_some_and(|server| {
            !target.use_private_ip || is_reachable(project, network, server, true)
        }),
        Destination::LabelSelector(_) | Destination::Ip(_) => {
            target.is_public() || network.is_some()
        }
    }
}

fn followed(
    project: &Project,
    network: Option<&Network>,
    target: &Target,
    now: Timestamp,
) -> Target {
    let mut target = target.clone();
    let wanted = match &target.destination {
        Destination::LabelSelector(text) => selected(project, text, network, target.use_private_ip),
        Destination::Server(_) | Destination::Ip(_) => return target,
    };
    target
        .members
        .retain(|member| project.servers().get(member.server).is_some());
    let present: BTreeSet<Id> = target.members.iter().map(|member| member.server).collect();
    if wanted == present {
        target.outdated_since = None;
        return target;
    }
    let since = *target.outdated_since.get_or_insert(now);
    let lag = project.resources.load_balancing.selector_lag;
    if later(since, lag) <= now {
        target
            .members
            .retain(|member| wanted.contains(&member.server));
        let new = wanted.difference(&present).map(|server| Selected {
            server: *server,
            since: now,
        });
        target.members.extend(new);
        target.outdated_since = None;
    }
    target
}
