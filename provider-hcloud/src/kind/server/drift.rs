//! How a server differs from its spec, and what removes each difference. Pure; one function for each group of fields.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{
    attachment::{Attachment, list},
    mark::{
        AddressMarks, Marks, NEW_IPV4, NEW_IPV6, PENDING, RELEASED_IPV4, RELEASED_IPV6, RESCUE,
    },
    placement,
    step::{Change, Step, Way},
    wish::{Address, Wish},
};
use crate::{
    hcloud::{
        Server, ServerType,
        server::{Iso, PublicIp},
    },
    managed::Retry,
};

/// How soon to ask again for a server type that cannot be had: a shortage lasts, and all tries share the request budget.
pub(super) const SOLD_OUT: Duration = Duration::from_secs(300);

/// What has to be known besides the spec and the server.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// The server types, when the type is to change.
    pub(super) server_types: Vec<Arc<ServerType>>,
    /// Firewalls that the spec names or has named.
    pub(super) own_firewalls: BTreeSet<u64>,
    /// Whether the spec names the placement group of the server, or has named it.
    pub(super) own_placement_group: bool,
    /// Firewalls that apply to the server by its labels.
    pub(super) by_label: BTreeSet<u64>,
    /// Why an action of the creation failed.
    pub(super) failure: Option<String>,
    /// An action of the creation still runs.
    pub(super) creating: bool,
    /// What has become of the rebuild that the server is marked for, once it has begun.
    pub(super) rebuild: Option<Ending>,
}

/// What has become of an action.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Ending {
    Running,
    Done,
    Failed(String),
}

/// All differences, those first that need no server off.
pub(super) fn changes(
    wish: &Wish,
    server: &Server,
    marks: &Marks<'_>,
    facts: &Facts,
) -> Vec<Change> {
    let mut changes = networks(wish, server);
    changes.extend(firewalls(wish, server, facts));
    changes.extend(backups(wish, server));
    changes.extend(iso(wish, server));
    changes.extend(rescue(wish, server, marks));
    changes.extend(placement_group(wish, server, facts.own_placement_group));
    changes.extend(address(
        &IPV4,
        wish.ipv4,
        server.public_net.ipv4.as_ref(),
        marks.ipv4,
    ));
    changes.extend(address(
        &IPV6,
        wish.ipv6,
        server.public_net.ipv6.as_ref(),
        marks.ipv6,
    ));
    changes.extend(server_type(wish, server, &facts.server_types));
    changes.extend(fixed(wish, server, marks));
    changes
}

/// The list of networks is complete: other attachments are removed first, because their addresses may be wanted.
pub(super) fn networks(wish: &Wish, server: &Server) -> Vec<Change> {
    let Some(wanted) = &wish.networks else {
        return Vec::new();
    };
    let is_wanted = |network: u64| wanted.iter().any(|wish| wish.network == network);
    let surplus = server
        .private_net
        .iter()
        .filter(|net| !is_wanted(net.network));
    let surplus = surplus.map(|net| {
        let way = Way::Now(vec![Step::Detach(net.network)]);
        let desired = format!("without network {}", net.network);
        Change::new("networks", &desired, "attached", way)
    });
    let wanted = wanted.iter().enumerate();
    surplus
        .chain(wanted.filter_map(|(index, wish)| network(index, wish, server)))
        .collect()
}

fn network(index: usize, wish: &Attachment, server: &Server) -> Option<Change> {
    let field = format!("networks[{index}]");
    let Some(observed) = server.attachment(wish.network) else {
        let desired = format!("network {}", wish.network);
        let way = Way::Now(vec![Step::Attach(wish.request())]);
        return Some(Change::new(field, &desired, "not attached", way));
    };
    if let Some(misplaced) = wish.misplaced(observed) {
        let steps = vec![Step::Detach(wish.network), Step::Attach(wish.request())];
        let field = format!("{field}.{}", misplaced.field);
        return Some(Change::new(
            field,
            &misplaced.desired,
            &observed.ip,
            Way::Now(steps),
        ));
    }
    let aliases = wish.other_aliases(observed)?;
    let step = Step::AliasIps(wish.network, aliases.iter().copied().collect());
    let (desired, found) = (list(aliases), list(&observed.alias_ips));
    let way = Way::Now(vec![step]);
    Some(Change::new(
        format!("{field}.aliasIps"),
        &desired,
        &found,
        way,
    ))
}

