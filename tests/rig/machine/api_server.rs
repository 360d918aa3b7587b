//! The API server of one machine, with the certificates that k3s would issue there and the flags that it would give.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use ipnet::Ipv4Net;

use super::boot::Machine;
use super::cloud_config::File;
use super::cluster::{Cluster, Store, free};
use super::config::arguments;
use super::pki::{DIRECTORY, Subject};
use crate::control_plane::{alive, ready};
use crate::daemon::{Daemon, Invocation, Restart};
use crate::wait::eventually;

const START: Duration = Duration::from_secs(60);
pub(super) const PORT: u16 = 6443;
const SERVICE_CIDR: &str = "10.43.0.0/16";
const CLUSTER_DOMAIN: &str = "cluster.local";
/// The component whose flags are checked without being started.
const CONTROLLER_MANAGER_ARGUMENTS: &str = "kube-controller-manager-arg";

/// Where a machine is on this host.
#[derive(Clone, Debug)]
pub(super) struct Host {
    pub(super) name: String,
    /// Its address in the private network.
    pub(super) private: Ipv4Addr,
    /// Where it listens here.
    pub(super) address: Ipv4Addr,
    /// The directory that stands for its disk.
    pub(super) disk: PathBuf,
    pub(super) log: PathBuf,
}

/// The programs of a server.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    pub(super) api_server: PathBuf,
    pub(super) controller_manager: PathBuf,
}

impl Host {
    fn path(&self, path: &str) -> PathBuf {
        self.disk.join(path.trim_start_matches('/'))
    }

    /// Writes a file where the machine has it.
    pub(super) fn write(&self, path: &str, file: &File) -> Result<()> {
        let path = self.path(path);
        path.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&path, &file.content))
            .with_context(|| format!("write {}", path.display()))
    }

    /// An argument `name=value` whose value, when it is a path, lies on this machine's disk. Its directory is made.
    fn on_disk(&self, argument: &str) -> Result<String> {
        let Some((name, value)) = argument.split_once("=/") else {
            return Ok(argument.to_owned());
        };
        let path = self.path(value);
        path.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .with_context(|| format!("make the directory of {argument}"))?;
        Ok(format!("{name}={}", path.display()))
    }

    pub(super) const fn endpoint(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.address, PORT)
    }
}

/// Starts an API server and returns when it is ready.
pub(super) async fn start(
    programs: &Programs,
    cluster: &Cluster,
    machine: &Machine,
    host: &Host,
) -> Result<Daemon> {
    for (name, file) in &cluster.authorities.files {
        host.write(&format!("{DIRECTORY}/{name}"), file)?;
    }
    check_controller_manager(programs, machine, host).await?;
    let given = machine.config.list("kube-apiserver-arg").iter();
    let given = given.map(|argument| host.on_disk(argument));
    let given = given.collect::<Result<Vec<_>>>()?;
    let arguments = arguments(defaults(cluster, machine, host)?, &given).into_iter();
    let invocation = Invocation::new(&programs.api_server)
        .args(arguments.map(|(name, value)| format!("--{name}={value}")));
    free(host.endpoint()).await?;
    let name = format!("kube-apiserver of {}", host.name);
    let daemon = Daemon::start(name, invocation, &host.log, Restart::Never);
    let client = cluster.administrator(host.endpoint()).await?;
    eventually("the API server is ready", START, || async {
        alive(&cluster.etcd)?;
        alive(&daemon)?;
        ready(&client).await
    })
    .await?;
    Ok(daemon)
}

