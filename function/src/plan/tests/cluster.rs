//! Clusters, pools and load balancers of a platform.

use super::*;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBW605CuChGxp2BjAbN2gpZzfd8i51FReX7BgOZH9X3H";

/// A region with a key and these clusters.
pub(super) fn region(name: &str, location: &str, clusters: Value) -> Value {
    let mut region = json!({
        "name": name,
        "location": location,
        "sshKeys": [{"name": "admin", "publicKey": KEY}],
    });
    region["clusters"] = clusters;
    region
}

/// A cluster with these pools.
pub(super) fn cluster(name: &str, pools: Value) -> Value {
    let mut cluster = json!({"name": name});
    cluster["nodePools"] = pools;
    cluster
}

/// A platform of one region with one cluster and these pools.
pub(super) fn platform_of(pools: Value) -> Value {
    json!({"regions": [region("fsn", "fsn1", json!([cluster("main", pools)]))]})
}

/// What was planned, as it is observed later.
fn observe(planned: &Planned) -> Vec<(&str, Value)> {
    planned
        .desired
        .iter()
        .map(|desired| (desired.key.as_str(), desired.object.clone()))
        .collect()
}

fn spec_of<'a>(planned: &'a Planned, region: &str) -> &'a Value {
    let key = format!("region-{region}");
    let region = planned.desired.iter().find(|desired| desired.key == key);
    &region.unwrap().object["spec"]
}

/// Plans a claim, then another on top of what the first has made.
fn replan(before: Value, after: Value) -> Planned {
    let before = plan(before, &[]).unwrap();
    plan(after, &observe(&before)).unwrap()
}

fn approving(mut spec: Value, approve: Value) -> Value {
    spec["operations"]["approve"] = approve;
    spec
}

fn steps(planned: &Planned) -> Vec<(&str, &str, &str)> {
    let steps = planned.status["plan"].as_array();
    steps
        .into_iter()
        .flatten()
        .map(|step| {
            let text = |field: &str| step[field].as_str().unwrap();
            (text("action"), text("name"), text("why"))
        })
        .collect()
}

#[test]
fn a_cluster_of_defaults_is_decided_completely() {
    let planned = plan(platform_of(json!([{"name": "work", "count": 12}])), &[]).unwrap();
    let spec = spec_of(&planned, "fsn");
    assert_eq!(
        spec["network"],
        json!({
            "cidr": "10.0.0.0/16",
            "subnets": [{"cidr": "10.0.1.0/24", "name": "main"}],
        })
    );
    assert_eq!(
        spec["sshKeys"],
        json!([{"name": "demo-admin", "publicKey": KEY}])
    );
    let cluster = &spec["clusters"][0];
    assert_eq!(
        cluster["networking"],
        json!({"meshID": 1, "podCIDR": "10.42.0.0/16", "serviceCIDR": "10.96.0.0/16"})
    );
    assert_eq!(
        cluster["endpoint"],
        json!({"address": "10.0.1.254", "loadBalancerType": "lb11", "type": "public"})
    );
    assert_eq!(cluster["controlPlane"]["spread"], true);
    assert_eq!(cluster["schedulable"], false, "there is another pool");
    let newest = crate::k3s::known_versions().next().unwrap().to_string();
    assert_eq!(cluster["version"], newest);
    assert_eq!(cluster["k3s"]["flannelBackend"], "none", "by the profile");
    let control_plane = &cluster["controlPlane"];
    assert_eq!(control_plane["count"], 3, "by the profile");
    assert_eq!(control_plane["firstAddresses"], json!(["10.0.1.2"]));
    assert_eq!(control_plane["machine"]["locations"], json!(["fsn1"]));
    let pool = &cluster["nodePools"][0];
    assert_eq!(pool["firstAddresses"], json!(["10.0.1.10", "10.0.1.20"]));
    assert_eq!(steps(&planned), []);
}

