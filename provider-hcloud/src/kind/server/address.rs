//! The Primary IPs that a server is given and loses.
//!
//! What was made for a server has no other purpose, and would be paid for: it is deleted when the server does not need
//! it any more. What has a managed resource of its own is never deleted here.

use std::time::Duration;

use api::UID_LABEL;
use serde_json::json;

use super::mark::{MADE_FOR, Marks};
use crate::{
    hcloud::{
        Class, PrimaryIp, Priority, Resources, Server, labels::Labels,
        primary_ip::CreatePrimaryIpRequest,
    },
    kind::{Error, Project, error::later},
};

/// The Primary IPs of one server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addresses<'a> {
    project: &'a Project,
    /// The UID of the managed resource.
    owner: &'a str,
    server: &'a Server,
}

impl<'a> Addresses<'a> {
    pub(super) fn new(project: &'a Project, owner: &'a str, server: &'a Server) -> Self {
        Self {
            project,
            owner,
            server,
        }
    }

    fn ips(&self) -> Resources<'a, PrimaryIp> {
        self.project.client.primary_ips()
    }

    /// Gives an address to the server.
    pub(super) async fn assign(&self, ip: u64) -> Result<(), Error> {
        let server = self.server.id;
        let request = json!({"assignee_type": "server", "assignee_id": server});
        self.ips().run(ip, "assign", Some(&request)).await?;
        self.project.client.servers().doubt(server);
        Ok(())
    }

    /// Takes an address away from the server, if it has it.
    pub(super) async fn unassign(&self, id: u64) -> Result<(), Error> {
        let ip = self.ips().read(id, Priority::Update).await?;
        if ip.is_some_and(|ip| ip.assignee_id == Some(self.server.id)) {
            self.ips().run::<()>(id, "unassign", None).await?;
            self.project.client.servers().doubt(self.server.id);
        }
        Ok(())
    }

    /// Deletes an address that came with the server. Hetzner makes those without labels.
    pub(super) async fn delete(&self, id: u64) -> Result<(), Error> {
        let ip = self.ips().read(id, Priority::Update).await?;
        let came_along = |ip: &PrimaryIp| {
            let made_for = ip.labels.get(MADE_FOR);
            is_free(ip)
                && ip.auto_delete == Some(true)
                && made_for.is_none_or(|uid| uid == self.owner)
        };
        if ip.is_some_and(|ip| came_along(&ip)) {
            self.ips().delete(id).await?;
        }
        Ok(())
    }

    /// Makes an address, `ipv4` or `ipv6`, that goes with the server. It is made first and assigned then, so that what
    /// an earlier try has made is found by its name.
    ///
    /// # Errors
    /// When the name belongs to an address that was not made for this server.
    pub(super) async fn make(&self, family: &'static str) -> Result<(), Error> {
        let name = format!("{}-{family}", self.server.name);
        let request = CreatePrimaryIpRequest {
            name: name.clone(),
            labels: Labels::from([(MADE_FOR.to_owned(), self.owner.to_owned())]),
            kind: family,
            location: self.server.location_name().to_owned(),
            assignee_type: "server",
            auto_delete: true,
        };
        let ip = match self.ips().create(&request).await {
            Err(error) if error.class() == Class::Uniqueness => {
                let found = self.ips().by_name(&name, Duration::ZERO).await?.pop();
                let found = found.ok_or(error)?;
                if !self.is_unused(&found, family) {
                    return Err(later(format!(
                        "spec.forProvider.publicNet.{family}Enabled: the name of a new address, {name}, is taken by Primary IP {}, which is not a free one that was made for this server: rename it, or write its id to publicNet.{family}Id",
                        found.id
                    )));
                }
                found
            }
            made => made?,
        };
        self.assign(ip.id).await
    }

    /// Deletes what [`Addresses::make`] has made and not assigned.
    pub(super) async fn delete_unused(&self, family: &str) -> Result<(), Error> {
        let made = self.ips().search(MADE_FOR, self.owner).await?;
        for ip in made.iter().filter(|ip| self.is_unused(ip, family)) {
            self.ips().delete(ip.id).await?;
        }
        Ok(())
    }

    /// Whether it was made for this server and is assigned to nothing.
    fn is_unused(&self, ip: &PrimaryIp, family: &str) -> bool {
        let made_for = ip.labels.get(MADE_FOR).map(String::as_str);
        is_free(ip) && made_for == Some(self.owner) && ip.kind == family
    }
}

/// Whether an address is assigned to nothing and has no managed resource of its own.
fn is_free(ip: &PrimaryIp) -> bool {
    ip.assignee_id.is_none() && !ip.labels.contains_key(UID_LABEL)
}

/// Deletes what a change of the server's addresses has left behind, before the server goes. `owner` is the UID of its
/// managed resource.
pub(super) async fn delete_left(
    project: &Project,
    owner: &str,
    server: &Server,
) -> Result<(), Error> {
    let addresses = Addresses::new(project, owner, server);
    let marks = Marks::of(&server.labels);
    for (marks, family) in [(marks.ipv4, "ipv4"), (marks.ipv6, "ipv6")] {
        if let Some(released) = marks.released {
            addresses.delete(released).await?;
        }
        if marks.new {
            addresses.delete_unused(family).await?;
        }
    }
    Ok(())
}
