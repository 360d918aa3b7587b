//! The spec of a server, read: ids are numbers, addresses are addresses, and what excludes each other is one choice.

use std::{collections::BTreeSet, time::Duration};

use api::{PowerState, Server, ServerImageChoice, ServerParameters, ServerRescue};

use super::{
    attachment::{Attachment, Fields},
    mark::digest,
};
use crate::{
    hcloud::server::{IdOrName, Secret},
    kind::{Error, parse_id},
    managed::{Desired, desired::SecretError},
};

/// Field of the Secret with the user data.
const USER_DATA_FIELD: &str = "userDataSecretRef";
/// Most bytes of user data that the API takes.
const USER_DATA_LIMIT: usize = 32 * 1024;
/// How long a shutdown may take when the spec does not say.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(60);

/// What the spec asks for. `None` is not managed.
#[derive(Clone, Debug, Default)]
pub(super) struct Wish {
    /// Names of server types in order of preference.
    pub(super) server_types: Vec<String>,
    /// Names of locations in order of preference.
    pub(super) locations: Vec<String>,
    pub(super) image: Option<ServerImageChoice>,
    pub(super) ssh_keys: Vec<IdOrName>,
    /// Digest of the user data, when it can be had.
    pub(super) user_data: Option<String>,
    pub(super) networks: Option<Vec<Attachment>>,
    pub(super) firewalls: Option<BTreeSet<u64>>,
    pub(super) placement_group: Option<u64>,
    pub(super) ipv4: Address,
    pub(super) ipv6: Address,
    pub(super) power: Option<PowerState>,
    pub(super) keep_disk: bool,
    pub(super) backups: Option<bool>,
    /// Name or id; empty for an empty drive.
    pub(super) iso: Option<String>,
    pub(super) rescue: Option<ServerRescue>,
    pub(super) shutdown_timeout: Duration,
}

/// A public address that is asked for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Address {
    /// Not managed.
    #[default]
    Unmanaged,
    /// None.
    Absent,
    /// Any.
    Any,
    /// The Primary IP with this id.
    Primary(u64),
}

impl Address {
    fn read(field: &str, enabled: Option<bool>, id_text: Option<&str>) -> Result<Self, Error> {
        match (enabled, id_text) {
            (Some(false), _) => Ok(Self::Absent),
            (_, Some(text)) => Ok(Self::Primary(id(field, text)?)),
            (Some(true), None) => Ok(Self::Any),
            (None, None) => Ok(Self::Unmanaged),
        }
    }

    /// Whether a new server has one.
    pub(super) fn at_create(self) -> bool {
        self != Self::Absent
    }

    /// The Primary IP.
    pub(super) fn primary(self) -> Option<u64> {
        match self {
            Self::Primary(id) => Some(id),
            Self::Unmanaged | Self::Absent | Self::Any => None,
        }
    }
}

/// An id that the spec gives at `field`.
pub(super) fn id(field: impl Into<String>, text: &str) -> Result<u64, Error> {
    parse_id(text).ok_or_else(|| {
        Error::field(
            field,
            format!("{text:?} is not an id: ids are positive numbers"),
        )
    })
}