#[test]
fn clusters_get_ranges_and_mesh_ids_of_their_own() {
    let planned = plan(
        json!({"regions": [
            region("a", "fsn1", json!([cluster("one", json!([])), cluster("two", json!([]))])),
            region("b", "hel1", json!([cluster("one", json!([]))])),
        ]}),
        &[],
    )
    .unwrap();
    let mut found = Vec::new();
    for (region, index) in [("a", 0), ("a", 1), ("b", 0)] {
        let spec = spec_of(&planned, region);
        let networking = &spec["clusters"][index]["networking"];
        found.push((
            networking["meshID"].as_i64().unwrap(),
            networking["podCIDR"].as_str().unwrap(),
            spec["network"]["subnets"][index]["cidr"].as_str().unwrap(),
        ));
    }
    assert_eq!(
        found,
        [
            (1, "10.42.0.0/16", "10.0.1.0/24"),
            (2, "10.43.0.0/16", "10.0.2.0/24"),
            (3, "10.44.0.0/16", "10.1.1.0/24"),
        ]
    );
}

#[test]
fn what_is_added_never_renumbers_what_is_there() {
    let pools = || json!([{"name": "work", "count": 3}]);
    let before = json!({"regions": [region("fsn", "fsn1", json!([cluster("main", pools())]))]});
    let after = json!({"regions": [
        region("ash", "ash", json!([cluster("main", pools())])),
        region("fsn", "fsn1", json!([
            cluster("first", pools()),
            cluster("main", json!([{"name": "first", "count": 3}, {"name": "work", "count": 3}])),
        ])),
    ]});
    let first = plan(before, &[]).unwrap();
    let second = plan(after, &observe(&first)).unwrap();
    let (old, new) = (
        &spec_of(&first, "fsn")["clusters"][0],
        &spec_of(&second, "fsn")["clusters"][1],
    );
    assert_eq!(old["networking"], new["networking"]);
    assert_eq!(old["endpoint"], new["endpoint"]);
    assert_eq!(old["controlPlane"], new["controlPlane"]);
    assert_eq!(old["nodePools"][0], new["nodePools"][1]);
    assert_eq!(new["nodePools"][0]["firstAddresses"], json!(["10.0.1.20"]));
    let added = &spec_of(&second, "fsn")["clusters"][0];
    assert_eq!(added["networking"]["podCIDR"], "10.44.0.0/16");
    assert_eq!(
        spec_of(&second, "ash")["clusters"][0]["networking"]["podCIDR"],
        "10.43.0.0/16"
    );
    assert_eq!(steps(&second), []);
}

#[test]
fn what_was_planned_is_planned_again() {
    let spec = json!({"regions": [
        region("a", "fsn1", json!([cluster("main", json!([{"name": "work", "count": 25}]))])),
        region("b", "hel1", json!([cluster("main", json!([{"name": "auto", "autoscaling": {"max": 5}}]))])),
    ]});
    let once = plan(spec.clone(), &[]).unwrap();
    let again = plan(spec, &observe(&once)).unwrap();
    for region in ["a", "b"] {
        assert_eq!(spec_of(&once, region), spec_of(&again, region));
    }
    assert_eq!(steps(&again), []);
}

#[test]
fn a_pool_grows_into_the_next_free_block() {
    let pools =
        |count: u32| platform_of(json!([{"name": "a", "count": count}, {"name": "b", "count": 1}]));
    let planned = replan(pools(10), pools(11));
    let pools = &spec_of(&planned, "fsn")["clusters"][0]["nodePools"];
    assert_eq!(
        pools[0]["firstAddresses"],
        json!(["10.0.1.10", "10.0.1.30"])
    );
    assert_eq!(pools[1]["firstAddresses"], json!(["10.0.1.20"]));
}

#[test]
fn a_block_with_the_gateway_of_a_route_is_left_out() {
    let mut spec = platform_of(
        json!([{"name": "work", "count": 1, "public": {"ipv4": false, "ipv6": false}}]),
    );
    spec["regions"][0]["network"] =
        json!({"routes": [{"destination": "0.0.0.0/0", "gateway": "10.0.1.10"}]});
    let planned = plan(spec, &[]).unwrap();
    assert_eq!(
        spec_of(&planned, "fsn")["clusters"][0]["nodePools"][0]["firstAddresses"],
        json!(["10.0.1.20"])
    );
}

