use std::process::Command;

use expect_test::{expect, expect_file};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::cloud_init::LIMIT;
use crate::pki::{ClusterRoots, Entropy, Token, TokenUser};

mod boot;

fn roots() -> ClusterRoots {
    let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
    ClusterRoots::generate("prod-fsn1-main", &Entropy::from_seed([7; 32]), now).unwrap()
}

fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    entries
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn cluster() -> Cluster {
    Cluster {
        release: Release::new("v1.36.4+k3s1", &BTreeMap::new()).unwrap(),
        downloads: DOWNLOADS.to_owned(),
        network: "10.0.0.0/16".parse().unwrap(),
        join: Ipv4Addr::new(10, 0, 0, 254),
        flannel: FlannelBackend::None,
        system_registry: None,
        registries: Registries::default(),
    }
}

fn control_plane() -> ControlPlane {
    ControlPlane {
        name: "main.fsn1.prod.internal".to_owned(),
        extra_names: vec!["api.example.org".to_owned()],
        pods: "10.42.0.0/16".parse().unwrap(),
        services: "10.43.0.0/16".parse().unwrap(),
        dns: dns_address("10.43.0.0/16".parse().unwrap()).unwrap(),
        disabled: vec![
            Component::Traefik,
            Component::ServiceLb,
            Component::LocalStorage,
        ],
        network_policy: false,
        kube_proxy: false,
        secrets_encryption: true,
        snapshots: Some(Snapshots {
            schedule: "0 */6 * * *".to_owned(),
            retention: 28,
            bucket: Some(Bucket {
                endpoint: "fsn1.your-objectstorage.com".to_owned(),
                region: "fsn1".to_owned(),
                name: "backups".to_owned(),
                folder: "prod/main".to_owned(),
                access_key: Secret::new("AKIA"),
                secret_key: Secret::new("sesame"),
            }),
        }),
        arguments: Arguments::small(),
    }
}

fn server_node() -> Node {
    Node {
        taints: vec![Taint {
            key: "node-role.kubernetes.io/control-plane".to_owned(),
            value: String::new(),
            effect: Effect::NoSchedule,
        }],
        kubelet: map(&[("max-pods", "50")]),
        ..Node::default()
    }
}

fn pool() -> Node {
    Node {
        labels: map(&[
            ("example.org/tier", "storage"),
            ("node.kubernetes.io/pool", "workers"),
        ]),
        taints: vec![Taint {
            key: "storage".to_owned(),
            value: "only".to_owned(),
            effect: Effect::NoExecute,
        }],
        kubelet: map(&[("max-pods", "110")]),
        gateway: None,
    }
}

/// A document as a machine reads it: the content of each file, by path.
struct Machine {
    files: BTreeMap<String, (String, String)>,
    commands: Value,
}

impl Machine {
    fn new(document: &Secret) -> Self {
        let text = document.expose();
        assert!(text.starts_with("#cloud-config\n") && text.len() <= LIMIT);
        let document: Value = serde_saphyr::from_str(text).unwrap();
        let files = document["write_files"].as_array().unwrap().iter();
        let files = files
            .map(|file| {
                let text = |key: &str| file[key].as_str().unwrap().to_owned();
                assert_eq!(file.get("encoding"), None);
                (text("path"), (text("permissions"), text("content")))
            })
            .collect();
        let commands = document["runcmd"].clone();
        Self { files, commands }
    }

    fn file(&self, path: &str) -> &str {
        &self.files[path].1
    }

    fn config(&self) -> Value {
        serde_saphyr::from_str(self.file("/etc/rancher/k3s/config.yaml")).unwrap()
    }

    /// The file without what changes with the entropy.
    fn shown(&self, path: &str) -> String {
        let roots = roots();
        let mut text = self.file(path).to_owned();
        for (secret, name) in [
            (roots.server_token().password, "<server password>"),
            (roots.agent_token().password, "<agent password>"),
        ] {
            text = text.replace(secret.expose(), name);
        }
        text.replace(&roots.server.hash(), "<hash>")
    }
}

fn initialiser() -> Machine {
    let document =
        initialising_server(&cluster(), &control_plane(), &server_node(), &roots()).unwrap();
    Machine::new(&document)
}

fn joiner() -> Machine {
    let document = joining_server(&cluster(), &control_plane(), &server_node(), &roots()).unwrap();
    Machine::new(&document)
}

fn worker() -> Machine {
    Machine::new(&agent(&cluster(), &pool(), &roots()).unwrap())
}

