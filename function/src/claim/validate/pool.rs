//! Checks of pools.

use super::{Problem, ValidPool, name, unique};
use crate::claim::cluster::{CONTROL_PLANE, CONTROL_PLANE_COUNTS, ControlPlaneRequest};
use crate::claim::machine::{Machine, Public, Volume};
use crate::claim::network::{INTERNET, NetworkRequest};
use crate::claim::node_pool::NodePoolRequest;
use crate::claim::platform::{Profile, Region};
use crate::claim::profile::IMAGE;

/// Checks the control plane of a cluster.
pub(super) fn control_plane(
    cluster: &str,
    region: &Region,
    request: &ControlPlaneRequest,
    profile: Profile,
    problems: &mut Vec<Problem>,
) -> ValidPool {
    let path = format!("{cluster}.controlPlane");
    let count = request.count.or_else(|| profile.control_plane_count());
    match count {
        None => problems.push(Problem::new(
            format!("{path}.count"),
            "the profile custom has no default: write 1, 3, 5 or 7",
        )),
        Some(count) if !CONTROL_PLANE_COUNTS.contains(&count) => problems.push(Problem::new(
            format!("{path}.count"),
            format_args!(
                "etcd needs an odd number of servers, at most 7, to keep a majority when one fails, not {count}: write 1, 3, 5 or 7"
            ),
        )),
        Some(_) => {}
    }
    let machine = machine(
        &path,
        &Wanted {
            backups: request.backups,
            image: request.image.as_deref(),
            locations: request.locations.as_deref(),
            public: request.public,
            server_types: request.server_types.as_deref(),
            volumes: &request.volumes,
        },
        region,
        profile,
        problems,
    );
    route_to_the_internet(
        &path,
        "the control plane",
        request.public,
        &region.network,
        problems,
    );
    ValidPool {
        name: CONTROL_PLANE.to_owned(),
        count: count.unwrap_or_default(),
        autoscaling: None,
        external: Vec::new(),
        machine,
        labels: request.labels.clone(),
        taints: request.taints.clone(),
        spread: request.spread,
        gpu: None,
        path,
    }
}

/// Checks the pools of a cluster.
pub(super) fn all(
    cluster: &str,
    region: &Region,
    requests: &[NodePoolRequest],
    profile: Profile,
    problems: &mut Vec<Problem>,
) -> Vec<ValidPool> {
    let mut pools: Vec<ValidPool> = Vec::with_capacity(requests.len());
    for (index, request) in requests.iter().enumerate() {
        let path = format!("{cluster}.nodePools[{index}]");
        if request.name == CONTROL_PLANE {
            problems.push(Problem::new(
                format!("{path}.name"),
                format_args!(
                    "{CONTROL_PLANE:?} is the name of the control plane: give this pool another name"
                ),
            ));
        }
        unique(&path, "pool", &request.name, &pools, problems);
        name(&path, &request.name, problems);
        pools.push(pool(path, request, region, profile, problems));
    }
    pools
}

fn pool(
    path: String,
    request: &NodePoolRequest,
    region: &Region,
    profile: Profile,
    problems: &mut Vec<Problem>,
) -> ValidPool {
    let given = [
        request.count.is_some(),
        request.autoscaling.is_some(),
        request.external.is_some(),
    ];
    if given.iter().filter(|given| **given).count() != 1 {
        problems.push(Problem::new(
            path.clone(),
            format_args!(
                "pool {} needs one of count, autoscaling and external: give exactly one",
                request.name
            ),
        ));
    }
    if let Some(bounds) = request.autoscaling
        && bounds.min > bounds.max
    {
        problems.push(Problem::new(
            format!("{path}.autoscaling.min"),
            format_args!(
                "{} is more than the maximum of {}: lower it or raise max",
                bounds.min, bounds.max
            ),
        ));
    }
    servers_of_others(&path, request, problems);
    if request.gpu.is_some() && request.external.is_none() {
        problems.push(Problem::new(
            format!("{path}.gpu"),
            "Hetzner Cloud has no servers with GPUs: use external nodes, or remove gpu",
        ));
    }
    let machine = machine(
        &path,
        &Wanted {
            backups: request.backups,
            image: request.image.as_deref(),
            locations: request.locations.as_deref(),
            public: request.public,
            server_types: request.server_types.as_deref(),
            volumes: &request.volumes,
        },
        region,
        // The servers of others have whatever type they have.
        if request.external.is_some() {
            Profile::Openova
        } else {
            profile
        },
        problems,
    );
    if request.external.is_none() {
        let what = format!("pool {}", request.name);
        route_to_the_internet(&path, &what, request.public, &region.network, problems);
    }
    ValidPool {
        name: request.name.clone(),
        count: request.count.unwrap_or_default(),
        autoscaling: request.autoscaling,
        external: request.external.clone().unwrap_or_default(),
        machine,
        labels: request.labels.clone(),
        taints: request.taints.clone(),
        spread: request.spread,
        gpu: request.gpu.clone(),
        path,
    }
}

