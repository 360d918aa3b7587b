use super::*;

fn with_autoscaling() -> Value {
    let mut spec = spec();
    let mut auto = pool("auto", 0);
    auto["autoscaling"] = json!({"min": 0, "max": 5});
    auto["labels"] = json!({"tier": "burst"});
    auto["taints"] = json!([{"key": "burst", "effect": "NoSchedule"}]);
    auto["machine"]["image"] = json!("debian-13");
    spec["cluster"]["nodePools"] = json!([pool("work", 1), auto]);
    spec
}

#[test]
fn an_autoscaled_pool_is_a_node_template() {
    let settled = Stage::settled(with_autoscaling()).render().unwrap();
    assert!(!settled.keys().contains(&"pool-auto"));
    assert!(!settled.keys().contains(&"user-data-agent-auto"));
    assert_eq!(settled.waiting(), None);

    let secret = &settled.get(AUTOSCALER).object;
    assert_eq!(secret["metadata"]["name"], "demo-fsn-k3s-autoscaler");
    let mut config: Value = serde_json::from_str(&text(secret, "cluster-config.json")).unwrap();
    let group = name::host_prefix("team", "demo-fsn-k3s-auto");
    let cloud_init = config["nodeConfigs"][&group]["cloudInit"].take();
    assert!(cloud_init.as_str().unwrap().starts_with("#cloud-config\n"));
    assert!(cloud_init.as_str().unwrap().contains("tier=burst"));
    assert!(cloud_init.as_str().unwrap().contains("burst:NoSchedule"));
    let images = json!({"amd64": "debian-13", "arm64": "debian-13"});
    assert_eq!(
        config,
        json!({
            "imagesForArch": images,
            "nodeConfigs": {group: {
                "cloudInit": null,
                "imagesForArch": images,
                "labels": {"tier": "burst"},
                "taints": [{"key": "burst", "effect": "NoSchedule"}],
            }},
        })
    );
}

#[test]
fn servers_that_exist_stay_until_the_planner_lets_them_go() {
    let mut spec = with_autoscaling();
    spec["cluster"]["nodePools"][1]["count"] = json!(2);
    let settled = Stage::settled(spec).render().unwrap();
    for key in ["pool-auto", "user-data-agent-auto", AUTOSCALER] {
        assert!(settled.keys().contains(&key), "{key}");
    }
}

#[test]
fn machines_of_others_get_user_data_and_nothing_else() {
    let mut spec = spec();
    let mut theirs = pool("theirs", 0);
    theirs["external"] = json!([{"name": "metal", "address": "10.0.1.77"}]);
    spec["cluster"]["nodePools"] = json!([theirs]);
    let settled = Stage::settled(spec).render().unwrap();
    assert!(settled.keys().contains(&"user-data-agent-theirs"));
    assert!(!settled.keys().contains(&"pool-theirs"));
}
