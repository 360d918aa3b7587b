use super::*;

const CREDENTIALS: &str = "etcd-snapshots-s3";

fn with_bucket() -> Value {
    let mut spec = spec();
    spec["cluster"]["k3s"] = json!({"etcdSnapshots": {"s3": {
        "bucket": "backups",
        "credentialsSecretRef": {"name": "s3"},
        "endpoint": "fsn1.your-objectstorage.com",
    }}});
    spec
}

fn answer(secrets: &[Value]) -> BTreeMap<String, v1::Resources> {
    let items = secrets.iter().map(resource).collect();
    [(CREDENTIALS.to_owned(), v1::Resources { items })].into()
}

fn secret() -> Value {
    json!({"data": {"accessKey": BASE64_STANDARD.encode("the-id"), "secretKey": BASE64_STANDARD.encode("sesame")}})
}

#[test]
fn the_credentials_are_asked_for_where_they_are_needed() {
    let required = requirements(&composite(NAME, &with_bucket()));
    let selector = &required[CREDENTIALS];
    assert_eq!(
        (selector.kind.as_str(), selector.namespace.as_deref()),
        ("Secret", Some("team"))
    );
    let response = Stage::new(with_bucket()).run();
    assert_eq!(response.requirements.unwrap().resources, required);
    assert_eq!(Stage::new(spec()).run().requirements, None);
}

#[test]
fn snapshots_go_to_the_bucket() {
    let mut stage = Stage::new(with_bucket());
    stage.required = answer(&[secret()]);
    stage.step();
    let rendered = stage.step();
    let documents = documents(&rendered);
    for (owner, document) in documents {
        let is_server = owner.starts_with("server");
        for line in [
            "etcd-s3-access-key: \"the-id\"",
            "etcd-s3-secret-key: \"sesame\"",
            "etcd-s3-bucket: \"backups\"",
            "etcd-s3-folder: \"demo-fsn-k3s\"",
        ] {
            assert_eq!(document.contains(line), is_server, "{owner}: {line}");
        }
    }
}

#[test]
fn servers_wait_for_the_answer_and_stay_without_it() {
    let mut stage = Stage::new(with_bucket());
    stage.step();
    assert_eq!(
        stage.render().unwrap().keys(),
        [
            "pki",
            "api",
            "kubeconfig",
            "etcd",
            "user-data-agent-work",
            "pool-work"
        ]
    );
    stage.required = answer(&[secret()]);
    stage.step();
    stage.step();
    let with = stage.render().unwrap();
    stage.required.clear();
    assert_eq!(stage.render().unwrap(), with);
}

#[test]
fn a_secret_that_is_missing_is_named() {
    let mut stage = Stage::new(with_bucket());
    stage.required = answer(&[]);
    assert_eq!(
        stage.render().unwrap_err(),
        "spec.cluster.k3s.etcdSnapshots.s3.credentialsSecretRef.name: Secret s3 does not exist: create it in this namespace with the keys accessKey and secretKey"
    );
    let mut incomplete = secret();
    incomplete["data"]["secretKey"] = json!("/w==");
    stage.required = answer(&[incomplete]);
    assert_eq!(
        stage.render().unwrap_err(),
        "spec.cluster.k3s.etcdSnapshots.s3.credentialsSecretRef.name: Secret s3 has no text in the key secretKey: create it in this namespace with the keys accessKey and secretKey"
    );
}
