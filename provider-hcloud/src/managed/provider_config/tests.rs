use api::ConditionStatus;
use jiff::Timestamp;

use super::*;

#[test]
fn what_is_said_of_credentials_follows_what_is_known_of_them() {
    let marked = |statement| {
        let mut conditions = Vec::new();
        conditions::mark(&mut conditions, statement, Some(1), Timestamp::UNIX_EPOCH);
        conditions
    };
    let refused = || conditions::unauthorized("no");
    let missing = || conditions::unavailable("there is no Secret");
    for (standing, used, said, expected) in [
        (
            Standing::Usable,
            true,
            marked(refused()),
            Some(conditions::available()),
        ),
        (
            Standing::Refused("no".to_owned()),
            true,
            Vec::new(),
            Some(refused()),
        ),
        (
            Standing::Missing("there is no Secret".to_owned()),
            false,
            Vec::new(),
            Some(missing()),
        ),
        (
            Standing::Untried,
            true,
            Vec::new(),
            Some(conditions::available()),
        ),
        (
            Standing::Untried,
            true,
            marked(missing()),
            Some(conditions::available()),
        ),
        // Those who use it are about to try.
        (Standing::Untried, true, marked(refused()), None),
        // Nobody is.
        (
            Standing::Untried,
            false,
            marked(refused()),
            Some(conditions::available()),
        ),
    ] {
        let found = readiness(standing.clone(), used, &said);
        assert_eq!(
            found, expected,
            "{standing:?}, used: {used}, said: {said:?}"
        );
    }
    let condition = marked(refused()).remove(0);
    assert_eq!(condition.status, ConditionStatus::False);
    assert_eq!(
        (condition.reason.as_str(), condition.message.as_str()),
        ("Unauthorized", "no")
    );
}

#[test]
fn a_secret_concerns_the_configurations_that_read_it() {
    let read = |config: serde_json::Value| -> DeserializeGuard<ProviderConfig> {
        serde_json::from_value(config).unwrap()
    };
    let config = read(json!({
        "apiVersion": "hcloud.openova.io/v1alpha1",
        "kind": "ProviderConfig",
        "metadata": {"name": "default", "namespace": "team"},
        "spec": {"credentials": {"source": "Secret", "secretRef": {"name": "token", "key": "token"}}},
    }));
    let secret = |namespace: &str, name: &str| SecretKey {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    };
    assert!(reads(&config, &secret("team", "token")));
    assert!(!reads(&config, &secret("other", "token")));
    assert!(!reads(&config, &secret("team", "other")));
}
