//! What becomes of what firewalls are applied to when servers and their labels change.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Application, Status, Target, target::selected};
use crate::{clock::later, collection::Id, project::Project};

/// Lets every firewall follow what became of servers and their labels.
pub(crate) fn follow(project: &mut Project, now: Timestamp) {
    let ids: Vec<Id> = project
        .firewalls()
        .iter()
        .map(|firewall| firewall.id)
        .collect();
    for id in ids {
        let applied_to = match project.firewalls().get(id) {
            Some(firewall) => firewall.applied_to.iter(),
            None => continue,
        };
        let followed = applied_to.filter_map(|application| followed(project, id, application, now));
        let followed = followed.collect();
        if let Some(firewall) = project.firewalls_mut().get_mut(id) {
            firewall.applied_to = followed;
        }
    }
}

/// A server takes its place along; a label selector stays and finds other servers after a while.
fn followed(
    project: &Project,
    firewall: Id,
    application: &Application,
    now: Timestamp,
) -> Option<Application> {
    let mut followed = application.clone();
    let selector = match &application.target {
        Target::Server(id) => return project.servers().get(*id).map(|_| followed),
        Target::LabelSelector(selector) => selector,
    };
    followed
        .servers
        .retain(|server| project.servers().get(*server).is_some());
    if followed.status == Status::Pending {
        return Some(followed);
    }
    let wanted: BTreeSet<Id> = selected(project, firewall, selector).collect();
    if wanted == followed.servers {
        followed.outdated_since = None;
        return Some(followed);
    }
    let since = *followed.outdated_since.get_or_insert(now);
    if later(since, project.resources.firewalling.selector_lag) <= now {
        followed.servers = wanted;
        followed.outdated_since = None;
    }
    Some(followed)
}
