//! Overwriting the disk of a server with an image: another one, or the same with other user data.
//!
//! ```text
//! mark (id of the last action) ─> rebuild ─> wait ─> remove the mark
//! ```
//!
//! The mark and the list of the server's actions tell, also to another process, whether the disk was overwritten since
//! it was approved: that is never done twice.

use api::Server;

use super::{
    drift::Ending,
    image,
    mark::Rebuild,
    wish::{Wish, user_data},
};
use crate::{
    hcloud::{self, Class, server::RebuildRequest},
    kind::{Error, Project, error::refusal},
    managed::{Connection, Desired, credentials::SecretValue},
};

/// The API's name for a rebuild.
const COMMAND: &str = "rebuild_server";

/// Marks the server, or rebuilds one that is marked.
///
/// # Errors
/// When the image cannot be had, or the API refuses.
pub(super) async fn rebuild(
    project: &Project,
    desired: &Desired<Server>,
    wish: &Wish,
    server: &hcloud::Server,
    marked: Option<Rebuild>,
) -> Result<Connection, Error> {
    let (servers, now) = (project.client.servers(), project.clock.now());
    // Also before it begins: what cannot be put together leaves no mark.
    let request = request(project, desired, wish, server).await?;
    let Some(marked) = marked else {
        let latest = servers.latest_actions(server.id, 1).await?;
        let after = latest.first().map(|action| action.id).unwrap_or_default();
        mark(project, server, &Rebuild::new(after, wish)).await?;
        return Ok(Connection::new());
    };
    // What is done about another spec, or after the rebuild, is no loss of data, and is left to the update.
    if !marked.is_of(wish) || ending(project, server.id, &marked).await?.is_some() {
        return Ok(Connection::new());
    }
    if marked.may_still_begin(now) {
        let message = format!(
            "whether server {} is being rebuilt shows in a moment",
            server.id
        );
        return Err(Error::Waiting(message));
    }
    mark(project, server, &marked.asked(now)).await?;
    let password = match servers.rebuild(server.id, &request).await {
        Ok(password) => password,
        Err(error) if error.class() == Class::Invalid => {
            if let Some(choice) = &wish.image {
                image::explain(project, choice, &server.server_type.architecture).await?;
            }
            return Err(refusal(error));
        }
        Err(error) => return Err(error.into()),
    };
    let password = password.map(|text| SecretValue::new(text.expose().as_bytes().to_vec()));
    let password = password.map(|password| ("rootPassword", password));
    Ok(password.into_iter().collect())
}

async fn request(
    project: &Project,
    desired: &Desired<Server>,
    wish: &Wish,
    server: &hcloud::Server,
) -> Result<RebuildRequest, Error> {
    let architecture = &server.server_type.architecture;
    let image = match (&wish.image, &server.image) {
        (Some(choice), _) => image::choose(project, choice, architecture).await?,
        (None, Some(image)) => image.id.to_string(),
        (None, None) => return Err(Error::Required("image")),
    };
    let user_data = user_data(desired)?;
    Ok(RebuildRequest { image, user_data })
}

async fn mark(project: &Project, server: &hcloud::Server, rebuild: &Rebuild) -> Result<(), Error> {
    let mut labels = server.labels.clone();
    for (key, value) in rebuild.marks() {
        labels.extend(value.map(|value| (key.to_owned(), value)));
    }
    let servers = project.client.servers();
    servers.set_labels(server.id, &labels).await?;
    Ok(())
}

/// What has become of the rebuild that the mark is for, once it has begun.
///
/// # Errors
/// When the actions of the server cannot be read.
pub(super) async fn ending(
    project: &Project,
    server: u64,
    marked: &Rebuild,
) -> Result<Option<Ending>, Error> {
    let servers = project.client.servers();
    for page in 1.. {
        let actions = servers.latest_actions(server, page).await?;
        let mut later = actions.iter().filter(|action| action.id > marked.after);
        if let Some(action) = later.find(|action| action.command == COMMAND) {
            return Ok(Some(match action.outcome() {
                None => Ending::Running,
                Some(Ok(())) => Ending::Done,
                Some(Err(error)) => Ending::Failed(error.to_string()),
            }));
        }
        let last = actions.last();
        if last.is_none_or(|action| action.id <= marked.after) {
            break;
        }
    }
    Ok(None)
}
