use expect_test::expect;
use serde_json::{Value, json};

use super::*;
use crate::offline::tests::{HA, difference, rendered};
use crate::offline::{Before, Claims, Facts, tree, yaml};

const CLAIM: &str = "
apiVersion: compose.openova.io/v1alpha1
kind: Platform
metadata: {name: p, namespace: team}
spec:
  profile: homelab
  regions:
  - name: a
    location: fsn1
    sshKeys: [{name: admin, publicKey: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBW605CuChGxp2BjAbN2gpZzfd8i51FReX7BgOZH9X3H a}]
    clusters:
    - name: k
      nodePools:
      - {name: work, count: 2, serverTypes: [cx33]}
  - name: b
    location: hel1
";

fn compare(before: &str, after: &str) -> Difference {
    difference(before, after, &Facts::default())
}

/// The lines about objects, without the fields.
fn objects(difference: &Difference) -> String {
    let text = difference.to_string();
    let lines = text.lines().filter(|line| !line.starts_with(' '));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn more_servers_are_added() {
    let difference = compare(CLAIM, &CLAIM.replace("count: 2", "count: 3"));
    assert_eq!(difference.gravity(), Gravity::Changes);
    expect![[r#"
        ~ XPlatform p-6m6k2
            spec.regions[a].clusters[k].nodePools[work].count: 2 -> 3
        ~ XRegion p-a
            spec.clusters[k].nodePools[work].count: 2 -> 3
        ~ XCluster p-a-k
            spec.cluster.nodePools[work].count: 2 -> 3
        ~ XNodePool p-a-k-work
            spec.pool.count: 2 -> 3
        ~ XNodeGroup p-a-k-work-0
            spec.to: 1 -> 2
        + Server p-a-k-work-8qtak9-2
        ~ XRegion p-b
            spec.firewall.peers[a].addresses: ["192.0.2.2","192.0.2.3","192.0.2.4"] -> ["192.0.2.2","192.0.2.3","192.0.2.4","192.0.2.5"]
        ~ Firewall p-b
            spec.forProvider.rules[1].sourceIps: ["192.0.2.2/32","192.0.2.3/32","192.0.2.4/32"] -> ["192.0.2.2/32","192.0.2.3/32","192.0.2.4/32","192.0.2.5/32"]
            spec.forProvider.rules[2].sourceIps: ["192.0.2.2/32","192.0.2.3/32","192.0.2.4/32"] -> ["192.0.2.2/32","192.0.2.3/32","192.0.2.4/32","192.0.2.5/32"]
        1 added, 7 changed, 0 removed
    "#]].assert_eq(&difference.to_string());
}

#[test]
fn fewer_servers_wait_for_an_approval() {
    let fewer = CLAIM.replace("count: 2", "count: 1");
    let waiting = compare(CLAIM, &fewer);
    assert_eq!(waiting.gravity(), Gravity::Changes);
    expect![[r#"
        ~ XPlatform p-6m6k2
            spec.regions[a].clusters[k].nodePools[work].count: 2 -> 1
        ! ScaleIn XNodePool p-a-k-work  WAITS for cjpiiz in spec.operations.approve: from 2 to 1 servers: number 1 goes without being drained
        0 added, 1 changed, 0 removed; 1 step waits for approval
    "#]].assert_eq(&waiting.to_string());

    let approved = fewer + "  operations: {approve: [automatic]}\n";
    let difference = compare(CLAIM, &approved);
    assert_eq!(difference.gravity(), Gravity::Loses);
    expect![[r#"
        ~ XPlatform p-6m6k2
        ~ XRegion p-a
        ~ XCluster p-a-k
        ~ XNodePool p-a-k-work
        ~ XNodeGroup p-a-k-work-0
        ~ XRegion p-b
        ~ Firewall p-b
        - Server p-a-k-work-8qtak9-1  DESTROYS the server and what is on its disk
        0 added, 7 changed, 1 removed; 1 DESTROYED
    "#]]
    .assert_eq(&objects(&difference));
}

#[test]
fn a_region_that_goes_takes_everything_with_it() {
    let without = CLAIM.split("  - name: a").next().unwrap().to_owned()
        + "  - name: b\n    location: hel1\n  operations: {approve: [automatic]}\n";
    let difference = compare(CLAIM, &without);
    assert_eq!(difference.gravity(), Gravity::Loses);
    expect![[r#"
        ~ XPlatform p-6m6k2
        ~ XRegion p-b
        - Pricing p-pricing
        - XRegion p-a  DESTROYS the region and all that lives in it
        - XCluster p-a-k  DESTROYS the cluster and all that runs on it
        - XLoadBalancer p-a-k-kube-api-13k2sq
        - LoadBalancer p-a-k-kube-api-13k2sq  DESTROYS the load balancer and its addresses
        - LoadBalancerNetwork p-a-k-kube-api-13k2sq
        - LoadBalancerService p-a-k-kube-api-13k2sq-6443
        - LoadBalancerTarget p-a-k-kube-api-13k2sq-p7dhq6
        - ConfigMap p-a-k-etcd
        - Secret p-a-k-kubeconfig
        - Secret p-a-k-pki
        - XNodePool p-a-k-cp
        - XNodeGroup p-a-k-cp-0
        - PlacementGroup p-a-k-cp-0
        - Server p-a-k-cp-dpj9c9-0  DESTROYS the server and what is on its disk
        - XNodePool p-a-k-work
        - XNodeGroup p-a-k-work-0
        - PlacementGroup p-a-k-work-0
        - Server p-a-k-work-8qtak9-0  DESTROYS the server and what is on its disk
        - Server p-a-k-work-8qtak9-1  DESTROYS the server and what is on its disk
        - Secret p-a-k-agent-work
        - Secret p-a-k-server
        - Secret p-a-k-server-first
        - Firewall p-a
        - Inventory p-a
        - Network p-a  DESTROYS the network and what is attached to it
        - SSHKey p-admin
        - Subnet p-a-k
        - Firewall p-b
        0 added, 2 changed, 29 removed; 7 DESTROYED
    "#]]
    .assert_eq(&objects(&difference));
    let ranges = difference.to_string();
    assert!(
        !ranges.contains("cidr"),
        "region b keeps its range: {ranges}"
    );
}

#[test]
fn a_teardown_comes_to_its_end() {
    let operations = "  operations: {deletion: {protect: false, teardown: true}}\n";
    let facts = Facts::default();
    let (mut world, before) = Before::read(CLAIM).unwrap().world(&facts).unwrap();
    let claims = Claims::read(&(CLAIM.to_owned() + operations)).unwrap();
    world.apply(&claims).unwrap();
    let after = world.nodes();
    assert_eq!(Node::all(&after).len(), 1, "{}", tree(&after));
    let difference = Difference::between(&before, &after);
    assert_eq!(difference.gravity(), Gravity::Loses);
}

#[test]
fn another_server_type_interrupts_one_server_after_the_other() {
    let other = CLAIM.replace("[cx33]", "[cx43]") + "  operations: {approve: [automatic]}\n";
    let difference = compare(CLAIM, &other);
    assert_eq!(difference.gravity(), Gravity::Changes);
    expect![[r#"
        ~ XPlatform p-6m6k2
        ~ XRegion p-a
        ~ XCluster p-a-k
        ~ XNodePool p-a-k-work
        ~ XNodeGroup p-a-k-work-0
        ~ Server p-a-k-work-8qtak9-0  INTERRUPTS it: serverType is changed while it is off
        ~ Server p-a-k-work-8qtak9-1  INTERRUPTS it: serverType is changed while it is off
        0 added, 7 changed, 0 removed; 2 INTERRUPTED
    "#]]
    .assert_eq(&objects(&difference));
}

#[test]
fn a_server_that_fits_is_left_alone() {
    let more = CLAIM.replace("[cx33]", "[cpx32, cx33]");
    let text = compare(CLAIM, &more).to_string();
    assert!(text.contains("~ Server "), "{text}");
    assert!(!text.contains("INTERRUPT"), "{text}");
    let server = |location: &str| {
        let status = json!({"atProvider": {"location": location}});
        status.as_object().unwrap().clone()
    };
    let moved = effect::of_change("Server", &[], [&server("fsn1"), &server("hel1")]);
    assert_eq!(moved, Some(Effect::Replaces("location")));
}

#[test]
fn an_earlier_rendering_serves_as_well_as_its_claim() {
    let facts = Facts::default();
    let after = HA.replace("count: 2", "count: 4");
    let rendering = yaml(&rendered(HA, &facts)).unwrap();
    let of_claim = difference(HA, &after, &facts).to_string();
    assert!(of_claim.contains("+ Server "), "{of_claim}");
    assert_eq!(difference(&rendering, &after, &facts).to_string(), of_claim);

    let rendering = yaml(&rendered(CLAIM, &facts)).unwrap();
    let other = CLAIM.replace("[cx33]", "[cx43]") + "  operations: {approve: [automatic]}\n";
    let of_rendering = difference(&rendering, &other, &facts).to_string();
    assert!(of_rendering.contains("2 INTERRUPTED"), "{of_rendering}");
}

#[test]
fn what_was_allocated_in_an_earlier_rendering_stays() {
    let facts = Facts::default();
    let rendering = yaml(&rendered(CLAIM, &facts)).unwrap();
    let other = rendering.replace("10.1.0.0/16", "10.9.0.0/16");
    assert_ne!(other, rendering);
    let difference = difference(&other, CLAIM, &facts);
    assert_eq!(difference.to_string(), "no differences\n");
}

#[test]
fn an_earlier_rendering_is_what_its_file_says() {
    let facts = Facts::default();
    let rendering = yaml(&rendered(CLAIM, &facts)).unwrap();
    let other = rendering.replace(
        "compose.openova.io/role: worker",
        "compose.openova.io/role: other",
    );
    let difference = difference(&other, CLAIM, &facts);
    expect![[r#"
        ~ Server p-a-k-work-8qtak9-0
            spec.forProvider.labels["compose.openova.io/role"]: "other" -> "worker"
        ~ Server p-a-k-work-8qtak9-1
            spec.forProvider.labels["compose.openova.io/role"]: "other" -> "worker"
        0 added, 2 changed, 0 removed
    "#]]
    .assert_eq(&difference.to_string());
}

#[test]
fn values_of_secrets_are_not_shown() {
    let other = CLAIM.replace("nodePools:", "version: v1.35.8+k3s1\n      nodePools:");
    let text = compare(CLAIM, &other).to_string();
    expect![[r#"
        ~ XPlatform p-6m6k2
            spec.regions[a].clusters[k].version: nothing -> "v1.35.8+k3s1"
        ~ XRegion p-a
            spec.clusters[k].version: "v1.36.4+k3s1" -> "v1.35.8+k3s1"
        ~ XCluster p-a-k
            spec.cluster.version: "v1.36.4+k3s1" -> "v1.35.8+k3s1"
        ~ Secret p-a-k-agent-work
            data.user-data: changed (not shown)
        ~ Secret p-a-k-server
            data.user-data: changed (not shown)
        ~ Secret p-a-k-server-first
            data.user-data: changed (not shown)
        0 added, 6 changed, 0 removed
    "#]]
    .assert_eq(&text);
}

#[test]
fn fields_that_cannot_change_force_a_replacement() {
    let field = |path: &str, old: Value, new: Value| Field {
        path: format!("spec.forProvider.{path}"),
        old: Some(old),
        new: Some(new),
        secret: false,
    };
    let cases = [
        (
            "Server",
            field("image.name", json!("a"), json!("b")),
            "OVERWRITES its disk: image takes a rebuild",
        ),
        (
            "Server",
            field("sshKeys", json!(["a"]), json!(["b"])),
            "REPLACES it: sshKeys cannot be changed in place",
        ),
        ("Server", field("imageless", json!("a"), json!("b")), ""),
        (
            "Server",
            field("publicNet.ipv4Enabled", json!(true), json!(false)),
            "INTERRUPTS it: publicNet is changed while it is off",
        ),
        (
            "Volume",
            field("size", json!(20), json!(10)),
            "REPLACES it: size cannot be changed in place",
        ),
        ("Volume", field("size", json!(10), json!(20)), ""),
        (
            "Network",
            field("ipRange", json!("10.0.0.0/16"), json!("10.0.0.0/15")),
            "",
        ),
        (
            "Network",
            field("ipRange", json!("10.0.0.0/16"), json!("10.1.0.0/16")),
            "REPLACES it: ipRange cannot be changed in place",
        ),
        (
            "Firewall",
            field("rules[0].port", json!("80"), json!("81")),
            "",
        ),
    ];
    let none = serde_json::Map::new();
    for (kind, field, expected) in cases {
        let effect = effect::of_change(kind, std::slice::from_ref(&field), [&none, &none]);
        let shown = effect.map(|effect| effect.to_string()).unwrap_or_default();
        assert_eq!(shown, expected, "{kind} {field}");
    }
}

#[test]
fn what_is_only_observed_is_not_destroyed() {
    let object = |kind: &str, spec: Value| {
        let object = json!({"kind": kind, "metadata": {"name": "x"}, "spec": spec});
        object.as_object().unwrap().clone()
    };
    let destroyed = |kind, spec| effect::of_removal(&object(kind, spec)).is_some();
    assert!(destroyed("Volume", json!({})));
    assert!(destroyed("Network", json!({"managementPolicies": ["*"]})));
    assert!(!destroyed(
        "Network",
        json!({"managementPolicies": ["Observe"]})
    ));
    assert!(!destroyed("Secret", json!({})));
    assert!(!destroyed(
        "XCluster",
        json!({"cluster": {"distribution": "external"}})
    ));
    assert!(destroyed(
        "XCluster",
        json!({"cluster": {"distribution": "k3s"}})
    ));
}
