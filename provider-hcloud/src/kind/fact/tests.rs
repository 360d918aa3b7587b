use api::{LoadBalancerType, Location, Pricing, ServerType};
use serde_json::json;

use super::*;
use crate::kind::{
    load_balancer_type::LoadBalancerTypes,
    location::Locations,
    pricing::PriceLists,
    server_type::ServerTypes,
    simulated::{self, named, resource, seen},
};

fn facts<K>(project: &Project) -> FactsOfProject<K> {
    FactsOfProject {
        project: project.clone(),
        kind: PhantomData,
    }
}

#[tokio::test]
async fn facts_are_found_by_the_name_of_the_resource_by_name_or_by_id() {
    let (_simulator, project) = simulated::project().await;
    let locations = facts::<Locations>(&project);
    let by_default = Desired::from(named::<Location>("hel1", &json!({})));
    let found = seen(&locations, &by_default).await;
    assert_eq!(found.at_provider.network_zone, "eu-central");
    let by_id = Desired::from(resource::<Location>(&json!({"id": found.external_name})));
    assert_eq!(seen(&locations, &by_id).await, found);

    let types = facts::<ServerTypes>(&project);
    let arm = Desired::from(resource::<ServerType>(&json!({"name": "cax11"})));
    let arm = seen(&types, &arm).await.at_provider;
    assert_eq!(
        (arm.cores, arm.memory, arm.architecture.as_str()),
        (2, 4, "arm")
    );
    assert!(
        arm.locations
            .iter()
            .any(|location| location.available.is_some())
    );
    assert_eq!(arm.currency.as_deref(), Some("EUR"));

    let types = facts::<LoadBalancerTypes>(&project);
    let small = Desired::from(resource::<LoadBalancerType>(&json!({"name": "lb11"})));
    assert_eq!(seen(&types, &small).await.at_provider.max_targets, 25);
}

#[tokio::test]
async fn a_fact_that_does_not_exist_is_refused_with_those_that_come_near() {
    let (_simulator, project) = simulated::project().await;
    let types = facts::<ServerTypes>(&project);
    let desired = Desired::from(resource::<ServerType>(&json!({"name": "cx22"})));
    let error = types.observe(&desired, Look::Direct).await.unwrap_err();
    assert_eq!(error.retry(), Retry::OnChange);
    let error = error.to_string();
    assert!(
        error
            .contains("spec.forProvider.name: there is no server type \"cx22\": choose one of cx2"),
        "{error}"
    );
    let desired = Desired::from(resource::<ServerType>(&json!({"id": "999999"})));
    let error = types.observe(&desired, Look::Direct).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("no server type with the id 999999"),
        "{error}"
    );
}

#[tokio::test]
async fn the_price_list_is_read_once_for_everybody() {
    let (simulator, project) = simulated::project().await;
    let lists = facts::<PriceLists>(&project);
    let desired = Desired::from(resource::<Pricing>(&json!({})));
    for _ in 0..3 {
        let max_age = Duration::from_secs(60);
        lists
            .observe(&desired, Look::Shared { max_age })
            .await
            .unwrap();
    }
    let report = seen(&lists, &desired).await.at_provider;
    assert!(report.volume_per_gb_month.is_some() && !report.server_types.is_empty());
    let asked = simulator.log().of(&http::Method::GET, "/pricing").len();
    assert_eq!(
        asked, 2,
        "once for three looks, and once because somebody wanted it now"
    );
}