#[test]
fn a_pool_shrinks_from_its_end_after_approval() {
    let before = platform_of(json!([{"name": "work", "count": 12}]));
    let after = || platform_of(json!([{"name": "work", "count": 9, "labels": {"a": "b"}}]));
    let waiting = replan(before.clone(), after());
    let pool = &spec_of(&waiting, "fsn")["clusters"][0]["nodePools"][0];
    assert_eq!(pool["count"], 12);
    assert_eq!(pool["firstAddresses"], json!(["10.0.1.10", "10.0.1.20"]));
    assert_eq!(
        pool["labels"],
        json!({"a": "b"}),
        "what destroys nothing is done at once"
    );
    assert_eq!(
        steps(&waiting),
        [(
            "ScaleIn",
            "demo-fsn-main-work",
            "from 12 to 9 servers: numbers 9 to 11 go without being drained"
        )]
    );
    let hash = waiting.status["plan"][0]["hash"].clone();
    let done = replan(before, approving(after(), json!([hash])));
    let pool = &spec_of(&done, "fsn")["clusters"][0]["nodePools"][0];
    assert_eq!(pool["count"], 9);
    assert_eq!(pool["firstAddresses"], json!(["10.0.1.10"]));
    assert_eq!(steps(&done), []);
}

#[test]
fn a_removed_pool_stays_with_its_addresses_until_that_is_approved() {
    let before = platform_of(json!([{"name": "old", "count": 2}]));
    let after = || platform_of(json!([{"name": "new", "count": 2}]));
    let waiting = replan(before.clone(), after());
    let pools = &spec_of(&waiting, "fsn")["clusters"][0]["nodePools"];
    assert_eq!(pools[0]["name"], "new");
    assert_eq!(pools[0]["firstAddresses"], json!(["10.0.1.20"]));
    assert_eq!(pools[1]["name"], "old");
    assert_eq!(
        steps(&waiting),
        [(
            "Delete",
            "demo-fsn-main-old",
            "pool old is not in the claim any more; its 2 servers go without being drained"
        )]
    );
    let done = replan(before, approving(after(), json!(["automatic"])));
    let pools = &spec_of(&done, "fsn")["clusters"][0]["nodePools"];
    assert_eq!(pools.as_array().unwrap().len(), 1);
}

#[test]
fn a_removed_cluster_stays_with_its_subnet_until_that_is_approved() {
    let clusters = |names: &[&str]| {
        let clusters: Vec<_> = names.iter().map(|name| cluster(name, json!([]))).collect();
        json!({"regions": [region("fsn", "fsn1", json!(clusters))]})
    };
    let waiting = replan(clusters(&["a", "b"]), clusters(&["b"]));
    let spec = spec_of(&waiting, "fsn");
    assert_eq!(spec["clusters"][1]["name"], "a");
    assert_eq!(
        spec["network"]["subnets"],
        json!([{"cidr": "10.0.2.0/24", "name": "b"}, {"cidr": "10.0.1.0/24", "name": "a"}])
    );
    assert_eq!(
        steps(&waiting),
        [(
            "Delete",
            "demo-fsn-a",
            "cluster a is not in the claim any more; its 3 servers, their volumes and all that runs on them go with it"
        )]
    );
    let done = replan(
        clusters(&["a", "b"]),
        approving(clusters(&["b"]), json!(["automatic"])),
    );
    let spec = spec_of(&done, "fsn");
    assert_eq!(spec["clusters"].as_array().unwrap().len(), 1);
    assert_eq!(
        spec["network"]["subnets"],
        json!([{"cidr": "10.0.2.0/24", "name": "b"}])
    );
}