impl Wish {
    /// Reads the spec.
    ///
    /// # Errors
    /// The first field that cannot be read.
    pub(super) fn read(desired: &Desired<Server>) -> Result<Self, Error> {
        // Exhaustive, so that a new field is read or the compiler asks why not.
        let ServerParameters {
            name: _,
            labels: _,
            server_type,
            server_types,
            location,
            locations,
            image,
            ssh_keys,
            ssh_key_ids,
            ssh_key_id_refs: _,
            ssh_key_id_selector: _,
            user_data_secret_ref: _,
            public_net,
            networks,
            firewall_ids,
            firewall_id_refs: _,
            firewall_id_selector: _,
            placement_group_id,
            placement_group_id_ref: _,
            placement_group_id_selector: _,
            power_state,
            keep_disk,
            backups,
            iso,
            rescue,
            delete_protection: _,
            rebuild_protection: _,
            shutdown_timeout: _,
            shutdown_before_deletion: _,
        } = &desired.spec.for_provider;
        let public = public_net.clone().unwrap_or_default();
        let keys = ssh_keys.iter().map(|text| Ok(id_or_name(text)));
        let key_ids = ssh_key_ids.iter().flatten().enumerate();
        let key_ids =
            key_ids.map(|(index, text)| id(format!("sshKeyIds[{index}]"), text).map(IdOrName::Id));
        let networks = networks.as_ref().map(|networks| {
            let networks = networks.iter().enumerate().map(|(index, network)| {
                let fields = Fields {
                    path: &format!("networks[{index}]."),
                    network_id: network.network_id.as_deref(),
                    subnet_id: network.subnet_id.as_deref(),
                    ip_range: network.ip_range.as_deref(),
                    ip: network.ip.as_deref(),
                    alias_ips: network.alias_ips.as_deref(),
                };
                fields.read()
            });
            networks.collect::<Result<Vec<_>, _>>()
        });
        let networks = networks.transpose()?;
        check_networks(networks.as_deref().unwrap_or_default())?;
        let firewalls = firewall_ids.as_ref().map(|ids| {
            let ids = ids.iter().enumerate();
            let ids = ids.map(|(index, text)| id(format!("firewallIds[{index}]"), text));
            ids.collect::<Result<BTreeSet<_>, _>>()
        });
        let group = placement_group_id.as_deref();
        Ok(Self {
            server_types: server_type
                .iter()
                .chain(server_types.iter().flatten())
                .cloned()
                .collect(),
            locations: location
                .iter()
                .chain(locations.iter().flatten())
                .cloned()
                .collect(),
            image: image.clone(),
            ssh_keys: keys.chain(key_ids).collect::<Result<_, Error>>()?,
            // A Secret that cannot be had says nothing about a server that exists.
            user_data: user_data(desired)
                .ok()
                .flatten()
                .map(|text| digest(text.expose().as_bytes())),
            networks,
            firewalls: firewalls.transpose()?,
            placement_group: group.map(|text| id("placementGroupId", text)).transpose()?,
            ipv4: Address::read(
                "publicNet.ipv4Id",
                public.ipv4_enabled,
                public.ipv4_id.as_deref(),
            )?,
            ipv6: Address::read(
                "publicNet.ipv6Id",
                public.ipv6_enabled,
                public.ipv6_id.as_deref(),
            )?,
            power: *power_state,
            keep_disk: keep_disk.unwrap_or_default(),
            backups: *backups,
            iso: iso.clone(),
            rescue: rescue.clone(),
            shutdown_timeout: shutdown_timeout(&desired.spec.for_provider),
        })
    }

    /// Whether the server is to have no public address at all.
    pub(super) fn is_private(&self) -> bool {
        !self.ipv4.at_create() && !self.ipv6.at_create()
    }

    /// Whether the server is to stay off.
    pub(super) fn is_off(&self) -> bool {
        self.power == Some(PowerState::Stopped)
    }

    /// The networks that a create asks for.
    pub(super) fn plain_networks(&self) -> impl Iterator<Item = u64> {
        let networks = self.networks.iter().flatten();
        networks
            .filter(|network| network.is_plain())
            .map(|network| network.network)
    }

    /// Whether a new server is started at once. It is not when something has to be done before its first start.
    pub(super) fn starts_at_once(&self) -> bool {
        let iso = self.iso.as_deref().is_some_and(|iso| !iso.is_empty());
        let placed = self
            .networks
            .iter()
            .flatten()
            .any(|network| !network.is_plain());
        !(self.is_off() || self.is_private() || iso || placed || self.rescue.is_some())
    }

    /// What stands for the SSH keys in a label; `None` when the spec names none.
    pub(super) fn ssh_keys_digest(&self) -> Option<String> {
        let keys = self.ssh_keys.iter().map(|key| match key {
            IdOrName::Id(id) => id.to_string(),
            IdOrName::Name(name) => name.clone(),
        });
        let keys: BTreeSet<String> = keys.collect();
        let keys: Vec<String> = keys.into_iter().collect();
        (!keys.is_empty()).then(|| digest(keys.join("\n").as_bytes()))
    }

    /// The label selector that chooses the image.
    pub(super) fn image_selector(&self) -> Option<&str> {
        let image = self.image.as_ref()?;
        let selector = image.label_selector.as_deref();
        selector.filter(|_| image.name.is_none() && image.id.is_none())
    }

    /// What stands for the choice of the image in a label; `None` when no selector makes it.
    pub(super) fn image_selector_digest(&self) -> Option<String> {
        Some(digest(self.image_selector()?.as_bytes()))
    }

    /// The choice of the image as one text.
    pub(super) fn image_words(&self) -> String {
        let image = self.image.as_ref();
        let of = |field: fn(&ServerImageChoice) -> Option<&String>| {
            image.and_then(field).map_or("", String::as_str)
        };
        let words = [
            of(|image| image.name.as_ref()),
            of(|image| image.id.as_ref()),
            of(|image| image.label_selector.as_ref()),
        ];
        words.join("\n")
    }

    /// The field that names the SSH keys for the rescue system, and the keys: its own, or those of the server.
    pub(super) fn rescue_keys(&self) -> (&'static str, Vec<IdOrName>) {
        let own = self.rescue.iter().flat_map(|rescue| &rescue.ssh_keys);
        let own: Vec<_> = own.map(|text| id_or_name(text)).collect();
        if own.is_empty() {
            ("sshKeys", self.ssh_keys.clone())
        } else {
            ("rescue.sshKeys", own)
        }
    }

