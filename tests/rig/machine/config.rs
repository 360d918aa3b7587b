//! `/etc/rancher/k3s/config.yaml` as k3s reads it: flat, with the drop-ins beside it.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use super::cloud_config::CloudConfig;

const FILE: &str = "/etc/rancher/k3s/config.yaml";
const DROP_INS: &str = "/etc/rancher/k3s/config.yaml.d/";

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Flag,
    Text,
    List,
}

use Form::{Flag, List, Text};

/// The keys of servers and agents. k3s skips unknown ones with a warning; here they are refused.
const COMMON: &[(&str, Form)] = &[
    ("data-dir", Text),
    ("debug", Flag),
    ("flannel-iface", Text),
    ("kube-proxy-arg", List),
    ("kubelet-arg", List),
    ("log", Text),
    ("node-external-ip", List),
    ("node-ip", List),
    ("node-label", List),
    ("node-name", Text),
    ("node-taint", List),
    ("pause-image", Text),
    ("prefer-bundled-bin", Flag),
    ("private-registry", Text),
    ("protect-kernel-defaults", Flag),
    ("resolv-conf", Text),
    ("selinux", Flag),
    ("server", Text),
    ("snapshotter", Text),
    ("token", Text),
    ("with-node-id", Flag),
];

/// The keys of servers alone.
const SERVER: &[(&str, Form)] = &[
    ("advertise-address", Text),
    ("advertise-port", Text),
    ("agent-token", Text),
    ("bind-address", Text),
    ("cluster-cidr", List),
    ("cluster-dns", List),
    ("cluster-domain", Text),
    ("cluster-init", Flag),
    ("default-local-storage-path", Text),
    ("disable", List),
    ("disable-cloud-controller", Flag),
    ("disable-helm-controller", Flag),
    ("disable-kube-proxy", Flag),
    ("disable-network-policy", Flag),
    ("egress-selector-mode", Text),
    ("embedded-registry", Flag),
    ("etcd-arg", List),
    ("etcd-disable-snapshots", Flag),
    ("etcd-expose-metrics", Flag),
    ("etcd-s3", Flag),
    ("etcd-s3-access-key", Text),
    ("etcd-s3-bucket", Text),
    ("etcd-s3-config-secret", Text),
    ("etcd-s3-endpoint", Text),
    ("etcd-s3-endpoint-ca", Text),
    ("etcd-s3-folder", Text),
    ("etcd-s3-insecure", Flag),
    ("etcd-s3-proxy", Text),
    ("etcd-s3-region", Text),
    ("etcd-s3-retention", Text),
    ("etcd-s3-secret-key", Text),
    ("etcd-s3-session-token", Text),
    ("etcd-s3-skip-ssl-verify", Flag),
    ("etcd-s3-timeout", Text),
    ("etcd-snapshot-compress", Flag),
    ("etcd-snapshot-dir", Text),
    ("etcd-snapshot-name", Text),
    ("etcd-snapshot-retention", Text),
    ("etcd-snapshot-schedule-cron", Text),
    ("flannel-backend", Text),
    ("flannel-external-ip", Flag),
    ("flannel-ipv6-masq", Flag),
    ("helm-job-image", Text),
    ("kube-apiserver-arg", List),
    ("kube-cloud-controller-manager-arg", List),
    ("kube-controller-manager-arg", List),
    ("kube-scheduler-arg", List),
    ("secrets-encryption", Flag),
    ("service-cidr", List),
    ("service-node-port-range", Text),
    ("servicelb-namespace", Text),
    ("supervisor-metrics", Flag),
    ("system-default-registry", Text),
    ("tls-san", List),
    ("tls-san-security", Flag),
    ("write-kubeconfig", Text),
    ("write-kubeconfig-group", Text),
    ("write-kubeconfig-mode", Text),
];

/// Settings that all servers of a cluster share; k3s refuses a server that differs.
const CRITICAL: &[&str] = &[
    "cluster-cidr",
    "cluster-dns",
    "cluster-domain",
    "disable-cloud-controller",
    "disable-helm-controller",
    "disable-network-policy",
    "egress-selector-mode",
    "embedded-registry",
    "flannel-backend",
    "flannel-external-ip",
    "flannel-ipv6-masq",
    "secrets-encryption",
    "service-cidr",
];