#[test]
fn changes_that_cost_something_wait_and_others_do_not() {
    let machine =
        |types: Value| platform_of(json!([{"name": "work", "count": 2, "serverTypes": types}]));
    let with = |extra: Value| {
        let mut pool = json!({"name": "work", "count": 2, "serverTypes": ["cx33"]});
        pool.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        platform_of(json!([pool]))
    };
    let volume = json!({"volumes": [{"name": "data", "size": 20}]});
    let cases = [
        (
            machine(json!(["cx33"])),
            machine(json!(["cpx32", "cx33"])),
            None,
        ),
        (
            machine(json!(["cx33"])),
            machine(json!(["cx43"])),
            Some("Resize"),
        ),
        (
            machine(json!(["cx33", "cpx32"])),
            machine(json!(["cx33"])),
            Some("Resize"),
        ),
        (with(json!({})), with(json!({"backups": true})), None),
        (
            with(json!({"backups": true})),
            with(json!({})),
            Some("DeleteBackups"),
        ),
        (with(json!({})), with(volume.clone()), None),
        (with(volume), with(json!({})), Some("DeleteVolumes")),
        (with(json!({})), with(json!({"image": "debian-13"})), None),
        (
            with(json!({})),
            with(json!({"public": {"ipv6": false}})),
            Some("ChangeAddresses"),
        ),
    ];
    for (before, after, expected) in cases {
        let waiting = replan(before.clone(), after.clone());
        let found: Vec<_> = steps(&waiting).iter().map(|(action, ..)| *action).collect();
        assert_eq!(found, Vec::from_iter(expected), "{after}");
        let machine = |planned: &Planned| {
            spec_of(planned, "fsn")["clusters"][0]["nodePools"][0]["machine"].clone()
        };
        let first = plan(before.clone(), &[]).unwrap();
        if expected.is_some() {
            assert_eq!(machine(&waiting), machine(&first), "{after}");
        }
        let done = replan(before, approving(after.clone(), json!(["automatic"])));
        let asked = plan(after, &[]).unwrap();
        assert_eq!(machine(&done), machine(&asked));
    }
}