/// What the spec named once is taken away when it no longer names it. What others have applied is theirs, and what
/// applies by label cannot be taken away from a single server.
fn firewalls(wish: &Wish, server: &Server, facts: &Facts) -> Option<Change> {
    let found: BTreeSet<u64> = server.public_net.firewalls.iter().map(|f| f.id).collect();
    let wanted = wish.firewalls.clone().unwrap_or_default();
    let surplus = surplus_firewalls(wish, server, &facts.own_firewalls);
    let surplus: BTreeSet<u64> = surplus.difference(&facts.by_label).copied().collect();
    let missing = wanted.difference(&found).map(|id| Step::ApplyFirewall(*id));
    let leaving = surplus.iter().map(|id| Step::TakeFirewallAway(*id));
    let steps: Vec<_> = missing.chain(leaving).collect();
    let observed = list(wanted.intersection(&found).chain(&surplus));
    (!steps.is_empty())
        .then(|| Change::new("firewallIds", &list(&wanted), &observed, Way::Now(steps)))
}

/// The firewalls of a server that its spec named, and does not name any more.
pub(super) fn surplus_firewalls(
    wish: &Wish,
    server: &Server,
    own: &BTreeSet<u64>,
) -> BTreeSet<u64> {
    let found = server.public_net.firewalls.iter().map(|found| found.id);
    let is_wanted = |id: &u64| wish.firewalls.iter().flatten().any(|wanted| wanted == id);
    found
        .filter(|id| own.contains(id) && !is_wanted(id))
        .collect()
}

fn backups(wish: &Wish, server: &Server) -> Option<Change> {
    let wanted = wish.backups?;
    let found = server.has_backups();
    let step = if wanted {
        Step::EnableBackup
    } else {
        Step::DisableBackup
    };
    (wanted != found).then(|| Change::new("backups", &wanted, &found, Way::Now(vec![step])))
}

fn iso(wish: &Wish, server: &Server) -> Option<Change> {
    let wanted = wish.iso.as_deref()?;
    let found = server.iso.as_ref();
    let name = |iso: &Iso| iso.name.clone().unwrap_or_else(|| iso.id.to_string());
    let same = match found {
        None => wanted.is_empty(),
        Some(iso) => iso.name.as_deref() == Some(wanted) || iso.id.to_string() == wanted,
    };
    if same {
        return None;
    }
    let step = if wanted.is_empty() {
        Step::DetachIso
    } else {
        Step::AttachIso(wanted.to_owned())
    };
    let shown = if wanted.is_empty() { "none" } else { wanted };
    let found = found.map_or_else(|| "none".to_owned(), name);
    Some(Change::new("iso", shown, &found, Way::Restart(vec![step])))
}

/// What was carried out last is recorded on the server, because the rescue system is started only once. The record goes
/// with the rescue, which is carried out again when it comes back.
fn rescue(wish: &Wish, server: &Server, marks: &Marks<'_>) -> Option<Change> {
    let Some(wanted) = wish.rescue_digest() else {
        let found = marks.rescue?;
        let disable = server.rescue_enabled.then_some(Step::DisableRescue);
        let steps = disable
            .into_iter()
            .chain([Step::Mark(vec![(RESCUE, None)])]);
        let way = Way::Now(steps.collect());
        return Some(Change::new("rescue", "none", found, way));
    };
    if marks.rescue == Some(wanted.as_str()) {
        return None;
    }
    let found = marks.rescue.unwrap_or("never");
    if let Err(error) = wish.check_rescue() {
        let (message, retry) = (error.to_string(), Retry::OnChange);
        let way = Way::Held { message, retry };
        return Some(Change::new("rescue", &wanted, found, way));
    }
    let mut steps = Vec::new();
    if server.rescue_enabled {
        steps.push(Step::DisableRescue);
    }
    steps.push(Step::EnableRescue);
    Some(Change::new("rescue", &wanted, found, Way::Restart(steps)))
}