/// What only servers that are made here can have.
fn servers_of_others(path: &str, request: &NodePoolRequest, problems: &mut Vec<Problem>) {
    let makers = match (&request.autoscaling, &request.external) {
        (Some(_), _) => "the cluster autoscaler makes",
        (None, Some(_)) => "others provide",
        (None, None) => return,
    };
    let asked = [
        ("volumes", !request.volumes.is_empty()),
        ("backups", request.backups),
    ];
    for (what, _) in asked.into_iter().filter(|(_, asked)| *asked) {
        problems.push(Problem::new(
            format!("{path}.{what}"),
            format_args!(
                "{makers} the servers of pool {}, without {what}: remove {what}, or give a count instead",
                request.name
            ),
        ));
    }
}

/// What a claim says about the servers of a pool.
struct Wanted<'a> {
    backups: bool,
    image: Option<&'a str>,
    locations: Option<&'a [String]>,
    public: Public,
    server_types: Option<&'a [String]>,
    volumes: &'a [Volume],
}

fn machine(
    path: &str,
    wanted: &Wanted<'_>,
    region: &Region,
    profile: Profile,
    problems: &mut Vec<Problem>,
) -> Machine {
    let server_types = match wanted.server_types {
        Some(types) => Some(types.to_vec()),
        None => profile.server_types(),
    };
    let server_types = server_types.unwrap_or_default();
    if server_types.is_empty() {
        problems.push(Problem::new(
            format!("{path}.serverTypes"),
            "the servers need a type and the claim gives none: write at least one, for example [cx33]",
        ));
    }
    let locations = match wanted.locations {
        Some([]) => {
            problems.push(Problem::new(
                format!("{path}.locations"),
                "the list is empty: write at least one location, or leave it out",
            ));
            Vec::new()
        }
        Some(locations) => locations.to_vec(),
        None => vec![region.location.clone()],
    };
    for (index, volume) in wanted.volumes.iter().enumerate() {
        let path = format!("{path}.volumes[{index}]");
        name(&path, &volume.name, problems);
        if wanted.volumes[..index]
            .iter()
            .any(|earlier| earlier.name == volume.name)
        {
            problems.push(Problem::new(
                format!("{path}.name"),
                format_args!(
                    "another volume of this pool is called {:?} too: give this one another name",
                    volume.name
                ),
            ));
        }
    }
    Machine {
        backups: wanted.backups,
        image: wanted.image.unwrap_or(IMAGE).to_owned(),
        locations,
        public: wanted.public,
        server_types,
        volumes: wanted.volumes.to_vec(),
    }
}

/// Servers download what they run: without a public address they need a way out.
fn route_to_the_internet(
    path: &str,
    what: &str,
    public: Public,
    network: &NetworkRequest,
    problems: &mut Vec<Problem>,
) {
    let routed = network
        .routes
        .iter()
        .any(|route| route.destination == INTERNET);
    if !public.any() && !routed {
        problems.push(Problem::new(
            format!("{path}.public"),
            format_args!(
                "the servers of {what} have no public address and no way to the internet: add a route to {INTERNET} to network.routes of the region, or switch ipv4 on"
            ),
        ));
    }
}
