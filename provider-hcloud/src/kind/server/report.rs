//! What is reported of a server.

use std::{collections::BTreeSet, net::Ipv6Addr};

use api::{Price, ServerImage, ServerObservation, ServerPrivateNet};
use ipnet::Ipv6Net;

use super::{
    mark::{Marks, WITHOUT},
    wish::Wish,
};
use crate::{
    hcloud::Server,
    kind::{report_id, report_time},
    managed::{Connection, credentials::SecretValue},
};

/// The report. What servers before this one came to is carried on from `before`.
pub(super) fn report(
    server: &Server,
    price: Option<Price>,
    before: Option<&ServerObservation>,
) -> ServerObservation {
    let marks = Marks::of(&server.labels);
    let server_type = &server.server_type;
    let public = &server.public_net;
    let place = server.location.as_ref();
    let ipv6 = public.ipv6.as_ref();
    ServerObservation {
        id: report_id(server.id),
        name: server.name.clone(),
        status: server.status.clone(),
        server_type: server_type.name.clone(),
        cores: server_type.cores.map(report_id).unwrap_or_default(),
        // Whole numbers for all types that there are.
        memory: server_type.memory.unwrap_or_default().round() as i64,
        disk: server.primary_disk_size.map(report_id).unwrap_or_default(),
        architecture: server_type.architecture.clone(),
        location: server.location_name().to_owned(),
        network_zone: place
            .map(|place| place.network_zone.clone())
            .unwrap_or_default(),
        image: server.image.as_ref().map(|image| ServerImage {
            id: report_id(image.id),
            name: Some(image.name.clone()).filter(|name| !name.is_empty()),
        }),
        public_ipv4: public.ipv4.as_ref().map(|ip| ip.ip.clone()),
        public_ipv6: ipv6.and_then(|ip| first_address(&ip.ip)),
        public_ipv6_network: ipv6.map(|ip| ip.ip.clone()),
        primary_ipv4_id: public.ipv4.as_ref().and_then(|ip| ip.id).map(report_id),
        primary_ipv6_id: ipv6.and_then(|ip| ip.id).map(report_id),
        private_nets: private_nets(server),
        firewalls: sorted(public.firewalls.iter().map(|firewall| firewall.id)),
        own_firewalls: own_firewalls(server, before),
        placement_group: server.placement_group.map(|group| report_id(group.id)),
        own_placement_group: before.is_some_and(|before| {
            let same = before.placement_group == server.placement_group.map(|g| report_id(g.id));
            same && before.own_placement_group
        }),
        volumes: sorted(server.volumes.iter().copied()),
        load_balancers: sorted(server.load_balancers.iter().copied()),
        labels: server.labels.clone(),
        delete_protection: server.protection.delete.unwrap_or_default(),
        rebuild_protection: server.protection.rebuild.unwrap_or_default(),
        backup_window: server
            .backup_window
            .clone()
            .filter(|window| !window.is_empty()),
        rescue_enabled: server.rescue_enabled,
        rescue_hash: marks.rescue.map(str::to_owned),
        iso: server
            .iso
            .as_ref()
            .map(|iso| iso.name.clone().unwrap_or_else(|| iso.id.to_string())),
        locked: server.locked,
        included_traffic: server.included_traffic.map(report_id),
        price,
        user_data_hash: marks
            .user_data
            .filter(|digest| *digest != WITHOUT)
            .map(str::to_owned),
        failed_creations: before
            .map(|before| before.failed_creations)
            .unwrap_or_default(),
        last_failed_creation: before.and_then(|before| before.last_failed_creation.clone()),
        created: report_time(server.created.as_deref()),
    }
}

/// Those firewalls of before that still apply.
fn own_firewalls(server: &Server, before: Option<&ServerObservation>) -> Vec<i64> {
    let own = before.map_or(&[][..], |before| &before.own_firewalls);
    let found = server.public_net.firewalls.iter().map(|found| found.id);
    sorted(found.filter(|id| own.contains(&report_id(*id))))
}

/// Takes in which firewalls and placement group the spec names: what it named once is left when it is no longer named.
pub(super) fn count_own(report: &mut ServerObservation, wish: &Wish) {
    let group = wish.placement_group.map(report_id);
    report.own_placement_group |= group.is_some() && group == report.placement_group;
    let wanted = wish.firewalls.iter().flatten().map(|id| report_id(*id));
    let applied = wanted.filter(|id| report.firewalls.contains(id));
    let own: BTreeSet<i64> = report
        .own_firewalls
        .iter()
        .copied()
        .chain(applied)
        .collect();
    report.own_firewalls = own.into_iter().collect();
}

/// Counts this server among those whose creation failed, once. How many there were before it.
pub(super) fn count_failure(report: &mut ServerObservation, failure: Option<&str>) -> i64 {
    let Some(failure) = failure else {
        return report.failed_creations;
    };
    let this = format!("server {}: ", report.id);
    let counted = report.last_failed_creation.as_deref();
    if !counted.is_some_and(|text| text.starts_with(&this)) {
        report.failed_creations = report.failed_creations.saturating_add(1);
        report.last_failed_creation = Some(format!("{this}{failure}"));
    }
    report.failed_creations.saturating_sub(1)
}

/// What others need to reach the server.
pub(super) fn connection(report: &ServerObservation) -> Connection {
    let private = report.private_nets.first().map(|net| &net.ip);
    [
        ("ipv4", report.public_ipv4.as_ref()),
        ("ipv6", report.public_ipv6.as_ref()),
        ("privateIPv4", private),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key, SecretValue::new(value?.clone().into_bytes()))))
    .collect()
}

fn private_nets(server: &Server) -> Vec<ServerPrivateNet> {
    let mut nets: Vec<_> = server
        .private_net
        .iter()
        .map(|net| {
            let mut alias_ips = net.alias_ips.clone();
            alias_ips.sort_unstable();
            ServerPrivateNet {
                network_id: report_id(net.network),
                ip: net.ip.clone(),
                alias_ips,
                mac_address: net.mac_address.clone(),
            }
        })
        .collect();
    nets.sort_by_key(|net| net.network_id);
    nets
}

fn sorted(ids: impl Iterator<Item = u64>) -> Vec<i64> {
    let mut ids: Vec<_> = ids.map(report_id).collect();
    ids.sort_unstable();
    ids
}

/// Hetzner routes the whole network to the server; its images use the first address.
fn first_address(network: &str) -> Option<String> {
    let network: Ipv6Net = network.parse().ok()?;
    let first = u128::from(network.network()).checked_add(1)?;
    Some(Ipv6Addr::from(first).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_address_of_a_network_ends_in_one() {
        assert_eq!(
            first_address("2001:db8:1:2::/64").as_deref(),
            Some("2001:db8:1:2::1")
        );
        assert_eq!(first_address("2001:db8::"), None);
    }

    #[test]
    fn a_failure_is_counted_once_and_survives_the_next_server() {
        let server = |id| Server {
            id,
            ..Server::default()
        };
        let mut first = report(&server(7), None, None);
        assert_eq!(count_failure(&mut first, None), 0);
        assert_eq!(count_failure(&mut first, Some("it did not start")), 0);
        let mut again = report(&server(7), None, Some(&first));
        assert_eq!(count_failure(&mut again, Some("it did not start")), 0);
        assert_eq!(again.failed_creations, 1);
        let mut second = report(&server(8), None, Some(&again));
        assert_eq!(
            second.last_failed_creation.as_deref(),
            Some("server 7: it did not start")
        );
        assert_eq!(count_failure(&mut second, Some("nor did this")), 1);
        assert_eq!(second.failed_creations, 2);
    }
}
