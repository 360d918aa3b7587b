//! From a container's specification to a program to run.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Container;
use oci_client::config::Config;

use super::env::expand;
use super::image::Image;
use super::volume::Mounts;
use crate::daemon::Invocation;

/// The program that `container` runs from `image`. `variables` are its environment before paths are mapped.
pub(super) fn invocation(
    image: &Image,
    container: &Container,
    variables: &[(String, String)],
    mounts: &Mounts,
    own: &[(&str, String)],
) -> Result<Invocation> {
    let mut words = words(&image.config, container).into_iter();
    let program = words
        .next()
        .context("neither the image nor the container names a program")?;
    let working_dir = container
        .working_dir
        .as_deref()
        .or(image.config.working_dir.as_deref())
        .unwrap_or("/");
    let program = find(
        image,
        working_dir,
        &mounts.map(&expand(&program, variables)),
    )?;
    let mut invocation = Invocation::new(program)
        .without_inherited_env()
        .dir(in_image(image, working_dir))
        .args(words.map(|word| mounts.map(&expand(&word, variables))));
    for (name, value) in variables {
        invocation = invocation.env(name, mounts.map(value));
    }
    for (name, value) in own {
        invocation = invocation.env(*name, value);
    }
    Ok(invocation)
}

/// A container's command replaces the image's entrypoint and arguments, its args the image's arguments only.
fn words(config: &Config, container: &Container) -> Vec<String> {
    let given = |words: &Option<Vec<String>>| words.clone().filter(|words| !words.is_empty());
    let args = given(&container.args);
    match given(&container.command) {
        Some(command) => command
            .into_iter()
            .chain(args.unwrap_or_default())
            .collect(),
        None => {
            let entrypoint = given(&config.entrypoint).unwrap_or_default();
            entrypoint
                .into_iter()
                .chain(args.or_else(|| given(&config.cmd)).unwrap_or_default())
                .collect()
        }
    }
}

/// The host's path of a path in the image.
fn in_image(image: &Image, path: &str) -> PathBuf {
    image.root.join(path.trim_start_matches('/'))
}

fn find(image: &Image, working_dir: &str, program: &str) -> Result<PathBuf> {
    let found = if program.starts_with('/') {
        // A program in a volume is named by its real path already.
        let inside = in_image(image, program);
        if inside.exists() {
            inside
        } else {
            PathBuf::from(program)
        }
    } else if program.contains('/') {
        in_image(image, working_dir).join(program)
    } else {
        let variables = image.config.env.iter().flatten();
        let path = variables
            .rev()
            .find_map(|variable| variable.strip_prefix("PATH="))
            .unwrap_or("/usr/bin:/bin");
        let candidates = path
            .split(':')
            .map(|dir| in_image(image, dir).join(program));
        candidates
            .into_iter()
            .find(|candidate| candidate.exists())
            .unwrap_or_default()
    };
    Path::new(&found)
        .exists()
        .then_some(found)
        .with_context(|| format!("there is no program {program} in the image"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_and_args_replace_what_kubernetes_says() {
        let list = |text: &str| {
            (!text.is_empty()).then(|| text.split(' ').map(str::to_owned).collect::<Vec<_>>())
        };
        for (command, args, result) in [
            ("", "", "entry cmd"),
            ("", "a b", "entry a b"),
            ("c", "", "c"),
            ("c", "a", "c a"),
        ] {
            let config = Config {
                entrypoint: list("entry"),
                cmd: list("cmd"),
                ..Config::default()
            };
            let container = Container {
                command: list(command),
                args: list(args),
                ..Container::default()
            };
            assert_eq!(
                words(&config, &container).join(" "),
                result,
                "command {command:?}, args {args:?}"
            );
        }
    }
}
