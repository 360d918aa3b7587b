//! The image that a disk begins with: which one the spec stands for, and why the API refuses it.

use std::time::Duration;

use api::ServerImageChoice;

use crate::kind::{Error, Project, near};

/// How old a list of images may be that only serves to explain a refusal.
const IMAGES_AGE: Duration = Duration::from_secs(600);

/// The image as the API is asked for it. Names stand for one image of each architecture, and the API knows which.
///
/// # Errors
/// When no snapshot matches the label selector.
pub(super) async fn choose(
    project: &Project,
    choice: &ServerImageChoice,
    architecture: &str,
) -> Result<String, Error> {
    let ServerImageChoice {
        name,
        id,
        label_selector,
    } = choice;
    if let Some(given) = name.as_ref().or(id.as_ref()) {
        return Ok(given.clone());
    }
    let selector = label_selector.as_deref().ok_or(Error::Required("image"))?;
    let images = project.client.images();
    let snapshot = images.newest_snapshot(selector, architecture).await?;
    let snapshot = snapshot.ok_or_else(|| {
        let problem = format!("no available snapshot for {architecture} matches {selector:?}");
        Error::field("image.labelSelector", problem)
    })?;
    Ok(snapshot.id.to_string())
}

/// After a refusal that may be due to the image.
///
/// # Errors
/// When it is, with what is wrong with the image.
pub(super) async fn explain(
    project: &Project,
    choice: &ServerImageChoice,
    architecture: &str,
) -> Result<(), Error> {
    let all = project.client.images().all(IMAGES_AGE).await?;
    let fitting = || {
        all.iter()
            .filter(|image| image.architecture == architecture)
    };
    if let Some(name) = &choice.name
        && !fitting().any(|image| image.name == *name)
    {
        let names = fitting()
            .map(|image| image.name.as_str())
            .filter(|name| !name.is_empty());
        let near = near(name, names);
        let problem =
            format!("there is no image {name:?} for {architecture}: choose one of {near}");
        return Err(Error::field("image.name", problem));
    }
    if let Some(id) = &choice.id
        && !fitting().any(|image| image.id.to_string() == *id)
    {
        let problem = format!("there is no image with id {id} for {architecture} in the project");
        return Err(Error::field("image.id", problem));
    }
    Ok(())
}
