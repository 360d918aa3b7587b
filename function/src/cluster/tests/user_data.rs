use expect_test::expect;

use super::*;

const CA_KEY: &str = "/var/lib/rancher/k3s/server/tls/server-ca.key";

#[test]
fn etcd_is_initialised_once() {
    let mut stage = Stage::new(spec());
    stage.balancer["healthy"] = json!(false);
    stage.step();
    stage.step();
    let before = stage.render().unwrap();
    let [(_, first), (_, server), (_, agent)] = &documents(&before)[..] else {
        panic!("{:?}", before.keys());
    };
    assert!(first.contains("cluster-init: true") && first.contains(CA_KEY));
    for joining in [server, agent] {
        assert!(joining.contains("server: \"https://10.0.1.254:6443\""));
        assert!(!joining.contains("cluster-init: true") && !joining.contains(CA_KEY));
    }

    stage.child(API)["status"]["healthy"] = json!(true);
    let healthy = stage.render().unwrap();
    assert_eq!(
        healthy.get(ETCD).object["data"],
        json!({"caFingerprint": healthy.status["caFingerprint"], "initialised": "true"})
    );
    assert_eq!(
        documents(&healthy),
        documents(&before),
        "it is not recorded yet"
    );

    stage.balancer["healthy"] = json!(true);
    stage.child(API)["status"]["healthy"] = json!(true);
    stage.step();
    stage.child(API)["status"]["healthy"] = json!(false);
    let recorded = stage.render().unwrap();
    let after = documents(&recorded);
    assert_eq!(&after[0].1, server, "the first server joins, too");
    assert_eq!(after[1..], documents(&before)[1..]);
    assert_eq!(recorded.get(ETCD).object, healthy.get(ETCD).object);
    for pool in ["pool-cp", "pool-work"] {
        assert_eq!(recorded.get(pool).object, before.get(pool).object);
    }
}

#[test]
fn agents_know_no_secret_of_servers() {
    let settled = Stage::at_rest().render().unwrap();
    let server_token = text(&settled.get(ROOTS).object, "server-token");
    for (owner, document) in documents(&settled) {
        let knows = document.contains(&server_token);
        assert_eq!(knows, owner.starts_with("server"), "{owner}");
    }
}

#[test]
fn the_spec_reaches_the_nodes() {
    let mut spec = spec();
    let cluster = &mut spec["cluster"];
    cluster["schedulable"] = json!(false);
    cluster["k3s"] = json!({
        "args": {"apiServer": ["default-watch-cache-size=50"], "kubelet": ["max-pods=50"]},
        "disable": ["traefik"],
        "disableNetworkPolicy": true,
        "etcdSnapshots": {"retention": 7},
        "flannelBackend": "none",
        "install": {"mirror": "https://mirror.example.org/k3s", "systemRegistry": "registry.example.org"},
    });
    let work = &mut cluster["nodePools"][0];
    work["labels"] = json!({"tier": "web"});
    work["taints"] = json!([{"key": "web", "effect": "NoExecute"}]);
    work["machine"]["public"] = json!({"ipv4": false, "ipv6": false});
    let settled = Stage::settled(spec).render().unwrap();
    let documents = documents(&settled);
    let (server, agent) = (&documents[1].1, &documents[2].1);
    for line in [
        "default-watch-cache-size=50",
        "- \"traefik\"",
        "disable-network-policy: true",
        "etcd-snapshot-retention: \"7\"",
        "etcd-snapshot-schedule-cron: \"0 */12 * * *\"",
        "flannel-backend: \"none\"",
        "system-default-registry: \"registry.example.org\"",
        "node-role.kubernetes.io/control-plane:NoSchedule",
        "cluster-dns: \"10.96.0.10\"",
        "max-pods=50",
        "GATEWAY=''",
    ] {
        assert!(server.contains(line), "{line}");
    }
    for line in [
        "tier=web",
        "web:NoExecute",
        "max-pods=50",
        "NETWORK='10.0.0.0/16'",
        "GATEWAY='10.0.0.1'",
        "https://mirror.example.org/k3s/v1.36.4%2Bk3s1",
    ] {
        assert!(agent.contains(line), "{line}");
    }
    assert!(!agent.contains("control-plane:NoSchedule"));
}

/// Text that hardly gets shorter by compression.
fn noise(seed: usize) -> String {
    let parts = (0..9).map(|part| name::hash(&[format!("{seed}.{part}").as_str()]));
    parts.collect()
}

fn labels(count: usize) -> Value {
    let labels = (0..count).map(|index| (format!("l{index}"), json!(noise(index))));
    Value::Object(labels.collect())
}

