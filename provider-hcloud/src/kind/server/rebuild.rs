//! Overwriting the disk of a server with an image: another one, or the same with other user data.
//!
//! ```text
//! mark (id of the last rebuild) ─> rebuild ─> wait ─> remove the mark
//! ```
//!
//! The mark and the list of the server's actions tell, also to another process, whether the disk was overwritten since
//! it was approved: that is never done twice.

use api::Server;

use super::{
    drift::Ending,
    image,
    mark::{REBUILD, Rebuild},
    wish::{Wish, user_data},
};
use crate::{
    hcloud::{self, Class, action::Action, server::RebuildRequest},
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
    marked: Option<&Rebuild>,
) -> Result<Connection, Error> {
    let servers = project.client.servers();
    let Some(marked) = marked else {
        let last = last(&servers.latest_actions(server.id).await?).map(|action| action.id);
        let mark = Rebuild::new(last.unwrap_or_default(), &wish.disk_digest());
        let mut labels = server.labels.clone();
        labels.insert(REBUILD.to_owned(), mark.to_string());
        servers.set_labels(server.id, &labels).await?;
        return Ok(Connection::new());
    };
    // What is done about another spec, or after the rebuild, is no loss of data, and is left to the update.
    let due = marked.is_of(&wish.disk_digest());
    if !due || ending(project, server.id, marked).await?.is_some() {
        return Ok(Connection::new());
    }
    let architecture = &server.server_type.architecture;
    let image = match (&wish.image, &server.image) {
        (Some(choice), _) => image::choose(project, choice, architecture).await?,
        (None, Some(image)) => image.id.to_string(),
        (None, None) => return Err(Error::Required("image")),
    };
    let user_data = user_data(desired)?;
    let request = RebuildRequest { image, user_data };
    let password = match servers.rebuild(server.id, &request).await {
        Ok(password) => password,
        Err(error) if error.class() == Class::Invalid => {
            if let Some(choice) = &wish.image {
                image::explain(project, choice, architecture).await?;
            }
            return Err(refusal(error));
        }
        Err(error) => return Err(error.into()),
    };
    let password = password.map(|text| SecretValue::new(text.expose().as_bytes().to_vec()));
    Ok(password
        .into_iter()
        .map(|password| ("rootPassword", password))
        .collect())
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
    let actions = project.client.servers().latest_actions(server).await?;
    let rebuild = last(&actions).filter(|action| action.id > marked.after);
    Ok(rebuild.map(|action| match action.outcome() {
        None => Ending::Running,
        Some(Ok(())) => Ending::Done,
        Some(Err(error)) => Ending::Failed(error.to_string()),
    }))
}

/// The last rebuild among actions of which the latest come first.
fn last(actions: &[Action]) -> Option<&Action> {
    actions.iter().find(|action| action.command == COMMAND)
}
