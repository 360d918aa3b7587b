//! The kinds: what each needs around it, and the changes that it goes through.
//!
//! The objects are those of `examples/provider`, where there is one. A row for a new kind is its example, the examples that must be there
//! first, and a change for every way in which it can be changed.

use serde_json::{Value, json};

/// One kind, or a course of an object of a kind.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) kind: &'static str,
    /// For further rows of a kind, which have changes of their own: what they are about.
    pub(super) title: Option<&'static str>,
    /// Where things go wrong.
    pub(super) cases: Cases,
    /// The object that is created, changed and deleted.
    pub(super) object: Object,
    /// Examples that are there first, in this order.
    pub(super) before: &'static [&'static str],
    /// What is changed after the create, one after another.
    pub(super) edits: &'static [Edit],
}

/// The phases of a row that meet faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cases {
    Everywhere,
    /// The object is created and deleted like that of another row, where this was disturbed.
    InEdits,
    /// It is only deleted in another way.
    InDeletion,
}

/// Where the object comes from.
#[derive(Debug)]
pub(super) enum Object {
    /// An example; other objects in it are there first.
    Example(&'static str),
    /// An example with a merge patch.
    Changed(&'static str, fn() -> Value),
    /// No example.
    Own(fn() -> Value),
}

/// A change of the object.
#[derive(Debug)]
pub(super) struct Edit {
    pub(super) name: &'static str,
    /// A merge patch.
    pub(super) patch: fn() -> Value,
}

const NETWORK: &str = "network.yaml";
const SUBNET: &str = "subnet.yaml";
const SERVER: &str = "server.yaml";
const KEY: &str = "ssh-key.yaml";
const ADDRESS: &str = "primary-ip.yaml";
const FIREWALL: &str = "firewall.yaml";
const GROUP: &str = "placement-group.yaml";

/// Every kind of managed resource.
pub(super) const ROWS: &[Row] = &[
    Row {
        kind: "Network",
        title: None,
        cases: Cases::Everywhere,
        object: Object::Example(NETWORK),
        before: &[],
        edits: &[
            Edit {
                name: "grow, rename, protect",
                patch: || {
                    spec(json!({
                        "name": "market",
                        "ipRange": "10.210.0.0/15",
                        "labels": {"team": "market", "tier": "b"},
                        "exposeRoutesToVswitch": true,
                        "deleteProtection": true,
                    }))
                },
            },
            Edit {
                name: "unprotect",
                patch: || spec(json!({"deleteProtection": false})),
            },
        ],
    },
    Row {
        kind: "Subnet",
        title: None,
        cases: Cases::Everywhere,
        object: Object::Example(SUBNET),
        before: &[NETWORK],
        edits: &[Edit {
            name: "replace",
            patch: || replaced("networkZone=us-east", json!({"location": "ash"})),
        }],
    },
    Row {
        kind: "Route",
        title: None,
        cases: Cases::Everywhere,
        object: Object::Example("route.yaml"),
        before: &[NETWORK, SUBNET],
        edits: &[],
    },
    Row {
        kind: "Firewall",
        title: None,
        cases: Cases::Everywhere,
        object: Object::Example(FIREWALL),
        before: &[],
        edits: &[Edit {
            name: "rules, rename",
            patch: || {
                spec(json!({
                    "name": "market",
                    "labels": {"team": "market"},
                    "rules": [{
                        "direction": "in",
                        "protocol": "tcp",
                        "port": "22",
                        "sourceIps": ["192.0.2.0/24"],
                    }],
                }))
            },
        }],
    },
    Row {
        kind: "SSHKey",
        title: None,
        cases: Cases::Everywhere,
        object: Object::Example(KEY),
        before: &[],
        edits: &[
            Edit {
                name: "rename",
                patch: || spec(json!({"name": "market", "labels": {"team": "market"}})),
            },
            Edit {
                name: "replace",
                patch: || {
                    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICqlC0fJI0Ld2h3Mt3TlDkl9dZYy2yw6i4azGp1zf4FR";
                    replaced(&format!("publicKey={key}"), json!({"publicKey": key}))
                },
            },
        ],
    },
    Row {
        kind: "PlacementGroup",
        title: None,
        cases: Cases::Everywhere,
        object: Object::Example(GROUP),
        before: &[],
        edits: &[Edit {
            name: "rename",
            patch: || spec(json!({"name": "market", "labels": {"team": "market"}})),
        }],
    },
    Row {
        kind: "PrimaryIP",
        title: None,
        cases: Cases::Everywhere,
        object: Object::Example(ADDRESS),
        before: &[],
        edits: &[
            Edit {
                name: "rename, protect",
                patch: || {
                    spec(json!({
                        "name": "market",
                        "labels": {"team": "market"},
                        "deleteProtection": true,
                    }))
                },
            },
            Edit {
                name: "unprotect, auto delete",
                patch: || spec(json!({"deleteProtection": false, "autoDelete": true})),
            },
        ],
    },
    Row {
        kind: "Volume",
        title: None,
        cases: Cases::Everywhere,
        object: Object::Example("volume.yaml"),
        before: &[],
        edits: &[
            Edit {
                name: "grow, rename",
                patch: || spec(json!({"name": "market", "size": 30, "labels": {"team": "market"}})),
            },
            Edit {
                name: "replace",
                patch: || replaced("location=nbg1", json!({"location": "nbg1"})),
            },
        ],
    },
    Row {
        kind: "VolumeAttachment",
        title: None,
        cases: Cases::Everywhere,
        object: Object::Example("volume-attachment.yaml"),
        before: &[
            KEY,
            ADDRESS,
            NETWORK,
            SUBNET,
            FIREWALL,
            GROUP,
            SERVER,
            "server-network.yaml",
            "volume.yaml",
        ],
        edits: &[Edit {
            name: "another server",
            patch: || spec(json!({"serverIdRef": {"name": "reports"}})),
        }],
    },
    Row {
        kind: "Server",
        title: None,
        cases: Cases::Everywhere,
        object: Object::Example(SERVER),
        before: &[KEY, ADDRESS, NETWORK, SUBNET, FIREWALL, GROUP],
        edits: &[
            Edit {
                name: "rename, backups, protect",
                patch: || {
                    spec(json!({
                        "name": "market",
                        "labels": {"team": "market"},
                        "backups": true,
                        "deleteProtection": true,
                        "rebuildProtection": true,
                    }))
                },
            },
            Edit {
                name: "unprotect, detach, off",
                patch: || {
                    spec(json!({
                        "deleteProtection": false,
                        "rebuildProtection": false,
                        "networks": [],
                        "firewallIdRefs": [],
                        "powerState": "Stopped",
                    }))
                },
            },
        ],
    },
    Row {
        kind: "Server",
        title: Some("resized"),
        cases: Cases::InEdits,
        object: Object::Changed(SERVER, || spec(json!({"placementGroupIdRef": null}))),
        before: &[KEY, ADDRESS, NETWORK, SUBNET, FIREWALL, GROUP],
        edits: &[Edit {
            name: "resize, join a group",
            patch: || {
                spec(json!({
                    "serverTypes": null,
                    "serverType": "cx33",
                    "placementGroupIdRef": {"name": "shop"},
                }))
            },
        }],
    },
    Row {
        kind: "Server",
        title: Some("readdressed"),
        cases: Cases::InEdits,
        object: Object::Example(SERVER),
        before: &[KEY, ADDRESS, NETWORK, SUBNET, FIREWALL, GROUP],
        edits: &[
            Edit {
                name: "no IPv4",
                patch: || {
                    let public = json!({"ipv4IdRef": null, "ipv4Id": null, "ipv4Enabled": false});
                    spec(json!({"publicNet": public}))
                },
            },
            Edit {
                name: "IPv4, no IPv6",
                patch: || {
                    let public = json!({"ipv4IdRef": {"name": "shop-web"}, "ipv4Enabled": true, "ipv6Enabled": false});
                    spec(json!({"publicNet": public}))
                },
            },
        ],
    },
    Row {
        kind: "Server",
        title: Some("rebuilt"),
        cases: Cases::InEdits,
        object: Object::Example(SERVER),
        before: &[KEY, ADDRESS, NETWORK, SUBNET, FIREWALL, GROUP],
        edits: &[Edit {
            name: "another image",
            patch: || {
                replaced(
                    "image.name=ubuntu-24.04",
                    json!({"image": {"name": "ubuntu-24.04"}}),
                )
            },
        }],
    },
    Row {
        kind: "Server",
        title: Some("deleted-at-work"),
        cases: Cases::InDeletion,
        object: Object::Example(SERVER),
        before: &[KEY, ADDRESS, NETWORK, SUBNET, FIREWALL, GROUP],
        edits: &[],
    },
    Row {
        kind: "ServerNetwork",
        title: None,
        cases: Cases::Everywhere,
        object: Object::Example("server-network.yaml"),
        before: &[NETWORK, SUBNET],
        edits: &[
            Edit {
                name: "alias addresses",
                patch: || spec(json!({"aliasIps": ["10.210.1.21", "10.210.1.22"]})),
            },
            Edit {
                name: "replace",
                patch: || replaced("ip=10.210.1.30", json!({"ip": "10.210.1.30"})),
            },
        ],
    },
    Row {
        kind: "LoadBalancer",
        title: None,
        cases: Cases::Everywhere,
        object: Object::Example("load-balancer.yaml"),
        before: &[],
        edits: &[
            Edit {
                name: "type, algorithm, protect",
                patch: || {
                    spec(json!({
                        "name": "market",
                        "loadBalancerType": "lb21",
                        "algorithm": "round_robin",
                        "labels": {"team": "market"},
                        "deleteProtection": true,
                    }))
                },
            },
            Edit {
                name: "unprotect",
                patch: || spec(json!({"deleteProtection": false})),
            },
        ],
    },
    Row {
        kind: "LoadBalancerNetwork",
        title: None,
        cases: Cases::Everywhere,
        object: Object::Example("load-balancer-network.yaml"),
        before: &[NETWORK, SUBNET, "load-balancer.yaml"],
        edits: &[Edit {
            name: "replace",
            patch: || replaced("ip=10.210.1.6", json!({"ip": "10.210.1.6"})),
        }],
    },
    Row {
        kind: "LoadBalancerService",
        title: None,
        cases: Cases::Everywhere,
        object: Object::Example("load-balancer-service.yaml"),
        before: &["load-balancer.yaml"],
        edits: &[Edit {
            name: "port, health check",
            patch: || spec(json!({"destinationPort": 8443, "healthCheck": {"interval": 20}})),
        }],
    },
    Row {
        kind: "LoadBalancerTarget",
        title: None,
        cases: Cases::Everywhere,
        object: Object::Example("load-balancer-target.yaml"),
        before: &[
            NETWORK,
            SUBNET,
            "load-balancer.yaml",
            "load-balancer-network.yaml",
        ],
        edits: &[Edit {
            name: "public addresses",
            patch: || spec(json!({"usePrivateIp": false})),
        }],
    },
    Row {
        kind: "LoadBalancerTarget",
        title: Some("server"),
        cases: Cases::Everywhere,
        object: Object::Changed("load-balancer-target.yaml", || {
            spec(json!({"labelSelector": null, "serverIdRef": {"name": "shop-web"}}))
        }),
        before: &[
            KEY,
            ADDRESS,
            NETWORK,
            SUBNET,
            FIREWALL,
            GROUP,
            SERVER,
            "load-balancer.yaml",
            "load-balancer-network.yaml",
        ],
        edits: &[Edit {
            name: "public addresses",
            patch: || spec(json!({"usePrivateIp": false})),
        }],
    },
    Row {
        kind: "ReverseDNS",
        title: None,
        cases: Cases::Everywhere,
        object: Object::Example("reverse-dns.yaml"),
        before: &[ADDRESS],
        edits: &[Edit {
            name: "another name",
            patch: || spec(json!({"dnsPtr": "market.shop.example"})),
        }],
    },
    Row {
        kind: "Inventory",
        title: None,
        cases: Cases::Everywhere,
        object: Object::Example("inventory.yaml"),
        before: &[NETWORK],
        edits: &[],
    },
    Row {
        kind: "ProviderConfig",
        title: None,
        cases: Cases::Everywhere,
        object: Object::Own(|| {
            json!({
                "apiVersion": "hcloud.openova.io/v1alpha1",
                "kind": "ProviderConfig",
                "metadata": {"name": "unused"},
                "spec": {
                    "credentials": {"source": "Secret", "secretRef": {"name": "hcloud", "key": "token"}},
                },
            })
        }),
        before: &[],
        edits: &[],
    },
    Row::fact("Location", "location.yaml"),
    Row::fact("Image", "image.yaml"),
    Row::fact("ServerType", "server-type.yaml"),
    Row::fact("LoadBalancerType", "load-balancer-type.yaml"),
    Row::fact("Pricing", "pricing.yaml"),
];

impl Row {
    /// The kind, and what the row is about.
    pub(super) fn name(&self) -> String {
        match self.title {
            None => self.kind.to_owned(),
            Some(title) => format!("{} {title}", self.kind),
        }
    }

    /// A kind that is only observed.
    const fn fact(kind: &'static str, example: &'static str) -> Self {
        Self {
            kind,
            title: None,
            cases: Cases::Everywhere,
            object: Object::Example(example),
            before: &[],
            edits: &[],
        }
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "rows write the JSON in place"
)]
fn spec(for_provider: Value) -> Value {
    json!({"spec": {"forProvider": for_provider}})
}

impl Edit {
    /// Whether the object at Hetzner is another one afterwards. With another image a server is the same.
    pub(super) fn replaces(&self) -> bool {
        let patch = (self.patch)();
        let approval = patch["metadata"]["annotations"]["crossplane.io/replace"].as_str();
        approval.is_some_and(|change| !change.starts_with("image."))
    }
}

/// A change that needs a replacement, and the approval of it.
fn replaced(change: &str, for_provider: Value) -> Value {
    let mut patch = spec(for_provider);
    patch["metadata"]["annotations"]["crossplane.io/replace"] = change.into();
    patch
}
