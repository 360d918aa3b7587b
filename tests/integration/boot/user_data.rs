//! User data of k3s servers: as the function composes it, and written by hand so that it can also be wrong.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use function_xplatform::k3s::{
    self, Arguments, Component, Effect, FlannelBackend, Registries, Release, Taint,
};
use function_xplatform::pki::{Authority, ClusterRoots};
use ipnet::Ipv4Net;
use serde_json::{Map, Value, json};

pub(crate) const ROLE_LABEL: &str = "example.org/role";
const TLS: &str = "/var/lib/rancher/k3s/server/tls";
const VERSION: &str = "v1.36.4+k3s1";
const POD_CIDR: &str = "10.142.0.0/16";
const SERVICE_CIDR: &str = "10.143.0.0/16";

/// A cluster that is to be.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) roots: ClusterRoots,
    /// The name in `tls-server-name` of its kubeconfig.
    pub(crate) name: String,
    pub(crate) network: String,
    /// The private address of its load balancer.
    pub(crate) join: String,
}

/// What a server is to its cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Initial,
    Server,
    Agent,
}

/// The parts of user data before they are put together.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) config: Map<String, Value>,
    pub(crate) settings: BTreeMap<&'static str, String>,
    files: Vec<(String, &'static str, String)>,
}

impl Plan {
    /// The user data that the function composes.
    pub(crate) fn composed(&self, part: Part) -> Result<String> {
        let services: Ipv4Net = SERVICE_CIDR.parse()?;
        let cluster = k3s::Cluster {
            release: Release::new(VERSION, &BTreeMap::new())?,
            downloads: k3s::DOWNLOADS.to_owned(),
            network: self.network.parse()?,
            join: self.join.parse()?,
            flannel: FlannelBackend::None,
            system_registry: None,
            registries: Registries::default(),
        };
        let control_plane = k3s::ControlPlane {
            name: self.name.clone(),
            extra_names: Vec::new(),
            pods: POD_CIDR.parse()?,
            services,
            dns: k3s::dns_address(services).context("no address for DNS")?,
            disabled: vec![Component::Traefik, Component::ServiceLb],
            network_policy: false,
            kube_proxy: false,
            secrets_encryption: true,
            snapshots: None,
            arguments: Arguments::small(),
        };
        let mut node = k3s::Node::default();
        node.labels
            .insert(ROLE_LABEL.to_owned(), format!("{part:?}"));
        if part == Part::Agent {
            node.taints.push(Taint {
                key: "example.org/only".to_owned(),
                value: "batch".to_owned(),
                effect: Effect::NoExecute,
            });
        }
        let text = match part {
            Part::Initial => k3s::initialising_server(&cluster, &control_plane, &node, &self.roots),
            Part::Server => k3s::joining_server(&cluster, &control_plane, &node, &self.roots),
            Part::Agent => k3s::agent(&cluster, &node, &self.roots),
        };
        Ok(text?.expose().to_owned())
    }

    fn draft(&self, role: &str) -> Draft {
        let join = format!("https://{}:6443", self.join);
        let settings = [
            ("ROLE", role.to_owned()),
            ("NETWORK", self.network.clone()),
            ("JOIN_URL", join),
            ("CA_SHA256", self.roots.server.hash()),
            ("VERSION", VERSION.to_owned()),
        ];
        let unit = |program: &str| format!("[Service]\nExecStart={program}\n");
        let (name, command) = match role {
            "agent" => ("k3s-agent", "agent"),
            _ => ("k3s", "server"),
        };
        let units = "/etc/systemd/system";
        let prepare = "/usr/local/lib/k3s/prepare";
        let config = json!({
            "kubelet-arg": ["cloud-provider=external", "max-pods=50"],
            "node-label": [format!("{ROLE_LABEL}={role}")],
        });
        Draft {
            config: config.as_object().cloned().unwrap_or_default(),
            settings: settings.into_iter().collect(),
            files: vec![
                (prepare.to_owned(), "0755", "#!/bin/sh\n".to_owned()),
                (
                    format!("{units}/k3s-prepare.service"),
                    "0644",
                    unit(prepare),
                ),
                (
                    format!("{units}/{name}.service"),
                    "0644",
                    unit(&format!("/usr/local/bin/k3s {command}")),
                ),
            ],
        }
    }

