//! What a claim's fields default to, by its profile.

use super::k3s::{FlannelBackend, K3s, K3sArgs, K3sPart};
use super::platform::Profile;

/// Image of servers, where the claim names none.
pub const IMAGE: &str = "ubuntu-24.04";

/// Server types of 8 GB, the cheaper first.
const MEDIUM: [&str; 2] = ["cx33", "cpx32"];

impl Profile {
    /// The profile as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Openova => "openova",
            Self::OpenovaMinimal => "openova-minimal",
            Self::Homelab => "homelab",
            Self::Custom => "custom",
        }
    }

    /// How many servers a control plane has.
    pub fn control_plane_count(self) -> Option<u32> {
        match self {
            Self::Openova => Some(3),
            Self::OpenovaMinimal | Self::Homelab => Some(1),
            Self::Custom => None,
        }
    }

    /// Types of servers, in order of preference.
    pub fn server_types(self) -> Option<Vec<String>> {
        match self {
            Self::Openova | Self::OpenovaMinimal | Self::Homelab => {
                Some(MEDIUM.map(str::to_owned).to_vec())
            }
            Self::Custom => None,
        }
    }

    /// How k3s is set up: what the claim says, completed by the profile.
    pub fn k3s(self, claim: &K3s) -> K3s {
        let defaults = match self {
            Self::Openova | Self::OpenovaMinimal => openova(),
            Self::Homelab | Self::Custom => K3s::default(),
        };
        K3s {
            args: K3sArgs {
                api_server: merged(defaults.args.api_server, &claim.args.api_server),
                controller_manager: merged(
                    defaults.args.controller_manager,
                    &claim.args.controller_manager,
                ),
                etcd: merged(defaults.args.etcd, &claim.args.etcd),
                kubelet: merged(defaults.args.kubelet, &claim.args.kubelet),
                scheduler: merged(defaults.args.scheduler, &claim.args.scheduler),
            },
            disable: claim.disable.clone().or(defaults.disable),
            disable_kube_proxy: claim.disable_kube_proxy.or(defaults.disable_kube_proxy),
            disable_network_policy: claim
                .disable_network_policy
                .or(defaults.disable_network_policy),
            etcd_snapshots: claim.etcd_snapshots.clone(),
            flannel_backend: claim.flannel_backend.or(defaults.flannel_backend),
            install: claim.install.clone(),
            secrets_encryption: Some(claim.secrets_encryption.unwrap_or(true)),
        }
    }
}

/// k3s without what the platform replaces (requirements ): a node that is
/// dead is noticed after 20 s instead of 50, and small servers keep their memory.
fn openova() -> K3s {
    let args = |args: &[&str]| args.iter().map(|arg| (*arg).to_owned()).collect();
    K3s {
        args: K3sArgs {
            api_server: args(&["default-watch-cache-size=50"]),
            controller_manager: args(&["node-monitor-period=5s", "node-monitor-grace-period=20s"]),
            etcd: args(&["quota-backend-bytes=1073741824"]),
            kubelet: args(&["max-pods=50"]),
            scheduler: Vec::new(),
        },
        disable: Some(vec![
            K3sPart::LocalStorage,
            K3sPart::Servicelb,
            K3sPart::Traefik,
        ]),
        disable_network_policy: Some(true),
        flannel_backend: Some(FlannelBackend::None),
        ..K3s::default()
    }
}

/// The defaults that the claim does not give itself, then what the claim gives.
fn merged(defaults: Vec<String>, claim: &[String]) -> Vec<String> {
    let name = |arg: &str| arg.split('=').next().map(ToOwned::to_owned);
    let mut args = defaults;
    args.retain(|default| claim.iter().all(|arg| name(arg) != name(default)));
    args.extend_from_slice(claim);
    args
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_of_the_claim_replaces_that_of_the_profile() {
        let claim = K3s {
            args: K3sArgs {
                controller_manager: vec![
                    "node-monitor-grace-period=40s".to_owned(),
                    "concurrent-gc-syncs=5".to_owned(),
                ],
                ..K3sArgs::default()
            },
            ..K3s::default()
        };
        assert_eq!(
            Profile::Openova.k3s(&claim).args.controller_manager,
            [
                "node-monitor-period=5s",
                "node-monitor-grace-period=40s",
                "concurrent-gc-syncs=5"
            ]
        );
    }

    #[test]
    fn what_the_claim_says_wins_over_the_profile() {
        let claim = K3s {
            disable: Some(vec![K3sPart::Traefik]),
            flannel_backend: Some(FlannelBackend::Vxlan),
            ..K3s::default()
        };
        let k3s = Profile::Openova.k3s(&claim);
        assert_eq!(k3s.disable, claim.disable);
        assert_eq!(k3s.flannel_backend, claim.flannel_backend);
        assert_eq!(k3s.disable_network_policy, Some(true), "from the profile");
    }

    #[test]
    fn the_custom_profile_leaves_k3s_as_it_is() {
        assert_eq!(
            Profile::Custom.k3s(&K3s::default()),
            K3s {
                secrets_encryption: Some(true),
                ..K3s::default()
            }
        );
    }
}