fn placement_group(wish: &Wish, server: &Server, own: bool) -> Option<Change> {
    let wanted = wish.placement_group;
    let found = server.placement_group.map(|group| group.id);
    if found == wanted || wanted.is_none() && !own {
        return None;
    }
    let leave = found.map(|_| Step::LeavePlacementGroup);
    let join = wanted.map(Step::JoinPlacementGroup);
    let steps = leave.into_iter().chain(join).collect();
    let (desired, found) = (list(wanted), list(found));
    Some(Change::new(
        "placementGroupId",
        &desired,
        &found,
        Way::Off(steps),
    ))
}

/// One of the two families of public addresses.
struct Family {
    /// Its fields in the spec begin with this.
    field: &'static str,
    /// As the API names it.
    name: &'static str,
    /// The mark of an address that was taken away.
    released: &'static str,
    /// The mark of an address that is being made.
    new: &'static str,
}

const IPV4: Family = Family {
    field: "publicNet.ipv4",
    name: "ipv4",
    released: RELEASED_IPV4,
    new: NEW_IPV4,
};

const IPV6: Family = Family {
    field: "publicNet.ipv6",
    name: "ipv6",
    released: RELEASED_IPV6,
    new: NEW_IPV6,
};

impl Family {
    /// Takes an address away. The mark lets it be found when that is interrupted: nobody wants it, and it costs.
    fn leave(&self, id: u64) -> Vec<Step> {
        let mark = Step::Mark(vec![(self.released, Some(id.to_string()))]);
        let mut steps = vec![mark, Step::Unassign(id)];
        steps.extend(self.forget(id));
        steps
    }

    fn forget(&self, id: u64) -> [Step; 2] {
        [
            Step::DeleteAddress(id),
            Step::Mark(vec![(self.released, None)]),
        ]
    }

    /// Gives a new address. The mark lets one be found that was made and not assigned.
    fn give(&self) -> Vec<Step> {
        vec![
            Step::Mark(vec![(self.new, Some(PENDING.to_owned()))]),
            Step::NewAddress(self.name),
            Step::Mark(vec![(self.new, None)]),
        ]
    }
}

fn address(
    family: &Family,
    wanted: Address,
    found: Option<&PublicIp>,
    marks: AddressMarks,
) -> Vec<Change> {
    let field = family.field;
    let id = found.and_then(|ip| ip.id);
    let leave = || id.map(|id| family.leave(id)).unwrap_or_default();
    let change = match wanted {
        Address::Absent if found.is_some() => {
            let way = Way::Off(leave());
            Some(Change::new(format!("{field}Enabled"), &false, &true, way))
        }
        Address::Any if found.is_none() => {
            let way = Way::Off(family.give());
            Some(Change::new(format!("{field}Enabled"), &true, &false, way))
        }
        Address::Primary(wanted) if id != Some(wanted) => {
            let steps = leave().into_iter().chain([Step::Assign(wanted)]);
            let desired = format!("Primary IP {wanted}");
            let shown = id.map_or_else(|| "none".to_owned(), |id| format!("Primary IP {id}"));
            let way = Way::Off(steps.collect());
            Some(Change::new(format!("{field}Id"), &desired, &shown, way))
        }
        Address::Unmanaged | Address::Absent | Address::Any | Address::Primary(_) => None,
    };
    let left = marks
        .released
        .filter(|released| id != Some(*released) && wanted.primary() != Some(*released))
        .map(|released| {
            let way = Way::Now(family.forget(released).into());
            let desired = format!("Primary IP {released} released");
            Change::new(field, &desired, "pending", way)
        });
    // While a change is due, it may be what is to be assigned.
    let unused = (marks.new && change.is_none()).then(|| {
        let done = Step::Mark(vec![(family.new, None)]);
        let way = Way::Now(vec![Step::DeleteUnusedAddresses(family.name), done]);
        Change::new(field, "no unused Primary IP", "pending", way)
    });
    left.into_iter().chain(unused).chain(change).collect()
}