/// Which of its commands k3s is run with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Server,
    Agent,
}

/// The configuration. It holds secrets: its Debug output has only the keys.
#[derive(Clone)]
pub(super) struct Config(BTreeMap<String, Vec<String>>);

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Config")
            .field(&self.0.keys().collect::<Vec<_>>())
            .finish()
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    Flag(bool),
    Number(i64),
    Text(String),
    List(Vec<String>),
}

impl Config {
    /// Reads the file and the drop-ins, and checks every key.
    pub(super) fn read(config: &CloudConfig, command: Command) -> Result<Self> {
        let drop_ins = config.files.keys();
        let drop_ins =
            drop_ins.filter(|path| path.starts_with(DROP_INS) && path.ends_with(".yaml"));
        let mut merged = Self(BTreeMap::new());
        for path in std::iter::once(FILE).chain(drop_ins.map(String::as_str)) {
            merged
                .merge(config.text(path)?, command)
                .with_context(|| format!("read {path}"))?;
        }
        Ok(merged)
    }

    fn merge(&mut self, text: &str, command: Command) -> Result<()> {
        let options = serde_saphyr::options! { with_snippet: false };
        let values: BTreeMap<String, Value> = serde_saphyr::from_str_with_options(text, options)
            .ok()
            .context("it is not a flat mapping of flags, texts and lists of texts")?;
        for (key, value) in values {
            let (key, appended) = match key.strip_suffix('+') {
                Some(key) => (key.to_owned(), true),
                None => (key, false),
            };
            let value = check(&key, value, command)?;
            let values = self.0.entry(key).or_default();
            if !appended {
                values.clear();
            }
            values.extend(value);
        }
        Ok(())
    }

    pub(super) fn list(&self, key: &str) -> &[String] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.list(key).first().map(String::as_str)
    }

    pub(super) fn flag(&self, key: &str) -> bool {
        self.text(key) == Some("true")
    }

    /// The first setting that a server must have like the others and has not.
    pub(super) fn critical_difference(&self, other: &Self) -> Option<&'static str> {
        let differs = |key: &&&str| self.list(key) != other.list(key);
        let component = |config: &Self| config.list("disable").contains(&"servicelb".to_owned());
        let setting = CRITICAL.iter().find(differs).copied();
        setting.or_else(|| (component(self) != component(other)).then_some("disable: servicelb"))
    }
}

fn check(key: &str, value: Value, command: Command) -> Result<Vec<String>> {
    let known = |keys: &[(&str, Form)]| {
        let found = keys.iter().find(|(name, _)| *name == key);
        found.map(|(_, form)| *form)
    };
    let form = match (known(COMMON), known(SERVER), command) {
        (Some(form), _, _) | (None, Some(form), Command::Server) => form,
        (None, Some(_), Command::Agent) => bail!("{key} is for servers, not for agents"),
        (None, None, _) => bail!("k3s does not know {key}"),
    };
    Ok(match (form, value) {
        (Flag, Value::Flag(value)) => vec![value.to_string()],
        (Text, Value::Number(number)) => vec![number.to_string()],
        (Text | List, Value::Text(text)) => {
            ensure!(!text.is_empty(), "{key} is empty");
            vec![text]
        }
        (List, Value::List(list)) => list,
        (form, _) => bail!("{key} is not a {form:?}"),
    })
}

