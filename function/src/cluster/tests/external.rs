use super::*;

const KUBECONFIG: &str = "kubeconfig";

fn render(cluster: &Value) -> Result<Rendered, String> {
    Stage::new(json!({"cluster": cluster})).render()
}

fn theirs() -> Value {
    json!({
        "name": "theirs",
        "distribution": "external",
        "kubeconfigSecretRef": {"name": "their-kubeconfig"},
    })
}

/// The cluster of others, and the Secrets that Crossplane found for it.
fn looked_up(cluster: &Value, secrets: &[Value]) -> Stage {
    let mut stage = Stage::new(json!({"cluster": cluster}));
    let items = secrets.iter().map(resource).collect();
    stage.required = [(KUBECONFIG.to_owned(), v1::Resources { items })].into();
    stage
}

fn secret(key: &str, text: &str) -> Value {
    json!({"data": {key: BASE64_STANDARD.encode(text)}})
}

#[test]
fn a_cluster_of_others_is_ready_when_it_is_known_how_to_reach_it() {
    let rendered = looked_up(&theirs(), &[secret("value", "kind: Config")]);
    let rendered = rendered.render().unwrap();
    assert!(rendered.desired.is_empty());
    assert_eq!(rendered.waiting(), None);
    assert_eq!(
        rendered.status,
        json!({"kubeconfigSecret": "their-kubeconfig"})
    );

    let ours = json!({"name": "ours", "distribution": "external", "management": true});
    let rendered = render(&ours).unwrap();
    assert_eq!(rendered.waiting(), None);
    assert_eq!(rendered.status, json!({}));
}

#[test]
fn a_cluster_that_nobody_can_reach_is_refused() {
    let error = render(&json!({"name": "lost", "distribution": "external"})).unwrap_err();
    assert!(
        error.starts_with("spec.cluster.kubeconfigSecretRef: "),
        "{error}"
    );
}

#[test]
fn the_kubeconfig_is_asked_for_where_there_is_one() {
    let response = Stage::new(json!({"cluster": theirs()})).run();
    let required = response.requirements.unwrap().resources;
    let selector = &required[KUBECONFIG];
    assert_eq!(
        (selector.kind.as_str(), selector.namespace.as_deref()),
        ("Secret", Some("team"))
    );
    let ours = json!({"name": "ours", "distribution": "external", "management": true});
    let response = Stage::new(json!({"cluster": ours})).run();
    assert_eq!(response.requirements, None);
}

#[test]
fn a_missing_kubeconfig_is_named_and_nothing_is_changed() {
    let missing = "spec.cluster.kubeconfigSecretRef.name: Secret their-kubeconfig does not exist: create it in this namespace with the kubeconfig in the key value";
    let empty = "spec.cluster.kubeconfigSecretRef.key: Secret their-kubeconfig has no text in the key value: create it in this namespace with the kubeconfig in the key value";
    let cases = [
        (vec![], missing),
        (vec![secret("kubeconfig", "kind: Config")], empty),
        (vec![secret("value", " \n")], empty),
        (vec![json!({"data": {"value": "/w=="}})], empty),
    ];
    for (secrets, expected) in cases {
        let stage = looked_up(&theirs(), &secrets);
        assert_eq!(stage.render().unwrap_err(), expected);
        let response = stage.run();
        let valid = response.conditions.first().unwrap();
        assert_eq!(
            (valid.r#type.as_str(), valid.message.as_deref()),
            ("Valid", Some(expected))
        );
        assert_eq!(response.desired.unwrap_or_default(), v1::State::default());
        assert!(response.requirements.is_some(), "it is asked for again");
    }
}