#[test]
fn a_load_balancer_keeps_its_address_and_goes_after_approval() {
    let with = |names: &[&str]| {
        let mut spec = platform_of(json!([{"name": "work", "count": 1}]));
        let balancers = names.iter().map(|name| {
            json!({"name": name, "cluster": "main", "services": [{"port": 80, "targetPort": 80}]})
        });
        spec["regions"][0]["loadBalancers"] = balancers.collect();
        spec
    };
    let addresses = |planned: &Planned| -> Vec<(String, String)> {
        let balancers = spec_of(planned, "fsn")["loadBalancers"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        balancers
            .iter()
            .map(|balancer| (text(&balancer["name"]), text(&balancer["address"])))
            .collect()
    };
    let pair = |name: &str, address: &str| (name.to_owned(), address.to_owned());
    let waiting = replan(with(&["a", "b"]), with(&["c", "b"]));
    assert_eq!(
        addresses(&waiting),
        [
            pair("c", "10.0.1.251"),
            pair("b", "10.0.1.252"),
            pair("a", "10.0.1.253"),
        ]
    );
    assert_eq!(steps(&waiting)[0].1, "demo-fsn-a");
    let done = replan(
        with(&["a", "b"]),
        approving(with(&["b"]), json!(["automatic"])),
    );
    assert_eq!(addresses(&done), [pair("b", "10.0.1.252")]);
}

#[test]
fn one_region_makes_a_key_for_all() {
    let regions = |names: &[&str]| {
        let regions: Vec<_> = names
            .iter()
            .map(|name| region(name, "fsn1", json!([])))
            .collect();
        json!({"regions": regions})
    };
    let makers = |planned: &Planned| -> Vec<String> {
        let makes = |region: &&PlannedObject| {
            region.object["spec"]["sshKeys"][0]
                .get("publicKey")
                .is_some()
        };
        let regions = planned.desired.iter().filter(|d| d.key.starts_with(REGION));
        regions
            .filter(makes)
            .map(|region| region.key.clone())
            .collect()
    };
    let first = plan(regions(&["a", "b"]), &[]).unwrap();
    assert_eq!(makers(&first), ["region-a"]);
    let turned = plan(regions(&["b", "a"]), &observe(&first)).unwrap();
    assert_eq!(makers(&turned), ["region-a"], "who made it goes on");
}

#[test]
fn a_region_opens_its_firewall_to_the_addresses_of_its_peers() {
    let regions = |inter_region: &str| {
        let mut regions: Vec<_> = ["a", "b", "c"]
            .iter()
            .map(|name| region(name, "fsn1", json!([])))
            .collect();
        regions[2]["network"] = json!({"interRegion": inter_region});
        json!({"regions": regions})
    };
    let first = plan(regions("none"), &[]).unwrap();
    assert_eq!(
        spec_of(&first, "a").get("firewall"),
        None,
        "nothing is known yet"
    );
    let mut seen = observe(&first);
    for (_, object) in &mut seen {
        let name = object["metadata"]["name"].clone();
        object["status"] = json!({"publicAddresses": [format!("addresses of {name}")]});
    }
    let second = plan(regions("none"), &seen).unwrap();
    let peers = |planned: &Planned, region: &str| -> Vec<String> {
        let peers = spec_of(planned, region)["firewall"]["peers"]
            .as_array()
            .cloned();
        let peers = peers.into_iter().flatten();
        peers
            .map(|peer| peer["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(peers(&second, "a"), ["b"]);
    assert_eq!(peers(&second, "b"), ["a"]);
    assert_eq!(peers(&second, "c"), Vec::<String>::new());

    let growing = plan(regions("none"), &observe(&second)).unwrap();
    assert_eq!(
        peers(&growing, "a"),
        ["b"],
        "known addresses stay while servers are added"
    );
}

#[test]
fn the_version_of_a_cluster_stays_when_a_newer_one_becomes_known() {
    let spec = || platform_of(json!([]));
    let first = plan(spec(), &[]).unwrap();
    let mut seen = observe(&first);
    for (_, object) in &mut seen {
        if object["kind"] == "XRegion" {
            object["spec"]["clusters"][0]["version"] = json!("v1.30.0+k3s1");
        }
    }
    let second = plan(spec(), &seen).unwrap();
    assert_eq!(
        spec_of(&second, "fsn")["clusters"][0]["version"],
        "v1.30.0+k3s1"
    );
}

#[test]
fn an_external_cluster_gets_a_mesh_id_and_nothing_else() {
    let planned = plan(
        json!({"regions": [{"name": "home", "location": "fsn1", "clusters": [
            {"name": "mgt", "distribution": "external", "management": true},
        ]}]}),
        &[],
    )
    .unwrap();
    let spec = spec_of(&planned, "home");
    let cluster = &spec["clusters"][0];
    assert_eq!(cluster["networking"], json!({"meshID": 1}));
    assert_eq!(cluster.get("controlPlane"), None);
    assert_eq!(spec["network"], json!({"cidr": "10.0.0.0/16"}));
}

#[test]
fn the_price_list_is_read_where_there_are_servers() {
    let keys = |planned: &Planned| -> Vec<String> {
        planned
            .desired
            .iter()
            .map(|desired| desired.key.clone())
            .collect()
    };
    let with = plan(platform_of(json!([])), &[]).unwrap();
    assert_eq!(keys(&with), ["region-fsn", "pricing", "protection"]);
    let without = plan(
        json!({"regions": [{"name": "fsn", "location": "fsn1"}]}),
        &[],
    )
    .unwrap();
    assert_eq!(keys(&without), ["region-fsn", "protection"]);
}

#[test]
fn teardown_takes_clusters_first_and_then_regions() {
    let spec = |teardown: bool| {
        let mut spec = platform_of(json!([{"name": "work", "count": 1}]));
        spec["operations"] = json!({"deletion": {"protect": false, "teardown": teardown}});
        spec
    };
    let built = plan(spec(false), &[]).unwrap();
    let first = plan(spec(true), &observe(&built)).unwrap();
    assert_eq!(first.desired.len(), 1);
    assert_eq!(spec_of(&first, "fsn").get("clusters"), None);
    assert_eq!(first.status["regions"][0]["reason"], "TearingDown");

    let second = plan(spec(true), &observe(&first)).unwrap();
    assert_eq!(second.desired, []);
    let done = plan(spec(true), &[]).unwrap();
    let condition = done
        .conditions
        .iter()
        .find(|condition| condition.kind == Condition::INFRASTRUCTURE_READY);
    assert_eq!(condition.unwrap().reason, "TornDown");
}

#[test]
fn a_region_that_looks_renamed_is_warned_about() {
    let regions = |name: &str| json!({"regions": [{"name": name, "location": "fsn1"}]});
    let planned = replan(regions("old"), regions("new"));
    assert_eq!(
        steps(&planned),
        [(
            "Delete",
            "demo-old",
            "region old is not in spec.regions any more; its network 10.0.0.0/16 and all that lives in it go with it \
             (region new in the same location is another one: if old was to be renamed, write old again)"
        )]
    );
}
