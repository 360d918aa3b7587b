//! Creating a server: the first candidate that can be had.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use api::{Server, ServerImageChoice};
use jiff::Timestamp;

use super::{
    drift::SOLD_OUT,
    image,
    mark::{IMAGE_SELECTOR, PENDING, SETUP, SSH_KEYS, USER_DATA, WITHOUT},
    placement::{self, Candidate, Preference, candidates},
    wish::{Wish, user_data},
};
use crate::{
    hcloud::{
        self, Class, ServerType,
        labels::Labels,
        server::{CreateServerFirewall, CreateServerPublicNet, CreateServerRequest, Made, Secret},
    },
    kind::{Error, Project, error::refusal, location},
    managed::{Created, Desired, Retry, credentials::SecretValue},
};

/// How old a list of server types may be: it tells what can be ordered now.
pub(super) const TYPES_AGE: Duration = Duration::from_secs(180);

/// The order for a server, but for what the candidates differ in.
struct Order<'a> {
    project: &'a Project,
    wish: &'a Wish,
    name: String,
    labels: Labels,
    user_data: Option<Secret>,
    /// The images that were chosen, by architecture.
    images: BTreeMap<String, String>,
}

/// Creates the server. A refusal for lack of capacity proves that nothing was made, so the next candidate follows at
/// once. When none can be had, the next try is some minutes away.
///
/// # Errors
/// When the spec cannot be fulfilled, no candidate can be had, or the outcome is unknown.
pub(super) async fn create(
    project: &Project,
    desired: &Desired<Server>,
    name: String,
    mut labels: Labels,
) -> Result<Created, Error> {
    let user_data = user_data(desired)?;
    let wish = Wish::read(desired)?;
    let image = wish.image.as_ref().ok_or(Error::Required("image"))?;
    wish.check_rescue()?;
    let known = server_types(project, &wish).await?;
    let preference = Preference {
        server_types: &wish.server_types,
        locations: &wish.locations,
        failed: failed_before(desired),
        turn: turn(project.clock.now()),
    };
    let candidates = candidates(preference, &known)?;
    labels.insert(SETUP.to_owned(), PENDING.to_owned());
    let digests = [
        (USER_DATA, wish.user_data.clone()),
        (SSH_KEYS, wish.ssh_keys_digest()),
        (IMAGE_SELECTOR, wish.image_selector_digest()),
    ];
    for (key, digest) in digests {
        let digest = digest.unwrap_or_else(|| WITHOUT.to_owned());
        labels.insert(key.to_owned(), digest);
    }
    let mut order = Order {
        project,
        wish: &wish,
        name,
        labels,
        user_data,
        images: BTreeMap::new(),
    };
    let mut tried = Vec::new();
    for candidate in &candidates {
        match order.place(image, candidate).await {
            Ok(made) => return Ok(created(made)),
            Err(Error::Api(error)) if is_elsewhere_possible(&error) => {
                tried.push(format!("{}: {error}", named(candidate)));
            }
            Err(error) => return Err(error),
        }
    }
    let mut message = format!(
        "no server can be had at the moment; tried {}",
        tried.join("; ")
    );
    if let Some(unknown) = placement::unknown(&wish.server_types, &known) {
        message.push_str(&format!("; {unknown}"));
    }
    let minutes = SOLD_OUT.as_secs() / 60;
    message.push_str(&format!(
        ": it is tried again every {minutes} minutes, and when the spec changes"
    ));
    Err(Error::Later {
        message,
        retry: Retry::After(SOLD_OUT),
    })
}

/// Counts the tries of a server that waits, without a record of them.
fn turn(now: Timestamp) -> usize {
    let turn = now.as_second().unsigned_abs() / SOLD_OUT.as_secs();
    usize::try_from(turn).unwrap_or_default()
}

/// The server types, with every name in the spec checked: types by the list, locations by theirs.
async fn server_types(project: &Project, wish: &Wish) -> Result<Vec<Arc<ServerType>>, Error> {
    if wish.server_types.is_empty() {
        return Err(Error::Required("serverTypes"));
    }
    let known = project.client.server_types().all(TYPES_AGE).await?;
    for (index, name) in wish.locations.iter().enumerate() {
        let sold = known
            .iter()
            .any(|server_type| server_type.offer(name).is_some());
        if !sold {
            let field = if wish.locations.len() == 1 {
                "location".to_owned()
            } else {
                format!("locations[{index}]")
            };
            location::named(project, &field, name).await?;
        }
    }
    Ok(known)
}

/// Type and location of the last server, when its creation failed.
fn failed_before(desired: &Server) -> Option<(&str, &str)> {
    let last = desired.status.as_ref()?.at_provider.as_ref()?;
    let unfinished = last.labels.contains_key(SETUP) && last.failed_creations > 0;
    unfinished.then_some((last.server_type.as_str(), last.location.as_str()))
}

/// Whether another candidate may work: this one has no capacity, or an address of the spec is elsewhere.
fn is_elsewhere_possible(error: &hcloud::Error) -> bool {
    let misplaced = error.code() == Some("primary_ip_datacenter_mismatch");
    misplaced || error.class() == Class::Capacity
}

fn named(candidate: &Candidate) -> String {
    let server_type = &candidate.server_type.name;
    match &candidate.location {
        Some(location) => format!("{server_type} in {location}"),
        None => server_type.clone(),
    }
}

fn created(made: Made) -> Created {
    let mut created = Created::named(made.server.id);
    if let Some(password) = made.root_password {
        let password = SecretValue::new(password.expose().as_bytes().to_vec());
        created.connection.insert("rootPassword", password);
    }
    created
}

impl Order<'_> {
    async fn place(
        &mut self,
        image: &ServerImageChoice,
        candidate: &Candidate,
    ) -> Result<Made, Error> {
        let architecture = &candidate.server_type.architecture;
        let request = CreateServerRequest {
            name: self.name.clone(),
            labels: self.labels.clone(),
            server_type: candidate.server_type.name.clone(),
            image: self.image(image, architecture).await?,
            location: candidate.location.clone(),
            start_after_create: self.wish.starts_at_once(),
            ssh_keys: self.wish.ssh_keys.clone(),
            user_data: self.user_data.clone(),
            networks: self.wish.plain_networks().collect(),
            firewalls: self.firewalls(),
            placement_group: self.wish.placement_group,
            public_net: Some(CreateServerPublicNet {
                enable_ipv4: self.wish.ipv4.at_create(),
                enable_ipv6: self.wish.ipv6.at_create(),
                ipv4: self.wish.ipv4.primary(),
                ipv6: self.wish.ipv6.primary(),
            }),
        };
        match self.project.client.servers().make(&request).await {
            Ok(made) => Ok(made),
            Err(error) if error.class() == Class::Invalid => match refusal(error) {
                Error::Api(error) => {
                    image::explain(self.project, image, architecture).await?;
                    Err(error.into())
                }
                passing => Err(passing),
            },
            Err(error) => Err(error.into()),
        }
    }

    fn firewalls(&self) -> Vec<CreateServerFirewall> {
        let firewalls = self.wish.firewalls.iter().flatten().copied();
        firewalls
            .map(|firewall| CreateServerFirewall { firewall })
            .collect()
    }

    /// The image, chosen once for each architecture.
    async fn image(
        &mut self,
        image: &ServerImageChoice,
        architecture: &str,
    ) -> Result<String, Error> {
        if let Some(chosen) = self.images.get(architecture) {
            return Ok(chosen.clone());
        }
        let chosen = image::choose(self.project, image, architecture).await?;
        self.images.insert(architecture.to_owned(), chosen.clone());
        Ok(chosen)
    }
}
