//! A container's environment, as Kubernetes makes it.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::{
    ConfigMap, Container, EnvFromSource, EnvVar, EnvVarSource, ObjectFieldSelector, Secret,
};
use kube::{Api, Client};

/// What fields of a pod its containers can ask for.
#[derive(Clone, Debug)]
pub(super) struct Downward {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) service_account: String,
    pub(super) address: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
}

impl Downward {
    fn field(&self, selector: &ObjectFieldSelector) -> Result<String> {
        let path = selector.field_path.as_str();
        Ok(match path {
            "metadata.name" => self.name.clone(),
            "metadata.namespace" => self.namespace.clone(),
            "spec.serviceAccountName" => self.service_account.clone(),
            "spec.nodeName" => "rig".to_owned(),
            "status.podIP" | "status.hostIP" => self.address.clone(),
            _ => {
                let entry = |prefix| {
                    path.strip_prefix(prefix)
                        .and_then(|rest: &str| rest.strip_suffix("']"))
                };
                if let Some(key) = entry("metadata.labels['") {
                    self.labels.get(key).cloned().unwrap_or_default()
                } else if let Some(key) = entry("metadata.annotations['") {
                    self.annotations.get(key).cloned().unwrap_or_default()
                } else {
                    bail!("the field {path} is not supported")
                }
            }
        })
    }
}

/// The container's variables over those of its image, in order, with references expanded.
pub(super) async fn environment(
    client: &Client,
    downward: &Downward,
    image: &[String],
    container: &Container,
) -> Result<Vec<(String, String)>> {
    let mut variables: Vec<(String, String)> = image
        .iter()
        .filter_map(|variable| variable.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    for source in container.env_from.iter().flatten() {
        variables.extend(all_of(client, &downward.namespace, source).await?);
    }
    for variable in container.env.iter().flatten() {
        let value = value(client, downward, variable)
            .await
            .with_context(|| format!("find the value of variable {}", variable.name))?;
        // A variable may refer to those before it.
        if let Some(value) = value {
            let value = expand(&value, &variables);
            variables.push((variable.name.clone(), value));
        }
    }
    Ok(variables)
}

async fn value(client: &Client, downward: &Downward, variable: &EnvVar) -> Result<Option<String>> {
    let Some(source) = &variable.value_from else {
        return Ok(Some(variable.value.clone().unwrap_or_default()));
    };
    let namespace = &downward.namespace;
    match source {
        EnvVarSource {
            field_ref: Some(selector),
            ..
        } => downward.field(selector).map(Some),
        EnvVarSource {
            secret_key_ref: Some(selector),
            ..
        } => {
            let data = secret(client, namespace, &selector.name).await?;
            found(
                data.and_then(|mut data| data.remove(&selector.key)),
                selector.optional,
                &selector.name,
                &selector.key,
            )
        }
        EnvVarSource {
            config_map_key_ref: Some(selector),
            ..
        } => {
            let data = config_map(client, namespace, &selector.name).await?;
            found(
                data.and_then(|mut data| data.remove(&selector.key)),
                selector.optional,
                &selector.name,
                &selector.key,
            )
        }
        _ => bail!("its source is not supported"),
    }
}

fn found(
    value: Option<Vec<u8>>,
    optional: Option<bool>,
    name: &str,
    key: &str,
) -> Result<Option<String>> {
    match value {
        Some(value) => {
            Ok(Some(String::from_utf8(value).with_context(|| {
                format!("key {key} of {name} is no text")
            })?))
        }
        None if optional == Some(true) => Ok(None),
        None => bail!("there is no key {key} in {name}"),
    }
}

async fn all_of(
    client: &Client,
    namespace: &str,
    source: &EnvFromSource,
) -> Result<Vec<(String, String)>> {
    let prefix = source.prefix.as_deref().unwrap_or_default();
    let (name, optional, data) = if let Some(reference) = &source.secret_ref {
        (
            &reference.name,
            reference.optional,
            secret(client, namespace, &reference.name).await?,
        )
    } else if let Some(reference) = &source.config_map_ref {
        (
            &reference.name,
            reference.optional,
            config_map(client, namespace, &reference.name).await?,
        )
    } else {
        bail!("a source of variables is not supported");
    };
    let data = match data {
        Some(data) => data,
        None if optional == Some(true) => BTreeMap::new(),
        None => bail!("there is no {name}"),
    };
    let text = |value| String::from_utf8(value).ok();
    Ok(data
        .into_iter()
        .filter_map(|(key, value)| Some((format!("{prefix}{key}"), text(value)?)))
        .collect())
}

/// The contents of a Secret, when there is one.
pub(super) async fn secret(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Option<BTreeMap<String, Vec<u8>>>> {
    let secret = Api::<Secret>::namespaced(client.clone(), namespace)
        .get_opt(name)
        .await;
    let secret = secret.with_context(|| format!("read Secret {name}"))?;
    Ok(secret.map(|secret| {
        secret
            .data
            .unwrap_or_default()
            .into_iter()
            .map(|(key, value)| (key, value.0))
            .collect()
    }))
}

/// The contents of a ConfigMap, when there is one.
pub(super) async fn config_map(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Option<BTreeMap<String, Vec<u8>>>> {
    let map = Api::<ConfigMap>::namespaced(client.clone(), namespace)
        .get_opt(name)
        .await;
    let map = map.with_context(|| format!("read ConfigMap {name}"))?;
    Ok(map.map(|map| {
        let text = map
            .data
            .unwrap_or_default()
            .into_iter()
            .map(|(key, value)| (key, value.into_bytes()));
        let binary = map
            .binary_data
            .unwrap_or_default()
            .into_iter()
            .map(|(key, value)| (key, value.0));
        text.chain(binary).collect()
    }))
}

/// Replaces `$(NAME)` by the variable's last value. `$$` stands for `$`; a reference to nothing stays as it is.
pub(super) fn expand(text: &str, variables: &[(String, String)]) -> String {
    let variables: HashMap<&str, &str> = variables
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let mut output = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        output.push_str(before);
        let reference = after
            .strip_prefix('(')
            .and_then(|after| after.split_once(')'));
        if let Some(after) = after.strip_prefix('$') {
            output.push('$');
            rest = after;
        } else if let Some((value, after)) =
            reference.and_then(|(name, after)| variables.get(name).map(|value| (value, after)))
        {
            output.push_str(value);
            rest = after;
        } else {
            output.push('$');
            rest = after;
        }
    }
    output.push_str(rest);
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_expanded_as_kubernetes_does() {
        let variables = [
            ("A".to_owned(), "1".to_owned()),
            ("A".to_owned(), "2".to_owned()),
        ];
        for (text, expanded, reason) in [
            ("x$(A)y", "x2y", "the last value counts"),
            ("$(B)", "$(B)", "nothing is known of B"),
            ("$$(A)", "$(A)", "the dollar is escaped"),
            ("$A $", "$A $", "no parentheses"),
            ("$(A", "$(A", "not closed"),
        ] {
            assert_eq!(expand(text, &variables), expanded, "{reason}");
        }
    }
}