/// The flags that k3s gives, with their files.
fn defaults(
    cluster: &Cluster,
    machine: &Machine,
    host: &Host,
) -> Result<Vec<(&'static str, String)>> {
    let tls = host.path(DIRECTORY);
    let text = |path: &Path| path.display().to_string();
    let file = |name: &str| text(&tls.join(name));
    let config = &machine.config;
    let domain = config.text("cluster-domain").unwrap_or(CLUSTER_DOMAIN);
    let services = config.text("service-cidr").unwrap_or(SERVICE_CIDR);
    let issuer = format!("https://kubernetes.default.svc.{domain}");

    let hosts = hosts(machine, host, services, domain)?;
    let client = |name, organization| Subject {
        name,
        organization,
        hosts: &[],
    };
    let authorities = &cluster.authorities;
    let serving = authorities.server.issue(Subject {
        name: "kube-apiserver",
        organization: None,
        hosts: &hosts,
    })?;
    let (serving, serving_key) = serving.write(&tls, "serving-kube-apiserver")?;
    let kubelet = client("system:apiserver", Some("system:masters"));
    let kubelet = authorities.client.issue(kubelet)?;
    let (kubelet, kubelet_key) = kubelet.write(&tls, "client-kube-apiserver")?;
    let proxy = client("system:auth-proxy", None);
    let proxy = authorities.request_header.issue(proxy)?;
    let (proxy, proxy_key) = proxy.write(&tls, "client-auth-proxy")?;
    let Store {
        url,
        authority,
        certificate,
        key,
    } = &cluster.store;

    let mut flags = vec![
        ("advertise-address", host.private.to_string()),
        ("allow-privileged", "true".to_owned()),
        ("anonymous-auth", "false".to_owned()),
        ("api-audiences", format!("{issuer},k3s")),
        ("authorization-mode", "Node,RBAC".to_owned()),
        ("bind-address", host.address.to_string()),
        ("cert-dir", file("temporary-certs")),
        ("client-ca-file", file("client-ca.crt")),
        ("enable-admission-plugins", "NodeRestriction".to_owned()),
        ("enable-aggregator-routing", "true".to_owned()),
        ("enable-bootstrap-token-auth", "true".to_owned()),
        ("etcd-cafile", text(authority)),
        ("etcd-certfile", text(certificate)),
        ("etcd-keyfile", text(key)),
        ("etcd-servers", url.clone()),
        ("kubelet-certificate-authority", file("server-ca.crt")),
        ("kubelet-client-certificate", text(&kubelet)),
        ("kubelet-client-key", text(&kubelet_key)),
        ("profiling", "false".to_owned()),
        ("proxy-client-cert-file", text(&proxy)),
        ("proxy-client-key-file", text(&proxy_key)),
        (
            "requestheader-allowed-names",
            "system:auth-proxy".to_owned(),
        ),
        (
            "requestheader-client-ca-file",
            file("request-header-ca.crt"),
        ),
        (
            "requestheader-extra-headers-prefix",
            "X-Remote-Extra-".to_owned(),
        ),
        ("requestheader-group-headers", "X-Remote-Group".to_owned()),
        ("requestheader-username-headers", "X-Remote-User".to_owned()),
        ("secure-port", PORT.to_string()),
        ("service-account-issuer", issuer),
        ("service-account-key-file", file("service.key")),
        ("service-account-signing-key-file", file("service.key")),
        ("service-cluster-ip-range", services.to_owned()),
        ("storage-backend", "etcd3".to_owned()),
        ("tls-cert-file", text(&serving)),
        ("tls-private-key-file", text(&serving_key)),
    ];
    if let Some(range) = config.text("service-node-port-range") {
        flags.push(("service-node-port-range", range.to_owned()));
    }
    if let Some(encryption) = &cluster.encryption {
        flags.push(("encryption-provider-config", text(encryption)));
    }
    Ok(flags)
}

/// The names for which the server's certificate is valid: those that k3s knows by itself, and `tls-san`.
fn hosts(machine: &Machine, host: &Host, services: &str, domain: &str) -> Result<Vec<String>> {
    let services: Ipv4Net = services.parse().context("read service-cidr")?;
    let first = services
        .hosts()
        .next()
        .context("service-cidr has no addresses")?;
    let mut hosts: Vec<String> = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"]
        .map(str::to_owned)
        .to_vec();
    hosts.extend([
        format!("kubernetes.default.svc.{domain}"),
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
        host.name.clone(),
        host.private.to_string(),
        first.to_string(),
    ]);
    hosts.extend_from_slice(machine.config.list("tls-san"));
    hosts.sort();
    hosts.dedup();
    Ok(hosts)
}

/// k3s ends when one of its components does not know a flag.
async fn check_controller_manager(
    programs: &Programs,
    machine: &Machine,
    host: &Host,
) -> Result<()> {
    let given = machine.config.list(CONTROLLER_MANAGER_ARGUMENTS);
    if given.is_empty() {
        return Ok(());
    }
    let flags = arguments([], given);
    let flags = flags
        .into_iter()
        .map(|(name, value)| format!("--{name}={value}"));
    let invocation = Invocation::new(&programs.controller_manager)
        .args(flags)
        .arg("--version");
    let log = host.log.with_extension("controller-manager.log");
    let checked = invocation.run(&log).await;
    checked.context(CONTROLLER_MANAGER_ARGUMENTS)
}
