//! A project in a simulator of its own, for tests of kinds.

use std::{fmt::Debug, time::Duration};

use api::Managed;
use hcloud_simulator::{DEFAULT_TOKEN, Options, Simulator};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Project;
use crate::{
    clock::Clock,
    hcloud,
    managed::{
        Created, Desired, External, Look, Observation, Present,
        annotations::EXTERNAL_NAME,
        external::{ObservationOf, PresentOf},
    },
};

/// A simulator, and the project that its token opens.
pub(super) async fn project() -> (Simulator, Project) {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let project = open(&simulator);
    (simulator, project)
}

/// The project as a process sees it that has just been started.
pub(super) fn open(simulator: &Simulator) -> Project {
    let clock = Clock::system();
    let settings = hcloud::Settings {
        action_interval: Duration::from_millis(1),
        ..hcloud::Settings::default()
    };
    let clients = hcloud::Clients::new(settings, clock.clone(), hcloud::Metrics::default());
    let endpoint = hcloud::Endpoint::parse(&simulator.url()).unwrap();
    let token = hcloud::Token::new(DEFAULT_TOKEN).unwrap();
    Project {
        client: clients.unwrap().get(&endpoint, &token),
        clock,
    }
}

/// A managed resource called `one` with this `spec.forProvider`.
pub(super) fn resource<R: Managed>(for_provider: &Value) -> R {
    named("one", for_provider)
}

/// A managed resource with this name and `spec.forProvider`; its UID follows from the name.
pub(super) fn named<R: Managed>(name: &str, for_provider: &Value) -> R {
    let resource = json!({
        "apiVersion": R::api_version(&()),
        "kind": R::kind(&()),
        "metadata": {"name": name, "namespace": "team", "uid": format!("uid-of-{name}")},
        "spec": {"forProvider": for_provider},
    });
    read(resource)
}

/// The resource after its deletion was asked for.
pub(super) fn deleted<R: Managed>(mut resource: R) -> R {
    let at = read(json!("2026-11-21T08:00:00Z"));
    resource.meta_mut().deletion_timestamp = Some(at);
    resource
}

fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// The resource after its external name was recorded, with what was reported of it.
pub(super) fn recorded<R: Managed>(
    mut resource: R,
    present: &Present<R::AtProvider>,
) -> Desired<R> {
    let annotations = resource.meta_mut().annotations.get_or_insert_default();
    annotations.insert(EXTERNAL_NAME.to_owned(), present.external_name.clone());
    resource.set_at_provider(present.at_provider.clone());
    resource.into()
}

/// What is seen of something that must exist.
pub(super) async fn seen<E: External>(external: &E, desired: &Desired<E::Resource>) -> PresentOf<E>
where
    ObservationOf<E>: Debug,
{
    match external.observe(desired, Look::Direct).await.unwrap() {
        Observation::Present(present) => present,
        Observation::Absent => panic!("there is none"),
    }
}

/// Whether there is nothing to be seen.
pub(super) async fn absent<E: External>(external: &E, desired: &Desired<E::Resource>) -> bool {
    let observation = external.observe(desired, Look::Direct).await.unwrap();
    matches!(observation, Observation::Absent)
}

/// Creates what must be possible to create, and looks at it.
pub(super) async fn made<E: External>(external: &E, desired: &Desired<E::Resource>) -> PresentOf<E>
where
    ObservationOf<E>: Debug,
{
    let Created { external_name, .. } = external.create(desired).await.unwrap();
    let present = seen(external, desired).await;
    assert_eq!(present.external_name, external_name);
    present
}

/// Changes a spec that is in place, and returns what was different before; nothing is different afterwards.
pub(super) async fn changed<E: External>(external: &E, desired: &Desired<E::Resource>) -> String
where
    ObservationOf<E>: Debug,
{
    let before = seen(external, desired).await;
    external.update(desired, &before).await.unwrap();
    let after = seen(external, desired).await;
    assert!(after.drift.is_empty(), "left: {}", after.drift);
    before.drift.to_string()
}