/// Whether the spec names server types, and the server has none of them.
pub(super) fn has_other_type(wish: &Wish, server: &Server) -> bool {
    !wish.server_types.is_empty() && !wish.server_types.contains(&server.server_type.name)
}

/// Any of the types will do. The disk never shrinks, and the architecture stays.
fn server_type(wish: &Wish, server: &Server, known: &[Arc<ServerType>]) -> Option<Change> {
    if !has_other_type(wish, server) {
        return None;
    }
    let current = &server.server_type;
    let desired = wish.server_types.join(" or ");
    let changed = |way| Some(Change::new("serverType", &desired, &current.name, way));
    let held = |message, retry| changed(Way::Held { message, retry });
    if let Err(error) = placement::check_names(&wish.server_types, known) {
        return held(error.to_string(), Retry::OnChange);
    }
    let disk = server.primary_disk_size.unwrap_or_default() as f64;
    let fits = |t: &&Arc<ServerType>| {
        t.architecture == current.architecture
            && t.storage_type == current.storage_type
            && t.disk.is_none_or(|size| size >= disk)
    };
    let wanted = wish.server_types.iter();
    let wanted = wanted.filter_map(|name| placement::find(name, known));
    let fitting: Vec<_> = wanted.filter(fits).collect();
    let place = server.location_name();
    let available = |t: &&&Arc<ServerType>| placement::availability(t, place) == Some(true);
    match fitting.iter().find(available) {
        Some(chosen) => changed(Way::Off(vec![Step::ChangeType(chosen.name.clone())])),
        None if fitting.is_empty() => changed(Way::Replacement),
        None => held(
            format!(
                "server type {desired} cannot be had in {place} at the moment: it is tried again"
            ),
            Retry::After(SOLD_OUT),
        ),
    }
}

/// What only a new server gets, or one that is rebuilt. What is not known of an existing one is not compared.
fn fixed(wish: &Wish, server: &Server, marks: &Marks<'_>) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut differs = |field: &str, desired: &str, observed: &str| {
        let image = field.starts_with("image.");
        let way = if image {
            Way::Rebuild
        } else {
            Way::Replacement
        };
        changes.push(Change::new(field, desired, observed, way));
    };
    if let (Some(wanted), Some(found)) = (&wish.image, &server.image) {
        match (&wanted.name, &wanted.id) {
            (Some(name), _) if *name != found.name => {
                let found = if found.name.is_empty() {
                    &found.description
                } else {
                    &found.name
                };
                differs("image.name", name, found);
            }
            (None, Some(id)) if *id != found.id.to_string() => {
                differs("image.id", id, &found.id.to_string());
            }
            _ => {}
        }
    }
    if let (Some(wanted), Some(found)) = (wish.image_selector(), marks.image_selector)
        && wish.image_selector_digest().as_deref() != Some(found)
    {
        differs("image.labelSelector", wanted, "an image of another choice");
    }
    let place = server.location_name();
    if !wish.locations.is_empty() && !wish.locations.iter().any(|location| location == place) {
        differs("location", &wish.locations.join(" or "), place);
    }
    if let (Some(wanted), Some(found)) = (wish.ssh_keys_digest(), marks.ssh_keys)
        && wanted != found
    {
        differs("sshKeys", &wanted, found);
    }
    if let (Some(wanted), Some(found)) = (&wish.user_data, marks.user_data)
        && wanted != found
    {
        // A server reads its user data once, when it starts for the first time or after a rebuild.
        changes.push(Change::new("userData", wanted, found, Way::Succession));
    }
    changes
}

#[cfg(test)]
pub(super) mod tests;