#[test]
fn user_data_that_do_not_fit_are_refused_before_anything_exists() {
    let mut spec = spec();
    spec["cluster"]["nodePools"] = json!([pool("fits", 1), pool("large", 1)]);
    spec["cluster"]["nodePools"][1]["labels"] = labels(900);
    let error = Stage::new(spec.clone()).render().unwrap_err();
    let (path, message) = error.split_once(": ").unwrap();
    assert_eq!(path, "spec.cluster.nodePools[1].labels");
    assert!(
        message.starts_with("pool large: user data has "),
        "{message}"
    );
    assert!(
        message.contains("/etc/rancher/k3s/config.yaml"),
        "{message}"
    );

    spec["cluster"]["nodePools"][1]["labels"] = json!({});
    let args: Vec<_> = (0..900)
        .map(|index| format!("a{index}={}", noise(index)))
        .collect();
    spec["cluster"]["k3s"] = json!({"args": {"etcd": args}});
    let error = Stage::new(spec).render().unwrap_err();
    assert!(
        error.starts_with("spec.cluster.k3s.args.etcd: pool cp: user data has "),
        "{error}"
    );
}

#[test]
fn all_problems_are_told_with_their_paths() {
    let mut wrong = spec();
    let cluster = &mut wrong["cluster"];
    cluster["controlPlane"]["labels"] = json!({"node-role.kubernetes.io/x": "y"});
    cluster["nodePools"] = json!([pool("a", 1), pool("b", 1)]);
    cluster["nodePools"][1]["labels"] = json!({"kubernetes.io/x": "y"});
    let mut errors = vec![Stage::new(wrong).render().unwrap_err()];

    let cases = [
        json!({"version": "1.36.4"}),
        json!({"version": "v1.2.3+k3s4"}),
        json!({"k3s": {"args": {"apiServer": ["secure-port=1"], "kubelet": ["node-ip=1"]}}}),
        json!({"k3s": {"args": {"scheduler": ["--v=1", "v"]}}}),
        json!({"k3s": {"install": {"mirror": "ftp://x"}}}),
        json!({"k3s": {"install": {"sha256": {"arm64": "x"}}}}),
        json!({"nodePools": [pool("cp", 1), pool("a", 1), pool("a", 1)]}),
        json!({"controlPlane": null, "endpoint": null, "version": null, "networking": {}}),
    ];
    for case in cases {
        let mut spec = spec();
        for (field, value) in case.as_object().unwrap() {
            spec["cluster"][field] = value.clone();
        }
        errors.push(Stage::new(spec).render().unwrap_err());
    }
    expect![[r#"
        spec.cluster.controlPlane.labels: a node cannot give itself the label "node-role.kubernetes.io/x": below kubernetes.io and k8s.io only node.kubernetes.io/…, kubelet.kubernetes.io/… and a few well-known labels are allowed; use another prefix; spec.cluster.nodePools[1].labels: a node cannot give itself the label "kubernetes.io/x": below kubernetes.io and k8s.io only node.kubernetes.io/…, kubelet.kubernetes.io/… and a few well-known labels are allowed; use another prefix
        spec.cluster.version: "1.36.4" is not a version of k3s, like v1.36.4+k3s1
        spec.cluster.version: the SHA-256 of k3s v1.2.3+k3s4 is not known: give it in k3s.install.sha256, or use one of v1.36.4+k3s1, v1.36.3+k3s1, v1.35.8+k3s1, v1.34.11+k3s1
        spec.cluster.k3s.args.apiServer: the argument "secure-port" is set by the platform: leave it out; spec.cluster.k3s.args.kubelet: the argument "node-ip" is set by the platform: leave it out
        spec.cluster.k3s.args.scheduler[0]: "--v=1" is not of the form name=value: write it without dashes; spec.cluster.k3s.args.scheduler[1]: "v" is not of the form name=value: write it without dashes
        spec.cluster.k3s.install.mirror: "ftp://x" is not an http or https URL of letters, digits and -._~:/%@+
        spec.cluster.k3s.install.sha256.arm64: "x" is not a SHA-256 in lower-case hexadecimal
        spec.cluster.nodePools[0].name: "cp" is the name of another pool of this cluster too: give this pool another name; spec.cluster.nodePools[2].name: "a" is the name of another pool of this cluster too: give this pool another name
        spec.cluster.endpoint: a k3s cluster cannot do without: add it; spec.cluster.controlPlane: a k3s cluster cannot do without: add it; spec.cluster.version: a k3s cluster cannot do without: add it; spec.cluster.networking.podCIDR: a k3s cluster cannot do without: add it; spec.cluster.networking.serviceCIDR: a k3s cluster cannot do without: add it"#]].assert_eq(&errors.join("\n"));
}