/// The arguments of a component: those that k3s gives it, replaced or extended by the user's `name=value`, `name+=value`
/// and `name-=value`. Repeated names are repeated.
pub(super) fn arguments(
    defaults: impl IntoIterator<Item = (&'static str, String)>,
    user: &[String],
) -> Vec<(String, String)> {
    let defaults = defaults.into_iter();
    let mut initial: BTreeMap<String, Vec<String>> = defaults
        .map(|(name, value)| (name.to_owned(), vec![value]))
        .collect();
    let mut given: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for argument in user {
        let argument = argument.strip_prefix("--").unwrap_or(argument);
        let (name, value) = argument.split_once('=').unwrap_or((argument, "true"));
        let plain = name.trim_end_matches(['+', '-']);
        let first = initial.remove(plain).unwrap_or_default();
        let values = given.entry(plain.to_owned()).or_default();
        if name.ends_with('+') {
            values.splice(0..0, first);
            values.push(value.to_owned());
        } else if name.ends_with('-') {
            values.splice(0..0, std::iter::once(value.to_owned()).chain(first));
        } else {
            values.push(value.to_owned());
        }
    }
    initial.append(&mut given);
    initial
        .into_iter()
        .flat_map(|(name, values)| values.into_iter().map(move |value| (name.clone(), value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &[(&str, &str)], command: Command) -> Result<Config> {
        let files = files.iter().map(|(path, content)| {
            let file = super::super::cloud_config::File {
                mode: 0o600,
                content: content.as_bytes().to_vec(),
            };
            ((*path).to_owned(), file)
        });
        let cloud = CloudConfig {
            files: files.collect(),
            commands: Vec::new(),
        };
        Config::read(&cloud, command)
    }

    #[test]
    fn drop_ins_replace_and_append_by_name() {
        let drop_in = |name: &str| format!("{DROP_INS}{name}");
        let config = read(
            &[
                (
                    FILE,
                    "tls-san: [\"a\"]\nkubelet-arg: [\"x=1\"]\ncluster-init: true\n",
                ),
                (&drop_in("60-b.yaml"), "cluster-init: false\n"),
                (
                    &drop_in("50-a.yaml"),
                    "kubelet-arg+: [\"y=2\"]\ntls-san: [\"b\"]\n",
                ),
            ],
            Command::Server,
        )
        .unwrap();
        assert_eq!(config.list("kubelet-arg"), ["x=1", "y=2"]);
        assert_eq!(config.list("tls-san"), ["b"]);
        assert!(!config.flag("cluster-init"));
    }

    #[test]
    fn keys_that_k3s_would_skip_or_misread_are_refused() {
        let table = [
            (
                Command::Server,
                "tls-sans: [\"a\"]\n",
                "does not know tls-sans",
            ),
            (
                Command::Agent,
                "tls-san: [\"a\"]\n",
                "for servers, not for agents",
            ),
            (
                Command::Server,
                "cluster-init: \"true\"\n",
                "cluster-init is not a Flag",
            ),
            (Command::Server, "token: [\"a\"]\n", "token is not a Text"),
            (Command::Server, "token: \"\"\n", "token is empty"),
            (Command::Server, "tls-san: {a: b}\n", "not a flat mapping"),
        ];
        for (command, text, expected) in table {
            let message = format!("{:#}", read(&[(FILE, text)], command).unwrap_err());
            assert!(message.contains(expected), "{expected}: {message}");
        }
        let missing = format!("{:#}", read(&[], Command::Agent).unwrap_err());
        assert!(missing.contains(FILE), "{missing}");
    }

    #[test]
    fn servers_of_a_cluster_differ_in_nothing_critical() {
        let read = |text: &str| read(&[(FILE, text)], Command::Server).unwrap();
        let one =
            read("service-cidr: \"10.1.0.0/16\"\ndisable: [\"servicelb\"]\ntls-san: [\"a\"]\n");
        let same = read("service-cidr: [\"10.1.0.0/16\"]\ndisable: [\"traefik\", \"servicelb\"]\n");
        assert_eq!(one.critical_difference(&same), None);
        let other = read("disable: [\"servicelb\"]\n");
        assert_eq!(one.critical_difference(&other), Some("service-cidr"));
        let balanced = read("service-cidr: \"10.1.0.0/16\"\n");
        assert_eq!(
            one.critical_difference(&balanced),
            Some("disable: servicelb")
        );
    }

    #[test]
    fn arguments_replace_append_and_repeat() {
        let defaults = || [("a", "1".to_owned()), ("b", "2".to_owned())];
        let merged = |user: &[&str]| {
            let user: Vec<String> = user.iter().map(|text| (*text).to_owned()).collect();
            let merged = arguments(defaults(), &user).into_iter();
            merged
                .map(|(name, value)| format!("{name}={value}"))
                .collect::<Vec<_>>()
        };
        assert_eq!(merged(&[]), ["a=1", "b=2"]);
        assert_eq!(merged(&["--a=3", "c"]), ["a=3", "b=2", "c=true"]);
        assert_eq!(merged(&["a+=3", "a=4"]), ["a=1", "a=3", "a=4", "b=2"]);
        assert_eq!(merged(&["b-=3"]), ["a=1", "b=3", "b=2"]);
    }
}
