//! Claims that are refused, each with the exact message.

use super::cluster::{cluster, platform_of, region};
use super::*;

/// All problems of a claim, those of single fields and those of the whole.
fn problems(spec: Value, children: &[(&str, Value)]) -> Vec<String> {
    let spec = serde_json::from_value(spec).unwrap();
    let found = validate::platform(spec)
        .and_then(|claim| platform(&identity(), "Platform", &claim, &observed(children)));
    match found {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

/// What a claim has made.
fn made(spec: Value) -> Vec<(String, Value)> {
    let planned = plan(spec, &[]).unwrap();
    planned
        .desired
        .into_iter()
        .map(|desired| (desired.key, desired.object))
        .collect()
}

/// The problems of a claim that follows another.
fn problems_after(before: Value, after: Value) -> Vec<String> {
    let made = made(before);
    let children: Vec<_> = made
        .iter()
        .map(|(key, object)| (key.as_str(), object.clone()))
        .collect();
    problems(after, &children)
}

fn edited(mut spec: Value, path: &str, value: Value) -> Value {
    let (parent, field) = path.rsplit_once('/').unwrap();
    spec.pointer_mut(parent).unwrap()[field] = value;
    spec
}

const CLUSTER: &str = "/regions/0/clusters/0";

#[test]
fn bad_input_is_refused_with_path_and_remedy() {
    let base = || platform_of(json!([{"name": "work", "count": 1}]));
    let at = |path: &str, value: Value| edited(base(), &format!("{CLUSTER}{path}"), value);
    let two = |first: Value, second: Value| {
        json!({"regions": [
            region("a", "fsn1", json!([first])),
            region("b", "hel1", json!([second])),
        ]})
    };
    let cases = [
        (
            at("/controlPlane", json!({"count": 4})),
            "spec.regions[0].clusters[0].controlPlane.count: etcd needs an odd number of servers, at most 7, to keep a majority when one fails, not 4: write 1, 3, 5 or 7",
        ),
        (
            at(
                "/networking",
                json!({"podCIDR": "10.42.0.0/15", "serviceCIDR": "10.43.0.0/16"}),
            ),
            "spec.regions[0].clusters[0].networking.serviceCIDR: 10.43.0.0/16 of the services of cluster main overlaps 10.42.0.0/15 of the pods of cluster main (spec.regions[0].clusters[0].networking.podCIDR): choose another range",
        ),
        (
            edited(
                at("/networking", json!({"podCIDR": "10.8.0.0/16"})),
                "/regions/0/network",
                json!({"cidr": "10.0.0.0/12"}),
            ),
            "spec.regions[0].clusters[0].networking.podCIDR: 10.8.0.0/16 of the pods of cluster main overlaps 10.0.0.0/12 of region fsn (spec.regions[0].network.cidr): choose another range",
        ),
        (
            two(
                json!({"name": "m", "networking": {"meshID": 7}}),
                json!({"name": "n", "networking": {"meshID": 7}}),
            ),
            "spec.regions[1].clusters[0].networking.meshID: 7 is the mesh id of cluster m too (spec.regions[0].clusters[0].networking.meshID): choose another",
        ),
        (
            two(
                json!({"name": "m", "networking": {"podCIDR": "10.50.0.0/16"}}),
                json!({"name": "n", "networking": {"podCIDR": "10.50.0.0/16"}}),
            ),
            "spec.regions[1].clusters[0].networking.podCIDR: 10.50.0.0/16 of the pods of cluster n overlaps 10.50.0.0/16 of the pods of cluster m (spec.regions[0].clusters[0].networking.podCIDR): choose another range",
        ),
        (
            two(
                json!({"name": "m", "networking": {"serviceCIDR": "10.96.0.0/12"}}),
                json!({"name": "n", "networking": {"serviceCIDR": "10.100.0.0/16"}}),
            ),
            "spec.regions[1].clusters[0].networking.serviceCIDR: 10.100.0.0/16 of the services of cluster n overlaps 10.96.0.0/12 of the services of cluster m (spec.regions[0].clusters[0].networking.serviceCIDR): choose another range",
        ),
        (
            two(
                json!({"name": "m", "distribution": "external", "management": true}),
                json!({"name": "n", "distribution": "external", "management": true}),
            ),
            "spec.regions[1].clusters[0].management: spec.regions[0].clusters[0] is the management cluster already, and Crossplane runs in one: set one of them to false",
        ),
        (
            at("/nodePools", json!([{"name": "work", "count": 97}])),
            "spec.regions[0].clusters: region fsn can have 101 servers and load balancers, and a network of the cloud takes 100: lower counts and maxima by 1, or move pools to another region",
        ),
        (
            at(
                "/nodePools",
                json!([{"name": "auto", "autoscaling": {"min": 3, "max": 100}}]),
            ),
            "spec.regions[0].clusters: region fsn can have 104 servers and load balancers, and a network of the cloud takes 100: lower counts and maxima by 4, or move pools to another region",
        ),
        (
            at(
                "/nodePools",
                json!([{"name": "auto", "autoscaling": {"min": 3, "max": 2}}]),
            ),
            "spec.regions[0].clusters[0].nodePools[0].autoscaling.min: 3 is more than the maximum of 2: lower it or raise max",
        ),
        (
            at("/nodePools", json!([{"name": "work"}])),
            "spec.regions[0].clusters[0].nodePools[0]: pool work needs one of count, autoscaling and external: give exactly one",
        ),
        (
            at("/nodePools", json!([{"name": "cp", "count": 1}])),
            "spec.regions[0].clusters[0].nodePools[0].name: \"cp\" is the name of the control plane: give this pool another name",
        ),
        (
            at(
                "/nodePools",
                json!([{"name": "w", "count": 1}, {"name": "w", "count": 1}]),
            ),
            "spec.regions[0].clusters[0].nodePools[1].name: \"w\" is the name of spec.regions[0].clusters[0].nodePools[0] too: give this pool another name",
        ),
        (
            at(
                "/nodePools",
                json!([{"name": "w", "count": 1, "public": {"ipv4": false, "ipv6": false}}]),
            ),
            "spec.regions[0].clusters[0].nodePools[0].public: the servers of pool w have no public address and no way to the internet: add a route to 0.0.0.0/0 to network.routes of the region, or switch ipv4 on",
        ),
        (
            at(
                "/nodePools",
                json!([{"name": "w", "count": 1, "gpu": {"vendor": "nvidia", "model": "a10", "count": 1}}]),
            ),
            "spec.regions[0].clusters[0].nodePools[0].gpu: Hetzner Cloud has no servers with GPUs: use external nodes, or remove gpu",
        ),
        (
            edited(base(), "/regions/0/sshKeys", json!([])),
            "spec.regions[0].sshKeys: a region with servers needs an SSH key, or the cloud mails passwords for root: add one with name and publicKey",
        ),
        (
            at("/distribution", json!("external")),
            "spec.regions[0].clusters[0].kubeconfigSecretRef: cluster main is external and nothing says how to reach it: name the Secret with its kubeconfig, or set management to true for the cluster that Crossplane runs in",
        ),
        (
            at("/version", json!("v1.0.0+k3s1")),
            "spec.regions[0].clusters[0].version: the SHA-256 of k3s v1.0.0+k3s1 is not known: give it in k3s.install.sha256, or use one of v1.36.4+k3s1, v1.36.3+k3s1, v1.35.8+k3s1, v1.34.11+k3s1",
        ),
        (
            at("/endpoint", json!({"type": "dns"})),
            "spec.regions[0].clusters[0].endpoint.host: an endpoint of the type dns needs a host, and no other has one: add it or remove it",
        ),
        (
            at("/k3s", json!({"args": {"kubelet": ["--max-pods=10"]}})),
            "spec.regions[0].clusters[0].k3s.args.kubelet[0]: \"--max-pods=10\" is not an argument: write it as name=value, without dashes",
        ),
        (
            at(
                "/nodePools",
                json!([{"name": "work", "autoscaling": {"max": 3}, "volumes": [{"name": "data", "size": 10}]}]),
            ),
            "spec.regions[0].clusters[0].nodePools[0].volumes: the cluster autoscaler makes the servers of pool work, without volumes: remove volumes, or give a count instead",
        ),
        (
            edited(base(), "/profile", json!("custom")),
            "spec.regions[0].clusters[0].controlPlane.count: the profile custom has no default: write 1, 3, 5 or 7",
        ),
        (
            edited(
                base(),
                "/regions/0/network",
                json!({"cidr": "10.0.0.0/16", "subnets": [{"name": "main", "cidr": "10.9.0.0/24"}]}),
            ),
            "spec.regions[0].network.subnets[0].cidr: 10.9.0.0/24 is not inside 10.0.0.0/16 of the network: choose a range inside it",
        ),
        (
            edited(base(), "/regions/0/network", json!({"existing": "17"})),
            "spec.regions[0].network.cidr: the range of an existing network is not known: write the range that it has",
        ),
        (
            edited(
                base(),
                "/regions/0/loadBalancers",
                json!([{"name": "web", "cluster": "mian", "services": []}]),
            ),
            "spec.regions[0].loadBalancers[0].cluster: there is no cluster \"mian\" in this region: take one of main",
        ),
        (
            edited(
                base(),
                "/regions/0/loadBalancers",
                json!([{"name": "web", "cluster": "main", "pools": ["wrok"], "services": []}]),
            ),
            "spec.regions[0].loadBalancers[0].pools[0]: cluster main has no pool \"wrok\": take one of cp, work",
        ),
        (
            edited(
                base(),
                "/regions/0/network",
                json!({"routes": [{"destination": "0.0.0.0/0", "gateway": "10.9.0.2"}]}),
            ),
            "spec.regions[0].network.routes[0].gateway: 10.9.0.2 cannot be a gateway in the network 10.0.0.0/16: write the private address of the server that passes packets on",
        ),
        (
            edited(
                base(),
                "/regions/0/firewall",
                json!({"rules": [{"protocol": "tcp", "port": "80", "sources": ["10.0.0.1/8"]}]}),
            ),
            "spec.regions[0].firewall.rules[0].sources[0]: \"10.0.0.1/8\" is not a range that starts at its first address: write 10.0.0.0/8",
        ),
        (
            edited(
                base(),
                "/operations",
                json!({"deletion": {"teardown": true}}),
            ),
            "spec.operations.deletion.teardown: the platform is protected: set spec.operations.deletion.protect to false too",
        ),
        (
            edited(
                base(),
                "/operations",
                json!({"deletion": {"protect": false, "sweep": true}}),
            ),
            "spec.operations.deletion.sweep: only a teardown sweeps: set spec.operations.deletion.teardown to true too, or remove sweep",
        ),
    ];
    for (spec, expected) in cases {
        let found = problems(spec.clone(), &[]);
        assert!(
            found.iter().any(|problem| problem == expected),
            "{expected}\n{found:#?}"
        );
    }
}

#[test]
fn a_network_moves_out_of_the_way_of_what_is_asked_for() {
    let spec = edited(
        platform_of(json!([])),
        &format!("{CLUSTER}/networking"),
        json!({"podCIDR": "10.0.0.0/16"}),
    );
    let planned = plan(spec, &[]).unwrap();
    assert_eq!(ranges(&planned), [("region-fsn", "10.1.0.0/16")]);
}

#[test]
fn what_exists_cannot_be_contradicted() {
    let base = || {
        platform_of(
            json!([{"name": "work", "count": 1, "volumes": [{"name": "data", "size": 20}]}]),
        )
    };
    let at = |path: &str, value: Value| edited(base(), &format!("{CLUSTER}{path}"), value);
    let external = json!([{"name": "main", "distribution": "external", "management": true}]);
    let cases = [
        (
            at("/controlPlane", json!({"count": 1})),
            "spec.regions[0].clusters[0].controlPlane.count: the control plane of cluster main has 3 servers and can only grow: write 3 or more",
        ),
        (
            edited(base(), "/regions/0/clusters", external),
            "spec.regions[0].clusters[0].distribution: cluster main is k3s and cannot become external: add a cluster with another name and remove this one",
        ),
        (
            at("/networking", json!({"podCIDR": "10.60.0.0/16"})),
            "spec.regions[0].clusters[0].networking.podCIDR: cluster main has 10.42.0.0/16 and cannot change to 10.60.0.0/16: write 10.42.0.0/16, or leave podCIDR out",
        ),
        (
            at("/networking", json!({"meshID": 9})),
            "spec.regions[0].clusters[0].networking.meshID: cluster main has 1 and cannot change to 9: write 1, or leave meshID out",
        ),
        (
            edited(base(), "/regions/0/network", json!({"cidr": "10.0.0.0/20"})),
            "spec.regions[0].network.cidr: the network of region fsn is 10.0.0.0/16 and can only grow at its end: write 10.0.0.0/16, or the same with a shorter prefix",
        ),
        (
            edited(
                base(),
                "/regions/0/network",
                json!({"cidr": "10.0.0.0/16", "existing": "17"}),
            ),
            "spec.regions[0].network.existing: region fsn has a network of its own and cannot change to another network: leave it out",
        ),
        (
            edited(
                base(),
                "/regions/0/network",
                json!({"subnets": [{"name": "main", "cidr": "10.0.9.0/24"}]}),
            ),
            "spec.regions[0].network.subnets[0].cidr: subnet main is 10.0.1.0/24 and cannot change: write 10.0.1.0/24, or add a subnet with another name",
        ),
        (
            at(
                "/nodePools/0/volumes",
                json!([{"name": "data", "size": 10}]),
            ),
            "spec.regions[0].clusters[0].nodePools[0].volumes[0].size: volume data has 20 GB and can only grow: write 20 or more",
        ),
    ];
    for (after, expected) in cases {
        assert_eq!(problems_after(base(), after), [expected]);
    }
    assert_eq!(problems_after(base(), base()), Vec::<String>::new());
}

#[test]
fn an_allocation_that_cannot_be_read_is_never_made_again() {
    let child = json!({
        "metadata": {"name": "demo-fsn"},
        "spec": {"location": "fsn1", "network": {"cidr": "10.0.0.0/16"}, "later": true},
    });
    let found = problems(platform_of(json!([])), &[("region-fsn", child)]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with("spec.regions[0]: what was allocated for region fsn cannot be read from its XRegion (later: unknown field"),
        "{found:?}"
    );
}

#[test]
fn host_names_must_fit() {
    let long = "a234567890123456789b";
    let spec = json!({"regions": [region(long, "fsn1", json!([
        cluster(long, json!([{"name": long, "count": 1}])),
    ]))]});
    assert_eq!(
        problems(spec, &[]),
        [format!(
            "spec.regions[0].clusters[0].nodePools[0].name: servers of demo-{long}-{long}-{long} would have host names of more than 63 characters: shorten the names of the platform, the region, the cluster or the pool by 16 in all"
        )]
    );
}

#[test]
fn a_full_subnet_is_refused() {
    let pools: Vec<_> = (0..12)
        .map(|index| json!({"name": format!("p{index}"), "count": 1}))
        .collect();
    let mut spec = platform_of(json!(pools));
    spec["regions"][0]["network"] = json!({"routes": (1..20)
        .map(|block| json!({"destination": format!("192.168.{block}.0/24"), "gateway": format!("10.0.1.{}", block * 10)}))
        .collect::<Vec<_>>()});
    let found = problems(spec, &[]);
    assert_eq!(found.len(), 7, "24 blocks without 19 are 5: {found:#?}");
    assert_eq!(
        found[0],
        "spec.regions[0].clusters[0].nodePools[5].count: the subnet 10.0.1.0/24 of cluster main has no room for pool p5: lower its count to 0, or make the pools fewer and larger (each ten servers of a pool take ten addresses)"
    );
}

#[test]
fn volumes_of_a_group_of_servers_are_limited() {
    let volumes = |count: usize| -> Vec<Value> {
        (0..count)
            .map(|index| json!({"name": format!("v{index}"), "size": 20}))
            .collect()
    };
    let pool = |servers: u32, count: usize| {
        platform_of(json!([{"name": "work", "count": servers, "volumes": volumes(count)}]))
    };
    for (servers, count) in [(50, 0), (8, 1), (4, 2), (3, 3), (1, 8), (0, 8)] {
        assert_eq!(problems(pool(servers, count), &[]), Vec::<String>::new());
    }
    let path = "spec.regions[0].clusters[0].nodePools[0].volumes";
    let cases = [
        (
            pool(30, 1),
            format!(
                "{path}: pool work has 30 servers with 1 volume each, and 8 servers of a pool can have so many: spread the servers over several pools, or give each no volume"
            ),
        ),
        (
            pool(5, 2),
            format!(
                "{path}: pool work has 5 servers with 2 volumes each, and 4 servers of a pool can have so many: spread the servers over several pools, or give each 1 volume"
            ),
        ),
        (
            edited(
                platform_of(json!([])),
                &format!("{CLUSTER}/controlPlane"),
                json!({"count": 5, "volumes": volumes(2)}),
            ),
            "spec.regions[0].clusters[0].controlPlane.volumes: the control plane has 5 servers with 2 volumes each, and 4 servers of a pool can have so many: spread the servers over several pools, or give each 1 volume".to_owned(),
        ),
    ];
    for (spec, expected) in cases {
        assert_eq!(problems(spec, &[]), [expected]);
    }
    // The volume that goes stays until that is approved, and counts.
    let renamed = |name: &str| {
        platform_of(json!([{"name": "work", "count": 8, "volumes": [{"name": name, "size": 20}]}]))
    };
    assert_eq!(
        problems_after(renamed("old"), renamed("new")),
        [format!(
            "{path}: pool work has 8 servers with 2 volumes each, and 4 servers of a pool can have so many: those that are not in the claim any more go first: approve that before others are added"
        )]
    );
}

#[test]
fn names_of_the_cloud_are_judged_once_they_are_known() {
    let prices = |names: &[&str]| -> Value {
        names
            .iter()
            .map(|name| json!({"name": name, "prices": [{"location": "fsn1"}, {"location": "nbg1"}]}))
            .collect()
    };
    let pricing = json!({
        "metadata": {"name": "demo-pricing"},
        "status": {"atProvider": {
            "serverTypes": prices(&["cx33", "cx43", "cpx32"]),
            "loadBalancerTypes": prices(&["lb11", "lb21"]),
        }},
    });
    let spec = json!({"regions": [region("a", "fsn2", json!([{
        "name": "main",
        "endpoint": {"loadBalancerType": "lb12"},
        "nodePools": [{"name": "work", "count": 1, "serverTypes": ["cx3", "huge"]}],
    }]))]});
    let waiting = plan_from(spec.clone(), &[]).unwrap();
    let keys: Vec<_> = waiting.desired.iter().map(|it| it.key.as_str()).collect();
    assert_eq!(keys, ["pricing", "protection"], "nothing is known yet");
    let row = &waiting.status["regions"][0];
    assert_eq!((&row["name"], &row["ready"]), (&json!("a"), &json!(false)));
    assert_eq!(
        problems(spec.clone(), &[]),
        Vec::<String>::new(),
        "the price list is empty"
    );
    assert_eq!(
        problems(spec.clone(), &[("pricing", pricing.clone())]),
        [
            "spec.regions[0].location: the cloud has no location \"fsn2\": did you mean fsn1?",
            "spec.regions[0].clusters[0].endpoint.loadBalancerType: the cloud has no load balancer type \"lb12\": did you mean lb11?",
            "spec.regions[0].clusters[0].nodePools[0].serverTypes[0]: the cloud has no server type \"cx3\": did you mean cx33 or cx43?",
            "spec.regions[0].clusters[0].nodePools[0].serverTypes[1]: the cloud has no server type \"huge\": take one of cx33, cx43, cpx32",
        ]
    );
    let made = made(spec.clone());
    let mut children: Vec<_> = made
        .iter()
        .filter(|(key, _)| key != "pricing")
        .map(|(key, object)| (key.as_str(), object.clone()))
        .collect();
    children.push(("pricing", pricing));
    assert_eq!(
        problems(spec, &children),
        Vec::<String>::new(),
        "what runs may be of a type that is not sold any more"
    );
}
