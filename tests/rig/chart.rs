//! Renders the few templates of Crossplane's Helm chart that say which permissions core and the RBAC manager have.
//!
//! They use a small part of the template language, and the rig needs them with the chart's default values. So this is no
//! template engine: it knows the actions that occur, with one value for each, and refuses everything else. A new version of the
//! chart is either rendered rightly or not at all.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// The namespace of Crossplane.
pub(crate) const NAMESPACE: &str = "crossplane-system";

const TEMPLATES: [&str; 7] = [
    "serviceaccount",
    "clusterrole",
    "clusterrolebinding",
    "rbac-manager-allowed-provider-permissions",
    "rbac-manager-clusterrole",
    "rbac-manager-clusterrolebinding",
    "rbac-manager-managed-clusterroles",
];

const RBAC_MANAGER_SERVICE_ACCOUNT: &str = "rbac-manager-serviceaccount";

/// The service accounts, roles and bindings of the chart in `dir`, as a stream of YAML documents.
pub(crate) fn permissions(dir: &Path) -> Result<String> {
    let mut documents = Vec::new();
    for name in TEMPLATES.into_iter().chain([RBAC_MANAGER_SERVICE_ACCOUNT]) {
        let path = dir.join("templates").join(format!("{name}.yaml"));
        let template =
            fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        documents.push(render(&template).with_context(|| format!("render {}", path.display()))?);
    }
    Ok(documents.join("\n---\n"))
}

/// What an action stands for.
enum Action {
    Text(&'static str),
    /// Opens a section that is kept or dropped.
    Open(bool),
    Else,
    Close,
}

fn action(source: &str) -> Result<Action> {
    Ok(match source {
        r#"template "crossplane.name" ."# => Action::Text("crossplane"),
        ".Release.Namespace" => Action::Text(NAMESPACE),
        "if .Values.rbacManager.deploy"
        | "if .Values.serviceAccount.create"
        | "if not .Values.rbacManager.skipAggregatedClusterRoles" => Action::Open(true),
        "if not .Values.serviceAccount.create"
        | "with .Values.imagePullSecrets"
        | "with .Values.serviceAccount.customAnnotations"
        | "range $index, $secret := ." => Action::Open(false),
        // Labels that name the chart and the release, by which nothing selects; the others occur in dropped sections only.
        r#"include "crossplane.labels" . | indent 4"#
        | "$secret"
        | "toYaml . | nindent 4"
        | ".Values.serviceAccount.name" => Action::Text(""),
        "else" => Action::Else,
        "end" => Action::Close,
        other => bail!("the rig does not know the action {{{{ {other} }}}}"),
    })
}

fn render(template: &str) -> Result<String> {
    let mut output = String::new();
    let mut sections: Vec<bool> = Vec::new();
    let mut rest = template;
    while let Some((text, tail)) = rest.split_once("{{") {
        let (source, tail) = tail.split_once("}}").context("an action does not end")?;
        let (source, trim_before) = source
            .strip_prefix('-')
            .map_or((source, false), |source| (source, true));
        let (source, trim_after) = source
            .strip_suffix('-')
            .map_or((source, false), |source| (source, true));
        let kept = |sections: &[bool]| sections.iter().all(|kept| *kept);
        if kept(&sections) {
            output.push_str(if trim_before { text.trim_end() } else { text });
        }
        match action(source.trim())? {
            Action::Text(text) if kept(&sections) => output.push_str(text),
            Action::Text(_) => {}
            Action::Open(keep) => sections.push(keep),
            Action::Else => {
                let last = sections.last_mut().context("else without if")?;
                *last = !*last;
            }
            Action::Close => {
                sections.pop().context("end without if")?;
            }
        }
        rest = if trim_after { tail.trim_start() } else { tail };
    }
    if !sections.is_empty() {
        bail!("a section does not end");
    }
    output.push_str(rest);
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_section_leaves_nothing_and_a_kept_one_its_text() {
        let template = concat!(
            "name: {{ template \"crossplane.name\" . }}:x\n",
            "{{- if not .Values.serviceAccount.create }}\nname: {{ .Values.serviceAccount.name }}\n",
            "{{- else }}\nnamespace: {{ .Release.Namespace }}\n{{- end }}\n",
        );
        assert_eq!(
            render(template).unwrap(),
            "name: crossplane:x\nnamespace: crossplane-system\n"
        );
    }

    #[test]
    fn an_unknown_action_is_refused_by_name() {
        let error = render("{{ if .Values.surprise }}x{{ end }}").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the rig does not know the action {{ if .Values.surprise }}"
        );
    }
}
