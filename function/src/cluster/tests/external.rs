use super::*;

fn render(cluster: &Value) -> Result<Rendered, String> {
    Stage::new(json!({"cluster": cluster})).render()
}

#[test]
fn a_cluster_of_others_is_ready_when_it_is_known_how_to_reach_it() {
    let theirs = json!({
        "name": "theirs",
        "distribution": "external",
        "kubeconfigSecretRef": {"name": "their-kubeconfig"},
    });
    let rendered = render(&theirs).unwrap();
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
