use expect_test::expect;

use super::*;

#[test]
fn roots_stay_byte_for_byte() {
    let mut stage = Stage::new(spec());
    let first = stage.step();
    let second = stage.step();
    let settled = Stage::at_rest().render().unwrap();
    for later in [&second, &settled] {
        assert_eq!(first.get(ROOTS).object, later.get(ROOTS).object);
    }
    stage.children.clear();
    stage.status = json!({});
    let other = stage.render().unwrap();
    assert_ne!(first.get(ROOTS).object, other.get(ROOTS).object);
}

#[test]
fn lost_roots_are_never_made_again() {
    let settled = Stage::at_rest();
    let mut keys: Vec<_> = settled
        .children
        .iter()
        .map(|(key, _)| key.clone())
        .collect();
    keys.retain(|key| key != ROOTS && key != API);
    assert_eq!(keys.len(), 7);
    for key in &keys {
        let mut stage = Stage::at_rest();
        stage.children.retain(|(it, _)| it == key || it == API);
        stage.status = json!({});
        let error = stage.render().unwrap_err();
        let object = &stage.child(key)["metadata"]["name"];
        assert!(
            error.starts_with("Secret demo-fsn-k3s-pki: the certificate authorities"),
            "{error}"
        );
        assert!(error.contains(object.as_str().unwrap()), "{error}");
    }

    let mut stage = settled;
    stage.children.retain(|(key, _)| key == API);
    expect!["Secret demo-fsn-k3s-pki: the certificate authorities and tokens of the cluster are gone, and status.caFingerprint records them: nothing is changed and no others are made; restore the Secret from a backup, with its annotations: kubectl -n team apply -f demo-fsn-k3s-pki.yaml"].assert_eq(&stage.render().unwrap_err());
    stage.status = json!({});
    assert!(stage.render().is_ok(), "nothing was made from any roots");
}

#[test]
fn a_refusal_leaves_everything_as_it_is() {
    let mut stage = Stage::at_rest();
    stage.lose(ROOTS);
    let response = stage.run();
    let fatal = response.results.last().unwrap();
    assert_eq!(fatal.severity(), v1::Severity::Fatal);
    expect!["Secret demo-fsn-k3s-pki: the certificate authorities and tokens of the cluster are gone, and ConfigMap demo-fsn-k3s-etcd was made from them: nothing is changed and no others are made; restore the Secret from a backup, with its annotations: kubectl -n team apply -f demo-fsn-k3s-pki.yaml"].assert_eq(&fatal.message);
    assert_eq!(response.desired.unwrap_or_default(), v1::State::default());
}

#[test]
fn a_damaged_secret_is_told_by_its_key() {
    let settled = Stage::at_rest();
    let damages: [fn(&mut Value); 5] = [
        |data| {
            data.as_object_mut().unwrap().remove("server-ca.key");
        },
        |data| data["etcd-peer-ca.crt"] = json!("!"),
        |data| data["client-ca.key"] = data["service.key"].clone(),
        |data| data["agent-token"] = json!("c2hvcnQ="),
        |data| data["surplus"] = json!(""),
    ];
    let mut errors = String::new();
    for damage in damages {
        let mut stage = Stage::at_rest();
        stage.children.clone_from(&settled.children);
        damage(&mut stage.child(ROOTS)["data"]);
        errors.push_str(&stage.render().unwrap_err());
        errors.push('\n');
    }
    expect![[r#"
        Secret demo-fsn-k3s-pki: key "server-ca.key" is missing: nothing is changed; restore the Secret from a backup, with its annotations: kubectl -n team replace --force -f demo-fsn-k3s-pki.yaml
        Secret demo-fsn-k3s-pki: key "etcd-peer-ca.crt" is not text: nothing is changed; restore the Secret from a backup, with its annotations: kubectl -n team replace --force -f demo-fsn-k3s-pki.yaml
        Secret demo-fsn-k3s-pki: key "client-ca.crt": certificate and key do not belong together: nothing is changed; restore the Secret from a backup, with its annotations: kubectl -n team replace --force -f demo-fsn-k3s-pki.yaml
        Secret demo-fsn-k3s-pki: key "agent-token" is not 64 lower-case hexadecimal digits: nothing is changed; restore the Secret from a backup, with its annotations: kubectl -n team replace --force -f demo-fsn-k3s-pki.yaml
        Secret demo-fsn-k3s-pki: key "surplus" does not belong there: nothing is changed; restore the Secret from a backup, with its annotations: kubectl -n team replace --force -f demo-fsn-k3s-pki.yaml
    "#]].assert_eq(&errors);
}

#[test]
fn other_roots_are_not_accepted() {
    let mut stage = Stage::at_rest();
    let other = environment(NOW, 2);
    let other = ClusterRoots::generate(NAME, &other.entropy, other.now).unwrap();
    let data: BTreeMap<_, _> = other
        .to_data()
        .into_iter()
        .map(|(key, value)| (key, BASE64_STANDARD.encode(value)))
        .collect();
    stage.child(ROOTS)["data"] = json!(data);
    let was = stage.status["caFingerprint"].as_str().unwrap().to_owned();
    let shown = |error: String| {
        error
            .replace(&other.fingerprint(), "<new>")
            .replace(&was, "<old>")
    };
    expect!["Secret demo-fsn-k3s-pki: the cluster was not made from these certificate authorities and tokens: their fingerprint is <new>, and the ConfigMap of etcd has <old>; restore the Secret from a backup, with its annotations: kubectl -n team replace --force -f demo-fsn-k3s-pki.yaml"].assert_eq(&shown(stage.render().unwrap_err()));
    stage.lose(ETCD);
    expect!["Secret demo-fsn-k3s-pki: the cluster was not made from these certificate authorities and tokens: their fingerprint is <new>, and status.caFingerprint has <old>; restore the Secret from a backup, with its annotations: kubectl -n team replace --force -f demo-fsn-k3s-pki.yaml"].assert_eq(&shown(stage.render().unwrap_err()));
}