#[test]
fn the_first_server_is_told_to_initialise() {
    expect_file!["tests/init.config.yaml"]
        .assert_eq(&initialiser().shown("/etc/rancher/k3s/config.yaml"));
}

#[test]
fn servers_differ_only_in_how_they_start() {
    let (mut first, mut other) = (initialiser().config(), joiner().config());
    let first = first.as_object_mut().unwrap();
    let other = other.as_object_mut().unwrap();
    assert_eq!(first.remove("cluster-init"), Some(json!(true)));
    assert_eq!(
        other.remove("server"),
        Some(json!("https://10.0.0.254:6443"))
    );
    assert_eq!(first, other);
}

#[test]
fn an_agent_is_told_where_to_join() {
    expect_file!["tests/agent.config.yaml"]
        .assert_eq(&worker().shown("/etc/rancher/k3s/config.yaml"));
}

#[test]
fn the_whole_document_of_a_pool() {
    let document = agent(&cluster(), &pool(), &roots()).unwrap();
    let password = roots().agent_token().password;
    let document = document
        .expose()
        .replace(password.expose(), "<agent password>");
    expect_file!["tests/agent.user-data.yaml"].assert_eq(&document);
}

#[test]
fn files_and_their_modes() {
    let list = |machine: &Machine| {
        machine
            .files
            .iter()
            .map(|(path, (mode, _))| format!("{mode} {path}\n"))
            .collect::<String>()
    };
    expect![[r#"
        0600 /etc/default/k3s-prepare
        0600 /etc/rancher/k3s/config.yaml
        0644 /etc/systemd/system/k3s-prepare.service
        0644 /etc/systemd/system/k3s.service
        0755 /usr/local/lib/k3s/guard-metadata
        0755 /usr/local/lib/k3s/prepare
        0644 /var/lib/rancher/k3s/server/tls/client-ca.crt
        0600 /var/lib/rancher/k3s/server/tls/client-ca.key
        0644 /var/lib/rancher/k3s/server/tls/etcd/peer-ca.crt
        0600 /var/lib/rancher/k3s/server/tls/etcd/peer-ca.key
        0644 /var/lib/rancher/k3s/server/tls/etcd/server-ca.crt
        0600 /var/lib/rancher/k3s/server/tls/etcd/server-ca.key
        0644 /var/lib/rancher/k3s/server/tls/request-header-ca.crt
        0600 /var/lib/rancher/k3s/server/tls/request-header-ca.key
        0644 /var/lib/rancher/k3s/server/tls/server-ca.crt
        0600 /var/lib/rancher/k3s/server/tls/server-ca.key
        0600 /var/lib/rancher/k3s/server/tls/service.key
    "#]]
    .assert_eq(&list(&initialiser()));
    expect![[r#"
        0600 /etc/default/k3s-prepare
        0600 /etc/rancher/k3s/config.yaml
        0644 /etc/systemd/system/k3s-prepare.service
        0644 /etc/systemd/system/k3s.service
        0755 /usr/local/lib/k3s/guard-metadata
        0755 /usr/local/lib/k3s/prepare
    "#]]
    .assert_eq(&list(&joiner()));
    expect![[r#"
        0600 /etc/default/k3s-prepare
        0600 /etc/rancher/k3s/config.yaml
        0644 /etc/systemd/system/k3s-agent.service
        0644 /etc/systemd/system/k3s-prepare.service
        0755 /usr/local/lib/k3s/guard-metadata
        0755 /usr/local/lib/k3s/prepare
    "#]]
    .assert_eq(&list(&worker()));
}

#[test]
fn the_first_server_finds_the_authorities_where_k3s_looks() {
    let machine = initialiser();
    let data = roots().to_data();
    for (file, key) in [
        ("server-ca.crt", "server-ca.crt"),
        ("server-ca.key", "server-ca.key"),
        ("client-ca.crt", "client-ca.crt"),
        ("client-ca.key", "client-ca.key"),
        ("request-header-ca.crt", "request-header-ca.crt"),
        ("request-header-ca.key", "request-header-ca.key"),
        ("etcd/server-ca.crt", "etcd-server-ca.crt"),
        ("etcd/server-ca.key", "etcd-server-ca.key"),
        ("etcd/peer-ca.crt", "etcd-peer-ca.crt"),
        ("etcd/peer-ca.key", "etcd-peer-ca.key"),
        ("service.key", "service.key"),
    ] {
        let path = format!("/var/lib/rancher/k3s/server/tls/{file}");
        assert_eq!(machine.file(&path).as_bytes(), data[key], "{path}");
    }
}

/// A node that joins proves with its token which cluster it means, and carries
/// nothing that a cluster could be built from.
#[test]
fn only_the_first_server_carries_keys() {
    let data = roots().to_data();
    for (machine, user) in [(joiner(), TokenUser::Server), (worker(), TokenUser::Agent)] {
        let config = machine.config();
        let token = Token::parse(config["token"].as_str().unwrap()).unwrap();
        assert_eq!(token.user, user);
        assert_eq!(token.authority, roots().server.hash());
        for (_, content) in machine.files.values() {
            assert!(!content.contains("PRIVATE KEY"), "{content}");
        }
        // An agent must not be able to become a server.
        if user == TokenUser::Agent {
            let password = std::str::from_utf8(&data["server-token"]).unwrap();
            for (_, content) in machine.files.values() {
                assert!(!content.contains(password), "{content}");
            }
        }
    }
}

#[test]
fn the_boot_is_told_what_to_expect() {
    expect![[r#"
        ROLE='init'
        UNIT='k3s.service'
        METADATA_URL='http://169.254.169.254/hetzner/v1/metadata'
        NETWORK='10.0.0.0/16'
        JOIN_URL='https://10.0.0.254:6443'
        CA_SHA256='<hash>'
        DOWNLOAD_URL='https://github.com/k3s-io/k3s/releases/download/v1.36.4%2Bk3s1'
        SHA256_AMD64='835873f37245fc615f547a2fe2af9402a347875f13fa64a1f136de644955ea3f'
        SHA256_ARM64='c920706346d5ad4e5cd3c7bf1bb09ce71ebe07fec829e513e40f1caf98aed8bb'
        FLANNEL='false'
        GATEWAY=''
        VERSION='v1.36.4+k3s1'
    "#]]
    .assert_eq(&initialiser().shown("/etc/default/k3s-prepare"));
    expect![[r#"
        ROLE='agent'
        UNIT='k3s-agent.service'
        METADATA_URL='http://169.254.169.254/hetzner/v1/metadata'
        NETWORK='10.0.0.0/16'
        JOIN_URL='https://10.0.0.254:6443'
        CA_SHA256='<hash>'
        DOWNLOAD_URL='https://github.com/k3s-io/k3s/releases/download/v1.36.4%2Bk3s1'
        SHA256_AMD64='835873f37245fc615f547a2fe2af9402a347875f13fa64a1f136de644955ea3f'
        SHA256_ARM64='c920706346d5ad4e5cd3c7bf1bb09ce71ebe07fec829e513e40f1caf98aed8bb'
        FLANNEL='false'
        GATEWAY=''
        VERSION='v1.36.4+k3s1'
    "#]]
    .assert_eq(&worker().shown("/etc/default/k3s-prepare"));
    assert_eq!(
        worker().commands,
        json!([
            ["systemctl", "daemon-reload"],
            [
                "systemctl",
                "enable",
                "--now",
                "--no-block",
                "k3s-prepare.service"
            ]
        ])
    );
}

#[test]
fn a_server_without_a_public_address_gets_a_way_out() {
    let node = Node {
        gateway: Some(Ipv4Addr::new(10, 0, 0, 1)),
        ..pool()
    };
    let machine = Machine::new(&agent(&cluster(), &node, &roots()).unwrap());
    let environment = machine.file("/etc/default/k3s-prepare");
    assert!(environment.contains("GATEWAY='10.0.0.1'\n"));
    assert_eq!(machine.files["/usr/local/lib/k3s/default-route"].0, "0755");
    let unit = machine.file("/etc/systemd/system/k3s-default-route.service");
    assert!(unit.contains("ExecStart=/usr/local/lib/k3s/default-route\n"));
    let commands = machine.commands.to_string();
    assert!(commands.contains("k3s-default-route.service"), "{commands}");
    assert!(!worker().commands.to_string().contains("default-route"));
}

/// The flags that k3s documents, so that none of ours is ignored as unknown.
#[test]
fn every_key_is_a_flag_of_k3s() {
    let of_servers = [
        "agent-token",
        "cluster-cidr",
        "cluster-dns",
        "cluster-init",
        "disable",
        "disable-cloud-controller",
        "disable-kube-proxy",
        "disable-network-policy",
        "etcd-arg",
        "etcd-disable-snapshots",
        "etcd-s3",
        "etcd-s3-access-key",
        "etcd-s3-bucket",
        "etcd-s3-endpoint",
        "etcd-s3-folder",
        "etcd-s3-region",
        "etcd-s3-secret-key",
        "etcd-snapshot-retention",
        "etcd-snapshot-schedule-cron",
        "flannel-backend",
        "kube-apiserver-arg",
        "kube-controller-manager-arg",
        "kube-scheduler-arg",
        "secrets-encryption",
        "service-cidr",
        "system-default-registry",
        "tls-san",
    ];
    let of_all = ["kubelet-arg", "node-label", "node-taint", "server", "token"];
    let mut cluster = cluster();
    cluster.system_registry = Some("registry.example.org".to_owned());
    let mut plain = control_plane();
    plain.snapshots = None;
    plain.arguments.scheduler = map(&[("v", "2")]);
    let documents = [
        initialising_server(&cluster, &control_plane(), &pool(), &roots()),
        joining_server(&cluster, &plain, &pool(), &roots()),
    ];
    let mut seen = std::collections::BTreeSet::new();
    for document in documents {
        let config = Machine::new(&document.unwrap()).config();
        seen.extend(config.as_object().unwrap().keys().cloned());
    }
    let expected = of_servers
        .iter()
        .chain(&of_all)
        .map(|key| (*key).to_owned());
    assert_eq!(seen, expected.collect());
    let config = worker().config();
    assert!(
        config
            .as_object()
            .unwrap()
            .keys()
            .all(|key| of_all.contains(&key.as_str()))
    );
}

#[test]
fn flannel_is_switched_on_where_there_is_no_other_cni() {
    let cluster = Cluster {
        flannel: FlannelBackend::Wireguard,
        ..cluster()
    };
    let control_plane = ControlPlane {
        network_policy: true,
        kube_proxy: true,
        snapshots: None,
        ..control_plane()
    };
    let document = joining_server(&cluster, &control_plane, &server_node(), &roots()).unwrap();
    let machine = Machine::new(&document);
    let config = machine.config();
    assert_eq!(config["flannel-backend"], "wireguard-native");
    assert_eq!(config["disable-network-policy"], false);
    assert_eq!(config["disable-kube-proxy"], false);
    assert_eq!(config["etcd-disable-snapshots"], true);
    assert!(config.get("etcd-s3").is_none());
    assert!(
        machine
            .file("/etc/default/k3s-prepare")
            .contains("FLANNEL='true'\n")
    );
}

#[test]
fn registries_are_written_as_k3s_reads_them() {
    let registries = Registries {
        mirrors: BTreeMap::from([(
            "docker.io".to_owned(),
            vec!["https://registry.example.org:5000".to_owned()],
        )]),
        credentials: BTreeMap::from([(
            "registry.example.org:5000".to_owned(),
            Credentials {
                username: "puller".to_owned(),
                password: Secret::new("open \"sesame\""),
            },
        )]),
    };
    let cluster = Cluster {
        registries,
        ..cluster()
    };
    let machine = Machine::new(&agent(&cluster, &pool(), &roots()).unwrap());
    let path = "/etc/rancher/k3s/registries.yaml";
    assert_eq!(machine.files[path].0, "0600");
    let written: Value = serde_saphyr::from_str(machine.file(path)).unwrap();
    assert_eq!(
        written,
        json!({
            "mirrors": {"docker.io": {"endpoint": ["https://registry.example.org:5000"]}},
            "configs": {"registry.example.org:5000": {"auth": {
                "username": "puller", "password": "open \"sesame\""
            }}},
        })
    );
    assert!(!format!("{cluster:?}").contains("sesame"));
}

#[test]
fn the_same_inputs_give_the_same_document() {
    let write = || initialising_server(&cluster(), &control_plane(), &pool(), &roots()).unwrap();
    assert_eq!(write(), write());
}

#[test]
fn a_large_document_is_packed_and_then_refused() {
    let labels = |count: usize| -> BTreeMap<String, String> {
        (0..count)
            .map(|number| (format!("example.org/label-{number}"), "value".to_owned()))
            .collect()
    };
    let write = |count| {
        let node = Node {
            labels: labels(count),
            ..pool()
        };
        initialising_server(&cluster(), &control_plane(), &node, &roots())
    };
    let packed = write(2_000).unwrap();
    assert!(packed.expose().len() <= LIMIT);
    assert!(packed.expose().contains("encoding: gz+b64\n"));
    let error = write(20_000).unwrap_err().to_string();
    let start = "user data has ";
    assert!(error.starts_with(start), "{error}");
    let end = error.split_once(" bytes after compression").unwrap().1;
    assert!(end.contains("a server takes at most 32768"), "{end}");
    assert!(
        end.contains("shorten what goes into /etc/rancher/k3s/config.yaml ("),
        "{end}"
    );
}

#[test]
fn mistakes_are_named() {
    let error = |change: &dyn Fn(&mut Cluster, &mut ControlPlane, &mut Node)| {
        let (mut cluster, mut control_plane, mut node) = (cluster(), control_plane(), pool());
        change(&mut cluster, &mut control_plane, &mut node);
        initialising_server(&cluster, &control_plane, &node, &roots())
            .unwrap_err()
            .to_string()
    };
    let add = |list: &mut BTreeMap<String, String>, name: &str| {
        list.insert(name.to_owned(), "x".to_owned());
    };
    let errors = [
        error(&|_, _, node| add(&mut node.labels, "node-role.kubernetes.io/worker")),
        error(&|_, _, node| add(&mut node.labels, "app.k8s.io/name")),
        error(&|_, _, node| add(&mut node.kubelet, "provider-id")),
        error(&|_, plane, _| add(&mut plane.arguments.api_server, "client-ca-file")),
        error(&|_, plane, _| plane.dns = Ipv4Addr::new(10, 44, 0, 10)),
        error(&|cluster, _, _| cluster.downloads = "ftp://example.org".to_owned()),
        error(&|cluster, _, _| cluster.downloads = "https://".to_owned()),
        error(&|cluster, _, _| cluster.downloads = "https://a'; reboot; '".to_owned()),
    ];
    expect![[r#"
        [
            "labels: a node cannot give itself the label \"node-role.kubernetes.io/worker\": below kubernetes.io and k8s.io only node.kubernetes.io/…, kubelet.kubernetes.io/… and a few well-known labels are allowed; use another prefix",
            "labels: a node cannot give itself the label \"app.k8s.io/name\": below kubernetes.io and k8s.io only node.kubernetes.io/…, kubelet.kubernetes.io/… and a few well-known labels are allowed; use another prefix",
            "kubelet: the argument \"provider-id\" is set by the platform: leave it out",
            "k3s.args.apiServer: the argument \"client-ca-file\" is set by the platform: leave it out",
            "networking: the address 10.44.0.10 of the cluster's DNS is not in 10.43.0.0/16",
            "k3s.install.mirror: \"ftp://example.org\" is not an http or https URL of letters, digits and -._~:/%@+",
            "k3s.install.mirror: \"https://\" is not an http or https URL of letters, digits and -._~:/%@+",
            "k3s.install.mirror: \"https://a'; reboot; '\" is not an http or https URL of letters, digits and -._~:/%@+",
        ]
    "#]].assert_debug_eq(&errors);
}

#[test]
fn labels_that_a_kubelet_may_set_are_accepted() {
    let node = Node {
        labels: map(&[
            ("example.org/kubernetes.io", "x"),
            ("notkubernetes.io/a", "x"),
            ("plain", "x"),
            ("sub.node.kubernetes.io/a", "x"),
            ("topology.kubernetes.io/zone", "x"),
        ]),
        ..pool()
    };
    let config = Machine::new(&agent(&cluster(), &node, &roots()).unwrap()).config();
    assert_eq!(config["node-label"].as_array().map(Vec::len), Some(5));
}

#[test]
fn texts_stay_texts_in_yaml_1_1() {
    let node = Node {
        labels: map(&[("a", "on"), ("b", "\"1:30\"\n- c")]),
        ..pool()
    };
    let machine = Machine::new(&agent(&cluster(), &node, &roots()).unwrap());
    assert_eq!(
        machine.config()["node-label"],
        json!(["a=on", "b=\"1:30\"\n- c"])
    );
    let lines = machine.file("/etc/rancher/k3s/config.yaml").lines();
    assert_eq!(lines.filter(|line| line.starts_with("- \"b=")).count(), 1);
}

#[test]
fn the_dns_has_the_tenth_address() {
    let dns = |services: &str| dns_address(services.parse().unwrap());
    assert_eq!(dns("10.43.0.0/16"), Some(Ipv4Addr::new(10, 43, 0, 10)));
    assert_eq!(dns("10.43.7.9/24"), Some(Ipv4Addr::new(10, 43, 7, 10)));
    assert_eq!(dns("10.43.0.0/29"), None);
    assert_eq!(dns("255.255.255.248/29"), None);
}
