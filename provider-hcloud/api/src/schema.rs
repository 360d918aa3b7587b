//! Parts of schemas that several kinds share: formats of fields, and validation rules.

use kube::core::Rule;
use schemars::{Schema, SchemaGenerator, json_schema};

/// Labels at Hetzner: as Kubernetes labels, without the prefixes that belong to others.
pub(crate) fn labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 48,
        "additionalProperties": {
            "type": "string",
            "maxLength": 63,
            "pattern": "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$",
        },
        "x-kubernetes-validations": [{
            "rule": "self.all(k, !k.startsWith('hetzner.cloud/') && !k.startsWith('hcloud.openova.io/'))",
            "message": "keys must not start with hetzner.cloud/ or hcloud.openova.io/",
        }],
    })
}

/// An id at Hetzner as decimal text. Ids are below 2^53.
pub(crate) fn id(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 16,
        "pattern": "^[1-9][0-9]*$",
    })
}

/// Any number of ids at Hetzner.
pub(crate) fn ids(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 100,
        "items": id(generator),
    })
}

/// A private IPv4 network in CIDR notation, written canonically.
pub(crate) fn private_range(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 18,
        "x-kubernetes-validations": [
            {
                "rule": "isCIDR(self) && cidr(self).ip().family() == 4",
                "message": "must be an IPv4 network in CIDR notation, for example 10.0.1.0/24",
            },
            {
                "rule": "!isCIDR(self) || cidr(self) == cidr(self).masked()",
                "message": "has bits set after the prefix: write the first address of the network, for example 10.0.1.0/24",
            },
            {
                "rule": "!isCIDR(self) || cidr('10.0.0.0/8').containsCIDR(self) || cidr('172.16.0.0/12').containsCIDR(self) || cidr('192.168.0.0/16').containsCIDR(self)",
                "message": "must lie in 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16",
            },
        ],
    })
}

/// Where a route may lead: a private IPv4 network, or everything else.
pub(crate) fn destination(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 18,
        "x-kubernetes-validations": [
            {
                "rule": "isCIDR(self) && cidr(self).ip().family() == 4",
                "message": "must be an IPv4 network in CIDR notation, for example 10.8.0.0/16 or 0.0.0.0/0",
            },
            {
                "rule": "!isCIDR(self) || cidr(self) == cidr(self).masked()",
                "message": "has bits set after the prefix: write the first address of the network, for example 10.8.0.0/16",
            },
            {
                "rule": "self == '0.0.0.0/0' || !isCIDR(self) || cidr('10.0.0.0/8').containsCIDR(self) || cidr('172.16.0.0/12').containsCIDR(self) || cidr('192.168.0.0/16').containsCIDR(self)",
                "message": "must lie in 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16, or be 0.0.0.0/0",
            },
        ],
    })
}

/// An IPv4 address.
pub(crate) fn ipv4(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 15,
        "x-kubernetes-validations": [{
            "rule": "isIP(self) && ip(self).family() == 4",
            "message": "must be an IPv4 address, for example 10.0.1.5",
        }],
    })
}

/// Further private addresses of a server.
pub(crate) fn alias_ips(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 50,
        "items": ipv4(generator),
    })
}

/// An IPv4 or IPv6 address.
pub(crate) fn ip(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 45,
        "x-kubernetes-validations": [
            {
                "rule": "isIP(self)",
                "message": "must be an IPv4 or IPv6 address, for example 203.0.113.7 or 2001:db8::1",
            },
            {
                "rule": "!isIP(self) || ip.isCanonical(self)",
                "message": "is not written in the usual way: lower case, without leading zeros, the longest row of zeros as ::",
            },
        ],
    })
}

/// The external name of a subnet, `<network id>-<ip range>`.
pub(crate) fn subnet_id(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 35,
        "pattern": r"^[1-9][0-9]*-[0-9.]+/[0-9]+$",
    })
}

/// IPv4 or IPv6 networks in CIDR notation, written canonically, as a rule of a firewall takes them.
pub(crate) fn ranges(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 100,
        "items": {
            "type": "string",
            "maxLength": 43,
            "x-kubernetes-validations": [
                {
                    "rule": "isCIDR(self)",
                    "message": "must be in CIDR notation, for example 10.0.0.0/8, 203.0.113.7/32 or ::/0",
                },
                {
                    "rule": "!isCIDR(self) || cidr(self) == cidr(self).masked()",
                    "message": "has bits set after the prefix: write the first address of the network, or /32 (IPv6: /128) for a single address",
                },
            ],
        },
    })
}

/// References to managed resources, as many as fit into a list of ids.
pub(crate) fn references(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 100,
        "items": generator.subschema_for::<crate::reference::Reference>(),
    })
}

fn rule(rule: String, message: &str) -> Rule {
    Rule::new(rule).message(message)
}

const WRITES: &str =
    "self.managementPolicies.exists(p, p == '*' || p == 'Create' || p == 'Update')";

/// On a spec: `field` of `forProvider` is needed to create or change the external resource.
pub(crate) fn required(field: &str) -> Rule {
    rule(
        format!("has(self.forProvider.{field}) || !{WRITES}"),
        &format!(
            "forProvider.{field} is required unless managementPolicies exclude Create and Update"
        ),
    )
}

/// On a spec: `field` of `forProvider` is needed, by value or by reference.
pub(crate) fn required_reference(field: &str) -> Rule {
    let given = format!(
        "has(self.forProvider.{field}) || has(self.forProvider.{field}Ref) || has(self.forProvider.{field}Selector)"
    );
    rule(
        format!("{given} || !{WRITES}"),
        &format!(
            "forProvider.{field}, {field}Ref or {field}Selector is required unless managementPolicies exclude Create and Update"
        ),
    )
}

/// On a spec: a network is needed, by value or by reference, itself or by one of its subnets.
pub(crate) fn required_network() -> Rule {
    let given = |field: &str| {
        format!(
            "has(self.forProvider.{field}) || has(self.forProvider.{field}Ref) || has(self.forProvider.{field}Selector)"
        )
    };
    rule(
        format!(
            "{} || {} || !{WRITES}",
            given("networkId"),
            given("subnetId")
        ),
        "forProvider.networkId or forProvider.subnetId, by value or by reference, is required unless managementPolicies exclude Create and Update",
    )
}

/// On a resource: its own name serves where `forProvider.name` is left out, so it must fit.
pub(crate) fn name_fits(limit: u32) -> Rule {
    rule(
        format!("has(self.spec.forProvider.name) || self.metadata.name.size() <= {limit}"),
        &format!(
            "metadata.name is longer than the {limit} characters of a name at Hetzner: set spec.forProvider.name"
        ),
    )
}

/// On a field that is part of the external name. It may still be filled in, for example from its reference.
pub(crate) fn fixed() -> Rule {
    Rule::new("self == oldSelf").message(
        "is part of what the resource is and cannot change: delete this resource and create another",
    )
}