    /// That somebody can get into the rescue system.
    ///
    /// # Errors
    /// When there is no SSH key for it: the password that Hetzner makes is told once, and kept nowhere.
    pub(super) fn check_rescue(&self) -> Result<(), Error> {
        if self.rescue.is_some() && self.rescue_keys().1.is_empty() {
            return Err(Error::field(
                "rescue.sshKeys",
                "without an SSH key nobody can get into the rescue system: name one here, or in sshKeys",
            ));
        }
        Ok(())
    }

    /// What stands for the rescue system in a label.
    pub(super) fn rescue_digest(&self) -> Option<String> {
        let ServerRescue { type_, ssh_keys } = self.rescue.as_ref()?;
        let mut words = vec![type_.as_deref().unwrap_or(RESCUE_TYPE)];
        words.extend(ssh_keys.iter().map(String::as_str));
        Some(digest(words.join("\n").as_bytes()))
    }
}

/// A server is attached to a network once, with one address and further ones.
fn check_networks(networks: &[Attachment]) -> Result<(), Error> {
    for (index, Attachment { network, .. }) in networks.iter().enumerate() {
        let mut earlier = networks.iter().take(index);
        let Some(first) = earlier.position(|other| other.network == *network) else {
            continue;
        };
        let problem = format!(
            "networks[{first}] names network {network} as well, and a server is attached to a network once: keep one of the two; further addresses go into its aliasIps"
        );
        return Err(Error::field(format!("networks[{index}]"), problem));
    }
    Ok(())
}

/// How long a shutdown may take.
pub(super) fn shutdown_timeout(spec: &ServerParameters) -> Duration {
    let seconds = spec.shutdown_timeout;
    let seconds = seconds.map(|seconds| u64::try_from(seconds).unwrap_or_default());
    seconds.map_or(SHUTDOWN_TIMEOUT, Duration::from_secs)
}

/// The rescue system when the spec does not say.
pub(super) const RESCUE_TYPE: &str = "linux64";

/// Names of digits only are taken for ids.
pub(super) fn id_or_name(text: &str) -> IdOrName {
    parse_id(text).map_or_else(|| IdOrName::Name(text.to_owned()), IdOrName::Id)
}

/// The user data that the spec names.
///
/// # Errors
/// When the Secret cannot be had, or holds what the API would refuse.
pub(super) fn user_data(desired: &Desired<Server>) -> Result<Option<Secret>, Error> {
    let value = match desired.secret(USER_DATA_FIELD) {
        Ok(value) => value,
        Err(SecretError::NotNamed(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let bytes = value.expose();
    if bytes.len() > USER_DATA_LIMIT {
        let problem = format!(
            "the user data has {} bytes, and Hetzner takes {USER_DATA_LIMIT} at most: let it load the rest from elsewhere",
            bytes.len()
        );
        return Err(Error::field(USER_DATA_FIELD, problem));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| {
        Error::field(
            USER_DATA_FIELD,
            "the user data is not text: encode it as cloud-init allows",
        )
    })?;
    Ok(Some(Secret::new(text.to_owned())))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::kind::simulated::resource;

    fn read(spec: &Value) -> Result<Wish, String> {
        Wish::read(&resource::<Server>(spec).into()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_network_that_is_named_twice_is_refused_with_both_fields() {
        let networks = json!([
            {"networkId": "8"},
            {"networkId": "7", "ip": "10.0.1.5"},
            {"subnetId": "7-10.0.2.0/24"},
        ]);
        assert_eq!(
            read(&json!({"networks": networks})).unwrap_err(),
            "spec.forProvider.networks[2]: networks[1] names network 7 as well, and a server is attached to a network once: keep one of the two; further addresses go into its aliasIps"
        );
        let wish = read(&json!({"networks": [{"networkId": "7"}, {"networkId": "8"}]})).unwrap();
        assert_eq!(wish.plain_networks().collect::<Vec<_>>(), [7, 8]);
    }

    #[test]
    fn the_rescue_system_lets_in_whoever_has_a_key_of_its_own_or_of_the_server() {
        let keys = |spec: &Value| read(spec).unwrap().rescue_keys();
        let name = |name: &str| IdOrName::Name(name.to_owned());
        let both = json!({"sshKeys": ["a"], "sshKeyIds": ["7"], "rescue": {"sshKeys": ["b"]}});
        assert_eq!(keys(&both), ("rescue.sshKeys", vec![name("b")]));
        let of_server = json!({"sshKeys": ["a"], "sshKeyIds": ["7"], "rescue": {}});
        assert_eq!(
            keys(&of_server),
            ("sshKeys", vec![name("a"), IdOrName::Id(7)])
        );
        assert!(read(&of_server).unwrap().check_rescue().is_ok());
        let none = read(&json!({"rescue": {}})).unwrap();
        let error = none.check_rescue().unwrap_err().to_string();
        assert!(
            error.contains("rescue.sshKeys: without an SSH key"),
            "{error}"
        );
        assert!(read(&json!({})).unwrap().check_rescue().is_ok());
    }
}
