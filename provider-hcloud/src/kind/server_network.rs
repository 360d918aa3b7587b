//! ServerNetwork: the attachment of a server to a network, a part of the server.

use api::{ServerNetwork, ServerNetworkObservation};
use serde_json::json;

use super::{
    Error, Project,
    error::refusal,
    part::{InNetwork, PartKind, PresentOf},
    report_id, required_id,
    server::{Attachment, Fields, list},
};
use crate::{
    hcloud,
    managed::{Desired, Present, credentials::SecretValue},
};

/// The kind ServerNetwork.
#[derive(Debug)]
pub enum ServerNetworks {}

impl PartKind for ServerNetworks {
    type Resource = ServerNetwork;
    type Parent = hcloud::Server;
    type Key = InNetwork;

    const FORM: &'static str = "<server id>-<network id>";

    fn parse(external_name: &str) -> Option<InNetwork> {
        InNetwork::parse(external_name)
    }

    fn key(resource: &ServerNetwork) -> Result<InNetwork, Error> {
        let server = resource.spec.for_provider.server_id.as_deref();
        Ok(InNetwork {
            parent: required_id("serverId", server)?,
            network: attachment(resource)?.network,
        })
    }

    fn parent(key: &InNetwork) -> u64 {
        key.parent
    }

    async fn present(
        _: &Project,
        desired: &Desired<ServerNetwork>,
        key: &InNetwork,
        server: &hcloud::Server,
    ) -> Result<Option<PresentOf<Self>>, Error> {
        let Some(observed) = server.attachment(key.network) else {
            return Ok(None);
        };
        let mut alias_ips = observed.alias_ips.clone();
        alias_ips.sort_unstable();
        let report = ServerNetworkObservation {
            server_id: report_id(key.parent),
            network_id: report_id(key.network),
            ip: observed.ip.clone(),
            alias_ips,
            mac_address: observed.mac_address.clone(),
        };
        let mut present = Present::new(key.to_string(), report);
        if desired.metadata.deletion_timestamp.is_some() {
            return Ok(Some(present));
        }
        let wanted = attachment(desired)?;
        let drift = &mut present.drift;
        if let Some(misplaced) = wanted.misplaced(observed) {
            let wanted = misplaced.desired.as_str();
            drift.check_fixed(misplaced.field, Some(wanted), observed.ip.as_str());
        }
        if let Some(aliases) = wanted.other_aliases(observed) {
            let found = list(&observed.alias_ips);
            drift.check("aliasIps", Some(&list(aliases)), &found);
        }
        if wanted.ip.is_none() {
            present.late_init = Some(json!({"ip": observed.ip}));
        }
        let ip = SecretValue::new(observed.ip.clone().into_bytes());
        present.connection.insert("privateIPv4", ip);
        Ok(Some(present))
    }

    /// The API refuses while another change of the server or the network goes on; then the call is repeated.
    async fn create(
        project: &Project,
        desired: &Desired<ServerNetwork>,
        key: &InNetwork,
    ) -> Result<(), Error> {
        let servers = project.client.servers();
        let request = attachment(desired)?.request();
        match servers.attach(key.parent, &request).await {
            // By an earlier create whose answer was lost, or by somebody else: one attachment is as good as another.
            Err(error) if error.code() == Some("server_already_attached") => {
                servers.doubt(key.parent);
                Ok(())
            }
            attached => attached.map_err(refusal),
        }
    }

    async fn update(
        project: &Project,
        desired: &Desired<ServerNetwork>,
        key: &InNetwork,
        present: &PresentOf<Self>,
    ) -> Result<(), Error> {
        if !present.drift.touches("aliasIps") {
            return Ok(());
        }
        let aliases: Vec<_> = attachment(desired)?
            .alias_ips
            .into_iter()
            .flatten()
            .collect();
        let servers = project.client.servers();
        let changed = servers.change_alias_ips(key.parent, key.network, &aliases);
        changed.await.map_err(refusal)
    }

    async fn delete(
        project: &Project,
        _: &Desired<ServerNetwork>,
        key: &InNetwork,
    ) -> Result<(), Error> {
        Ok(project
            .client
            .servers()
            .detach(key.parent, key.network)
            .await?)
    }
}

fn attachment(resource: &ServerNetwork) -> Result<Attachment, Error> {
    let spec = &resource.spec.for_provider;
    let fields = Fields {
        path: "",
        network_id: spec.network_id.as_deref(),
        subnet_id: spec.subnet_id.as_deref(),
        ip_range: spec.ip_range.as_deref(),
        ip: spec.ip.as_deref(),
        alias_ips: spec.alias_ips.as_deref(),
    };
    fields.read()
}

#[cfg(test)]
mod tests;