    fn servers(&self, role: &str) -> Draft {
        let mut draft = self.draft(role);
        let config = json!({
            "token": self.roots.server_token().to_text().expose(),
            "agent-token": self.roots.agent_token().password.expose(),
            "tls-san": [self.name, self.join],
            "cluster-cidr": POD_CIDR,
            "service-cidr": SERVICE_CIDR,
            "disable-cloud-controller": true,
            "disable": ["traefik", "servicelb"],
            "flannel-backend": "none",
            "disable-network-policy": true,
            "secrets-encryption": true,
            "kube-apiserver-arg": [
                "default-watch-cache-size=50",
                "audit-log-path=/var/lib/rancher/k3s/server/logs/audit.log",
            ],
            "kube-controller-manager-arg": ["node-monitor-period=5s"],
            "etcd-arg": ["quota-backend-bytes=1073741824"],
        });
        draft
            .config
            .extend(config.as_object().cloned().unwrap_or_default());
        draft
    }

    /// A server that initialises the cluster.
    pub(crate) fn initial(&self) -> Draft {
        let mut draft = self.servers("init");
        draft.config.insert("cluster-init".to_owned(), json!(true));
        let ClusterRoots {
            server,
            client,
            request_header,
            etcd_server,
            etcd_peer,
            ..
        } = &self.roots;
        draft.authority("server-ca", server);
        draft.authority("client-ca", client);
        draft.authority("request-header-ca", request_header);
        draft.authority("etcd/server-ca", etcd_server);
        draft.authority("etcd/peer-ca", etcd_peer);
        let key = self.roots.service_key_pem().expose().to_owned();
        draft
            .files
            .push((format!("{TLS}/service.key"), "0600", key));
        draft
    }

    /// A server that joins.
    pub(crate) fn server(&self) -> Draft {
        self.joining(self.servers("server"))
    }

    /// An agent.
    pub(crate) fn agent(&self) -> Draft {
        let mut draft = self.draft("agent");
        let token = self.roots.agent_token().to_text();
        draft
            .config
            .insert("token".to_owned(), json!(token.expose()));
        self.joining(draft)
    }

    fn joining(&self, mut draft: Draft) -> Draft {
        let server = format!("https://{}:6443", self.join);
        draft.config.insert("server".to_owned(), json!(server));
        draft
    }
}

impl Draft {
    fn authority(&mut self, name: &str, authority: &Authority) {
        let file = |suffix: &str| format!("{TLS}/{name}.{suffix}");
        self.files
            .push((file("crt"), "0644", authority.pem().to_owned()));
        let key = authority.key_pem().expose().to_owned();
        self.files.push((file("key"), "0600", key));
    }

    /// Changes a key of the configuration.
    pub(crate) fn with(mut self, key: &str, value: Value) -> Self {
        self.config.insert(key.to_owned(), value);
        self
    }

    /// Changes a setting of the script that prepares the machine.
    pub(crate) fn with_setting(mut self, name: &'static str, value: &str) -> Self {
        self.settings.insert(name, value.to_owned());
        self
    }

    /// The user data.
    pub(crate) fn text(&self) -> Result<String> {
        let config = self.config.iter();
        let config = config.map(|(key, value)| format!("{key}: {value}\n"));
        let settings = self.settings.iter();
        let settings = settings.map(|(name, value)| format!("{name}='{value}'\n"));
        let more = [
            (
                "/etc/rancher/k3s/config.yaml".to_owned(),
                "0600",
                config.collect(),
            ),
            (
                "/etc/default/k3s-prepare".to_owned(),
                "0600",
                settings.collect(),
            ),
        ];
        let mut files = Vec::new();
        for (path, permissions, content) in self.files.iter().chain(&more) {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
            gzip.write_all(content.as_bytes())?;
            files.push(json!({
                "path": path,
                "owner": "root:root",
                "permissions": permissions,
                "encoding": "gz+b64",
                "content": STANDARD.encode(gzip.finish()?),
            }));
        }
        let document = json!({
            "write_files": files,
            "runcmd": [
                ["systemctl", "daemon-reload"],
                ["systemctl", "enable", "--now", "--no-block", "k3s-prepare.service"],
            ],
        });
        Ok(format!("#cloud-config\n{document}\n"))
    }
}
