//! Bad input to the provider: what a person reads, and that correcting it is enough.

use anyhow::{Context, Result, bail, ensure};
use http::Method;
use kube::ResourceExt;
use rig::wait::eventually;
use serde_json::{Value, json};

use crate::client::{by_hand, rewrite};
use crate::tests;
use crate::world::{SOON, Tenant, World};

tests!(
    a_name_that_does_not_exist_is_answered_with_those_that_come_near,
    labels_that_hetzner_would_refuse_are_refused_by_name,
    names_taken_by_others_are_reported_with_the_way_to_adopt,
    an_external_name_of_the_wrong_form_is_reported_with_the_right_one,
    policies_that_cannot_be_had_are_refused_until_they_are_changed,
    an_object_that_cannot_be_read_is_reported_and_its_kind_goes_on,
);

const RANGE: &str = "10.0.0.0/16";
const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICj/yCqYtHpbqxaXsUCxxI2rV7bYpDM6Sq6AP0AVaaTt";

/// Waits until the last reconcile of an object has failed with a message that has all these words.
pub(crate) async fn fails_with(
    tenant: &Tenant<'_>,
    kind: &str,
    name: &str,
    words: &[&str],
) -> Result<()> {
    let (reason, message) = tenant.condition(kind, name, "Synced", "False").await?;
    ensure!(reason == "ReconcileError", "{kind}: {reason}: {message}");
    for word in words {
        ensure!(
            message.contains(word),
            "{kind}: {word:?} is not in: {message}"
        );
    }
    Ok(())
}

/// A server as small as possible.
pub(crate) fn server() -> Value {
    json!({"serverType": "cx23", "location": "fsn1", "image": {"name": "debian-13"}})
}

async fn a_name_that_does_not_exist_is_answered_with_those_that_come_near(
    world: &World,
) -> Result<()> {
    let tenant = world.tenant("input-names").await?;
    tenant
        .apply(&tenant.network("net", json!({"ipRange": RANGE})))
        .await?;
    let with = |mut spec: Value, field: &str, wrong: &str| {
        spec[field] = json!(wrong);
        spec
    };
    let subnet = json!({"networkIdRef": {"name": "net"}, "ipRange": "10.0.1.0/24"});
    let load_balancer = json!({"loadBalancerType": "lb11", "location": "fsn1"});
    let ip = json!({"type": "ipv4"});
    let cases = [
        ("ServerType", json!({}), "name", "cx22", "cx23"),
        ("Location", json!({}), "name", "nbg", "nbg1"),
        ("LoadBalancerType", json!({}), "name", "lb1", "lb11"),
        ("Subnet", subnet, "location", "fsn9", "fsn1"),
        ("PrimaryIP", ip, "location", "hel2", "hel1"),
        (
            "Volume",
            json!({"size": 10}),
            "location",
            "fsn1-dc14",
            "fsn1",
        ),
        ("Server", server(), "serverType", "cx22", "cx23"),
        ("Server", server(), "location", "fsn2", "fsn1"),
        (
            "LoadBalancer",
            load_balancer.clone(),
            "loadBalancerType",
            "lb12",
            "lb11",
        ),
        ("LoadBalancer", load_balancer, "location", "hell", "hel1"),
    ];
    let name = |field: &str| format!("bad-{}", field.to_lowercase());
    for (kind, spec, field, wrong, _) in &cases {
        let spec = with(spec.clone(), field, wrong);
        tenant
            .apply(&tenant.managed(kind, &name(field), spec))
            .await?;
    }
    let mut image = server();
    image["image"]["name"] = json!("debian-14");
    tenant
        .apply(&tenant.managed("Server", "bad-image", image))
        .await?;

    for (kind, _, field, wrong, right) in &cases {
        let words = format!("{wrong:?}: choose one of {right}");
        let path = format!("spec.forProvider.{field}: ");
        fails_with(&tenant, kind, &name(field), &[&path, &words]).await?;
        let corrected = json!({"spec": {"forProvider": {*field: right}}});
        tenant.patch(kind, &name(field), corrected).await?;
    }
    let words = [
        "spec.forProvider.image.name: ",
        "\"debian-14\" for x86: choose one of debian-12, debian-13",
    ];
    fails_with(&tenant, "Server", "bad-image", &words).await?;
    let corrected = json!({"spec": {"forProvider": {"image": {"name": "debian-13"}}}});
    tenant.patch("Server", "bad-image", corrected).await?;

    tenant.ready("Server", "bad-image").await?;
    for (kind, _, field, ..) in cases {
        tenant.ready(kind, &name(field)).await?;
    }
    Ok(())
}

async fn labels_that_hetzner_would_refuse_are_refused_by_name(world: &World) -> Result<()> {
    let tenant = world.tenant("input-labels").await?;
    let labelled =
        |labels: Value| tenant.managed("Firewall", "labelled", json!({"labels": labels}));
    let many: Value = (0..49).map(|n| (format!("key-{n}"), json!("x"))).collect();
    for (labels, words) in [
        (json!({"hetzner.cloud/x": "y"}), "keys must not start with"),
        (
            json!({"hcloud.openova.io/uid": "y"}),
            "keys must not start with",
        ),
        (json!({"team": "our team"}), "labels.team"),
        (json!({"team": "x".repeat(64)}), "labels.team"),
        (many, "at most 48"),
    ] {
        match tenant.apply(&labelled(labels.clone())).await {
            Ok(()) => bail!("accepted: {labels}"),
            Err(error) => ensure!(format!("{error:#}").contains(words), "{labels}: {error:#}"),
        }
    }
    // The API server has no words for keys.
    tenant
        .apply(&labelled(json!({"a key": "x", "fine": "y"})))
        .await?;
    let words = ["spec.forProvider.labels[a key]", "must consist of letters"];
    fails_with(&tenant, "Firewall", "labelled", &words).await?;
    ensure!(tenant.simulator.log().mutations().is_empty());

    let corrected = json!({"spec": {"forProvider": {"labels": {"a key": null}}}});
    tenant.patch("Firewall", "labelled", corrected).await?;
    tenant.ready("Firewall", "labelled").await?;
    Ok(())
}

async fn names_taken_by_others_are_reported_with_the_way_to_adopt(world: &World) -> Result<()> {
    let tenant = world.tenant("input-taken").await?;
    // What the kind, its path and key in the API, a body of a create there, and a spec for the same.
    let cases = [
        ("Firewall", "firewall", json!({}), json!({})),
        (
            "PlacementGroup",
            "placement_group",
            json!({"type": "spread"}),
            json!({"type": "spread"}),
        ),
        (
            "SSHKey",
            "ssh_key",
            json!({"public_key": KEY}),
            json!({"publicKey": KEY}),
        ),
        (
            "PrimaryIP",
            "primary_ip",
            json!({"type": "ipv4", "assignee_type": "server", "location": "fsn1"}),
            json!({"type": "ipv4", "location": "fsn1"}),
        ),
        (
            "Volume",
            "volume",
            json!({"size": 10, "location": "fsn1"}),
            json!({"size": 10, "location": "fsn1"}),
        ),
        (
            "Server",
            "server",
            json!({"server_type": "cx23", "location": "fsn1", "image": "debian-13"}),
            server(),
        ),
        (
            "LoadBalancer",
            "load_balancer",
            json!({"load_balancer_type": "lb11", "location": "fsn1"}),
            json!({"loadBalancerType": "lb11", "location": "fsn1"}),
        ),
    ];
    let mut taken = Vec::new();
    for (kind, object, mut body, for_provider) in cases {
        body["name"] = json!("taken");
        let made = by_hand(&tenant, Method::POST, &format!("/{object}s"), body).await?;
        let id = made[object]["id"].to_string();
        tenant
            .apply(&tenant.managed(kind, "taken", for_provider))
            .await?;
        taken.push((kind, object, id));
    }
    let path = |object: &str| format!("/{object}s");
    let creates = |object| tenant.simulator.log().of(&Method::POST, &path(object));
    for (kind, object, id) in &taken {
        let owner = format!(
            "the name taken is taken by {} {id}",
            object.replace('_', " ")
        );
        let remedy =
            format!("set the annotation crossplane.io/external-name: \"{id}\" to adopt it");
        let (_, message) = tenant.condition(kind, "taken", "Synced", "False").await?;
        let message_lower = message.to_lowercase();
        ensure!(message_lower.contains(&owner), "{kind}: {message}");
        ensure!(message.contains(&remedy), "{kind}: {message}");
        let adopt = json!({"metadata": {"annotations": {"crossplane.io/external-name": id}}});
        tenant.patch(kind, "taken", adopt).await?;
    }
    for (kind, object, id) in &taken {
        let adopted = tenant.ready(kind, "taken").await?;
        let at_provider = &adopted.data["status"]["atProvider"];
        let adopted_id = at_provider["id"].to_string();
        ensure!(adopted_id == *id, "{kind}: {at_provider}");
        // Every object has a UID now, so a lost external name would be found again.
        let uid = adopted.uid().context("the UID")?;
        ensure!(
            at_provider["labels"]["hcloud.openova.io/uid"] == uid,
            "{kind}: {at_provider}"
        );
        let accepted = creates(object)
            .into_iter()
            .filter(|entry| entry.status() == Some(201));
        ensure!(accepted.count() == 1, "{kind}: adopted, not created");
        tenant.delete(kind, "taken").await?;
    }
    for (kind, ..) in taken {
        tenant.gone(kind, "taken").await?;
    }
    Ok(())
}

async fn an_external_name_of_the_wrong_form_is_reported_with_the_right_one(
    world: &World,
) -> Result<()> {
    let tenant = world.tenant("input-external").await?;
    let subnet = json!({"networkId": "1", "ipRange": "10.0.1.0/24", "location": "fsn1"});
    let route = json!({"networkId": "1", "destination": "10.8.0.0/16", "gateway": "10.0.1.2"});
    let attachment = json!({"volumeId": "1", "serverId": "2"});
    let service =
        json!({"loadBalancerId": "1", "protocol": "tcp", "listenPort": 80, "destinationPort": 80});
    let in_network = json!({"serverId": "1", "networkId": "2"});
    let cases = [
        ("Firewall", json!({}), "fw-1", "the numeric id"),
        (
            "PlacementGroup",
            json!({"type": "spread"}),
            "0",
            "the numeric id",
        ),
        ("Subnet", subnet, "1_10.0.1.0/24", "<network id>-<ip range>"),
        ("Route", route, "10.8.0.0/16", "<network id>-<destination>"),
        ("VolumeAttachment", attachment, "vol", "<volume id>"),
        ("ServerNetwork", in_network, "1", "<server id>-<network id>"),
        (
            "LoadBalancerService",
            service,
            "1-80",
            "<load balancer id>__<listen port>",
        ),
    ];
    for (kind, for_provider, external_name, _) in &cases {
        let mut object = tenant.managed(kind, "bad", for_provider.clone());
        object["metadata"]["annotations"] = json!({"crossplane.io/external-name": external_name});
        tenant.apply(&object).await?;
    }
    for (kind, _, external_name, form) in cases {
        let words = [
            format!("annotation crossplane.io/external-name is {external_name:?}"),
            format!("it must be {form} of an existing {kind}, or be left out"),
        ];
        fails_with(&tenant, kind, "bad", &words.each_ref().map(String::as_str)).await?;
        // What cannot have been made needs no cloud to be deleted.
        tenant.delete(kind, "bad").await?;
        tenant.gone(kind, "bad").await?;
    }
    ensure!(tenant.simulator.log().mutations().is_empty());
    Ok(())
}

async fn policies_that_cannot_be_had_are_refused_until_they_are_changed(
    world: &World,
) -> Result<()> {
    let tenant = world.tenant("input-policies").await?;
    let mut group = tenant.managed("PlacementGroup", "group", json!({"type": "spread"}));
    group["spec"]["managementPolicies"] = json!(["Observe", "Fly"]);
    match tenant.apply(&group).await {
        Ok(()) => bail!("a policy that does not exist is accepted"),
        Err(error) => ensure!(
            format!("{error:#}").contains("managementPolicies"),
            "{error:#}"
        ),
    }
    group["spec"]["managementPolicies"] = json!(["Create", "Delete"]);
    tenant.apply(&group).await?;
    let words = [
        "spec.managementPolicies",
        "([Create Delete])",
        "not supported",
    ];
    fails_with(&tenant, "PlacementGroup", "group", &words).await?;
    ensure!(tenant.simulator.log().entries().is_empty());

    group["spec"]["managementPolicies"] = json!(["*"]);
    tenant.apply(&group).await?;
    tenant.ready("PlacementGroup", "group").await?;
    Ok(())
}

async fn an_object_that_cannot_be_read_is_reported_and_its_kind_goes_on(
    world: &World,
) -> Result<()> {
    let tenant = world.tenant("input-unreadable").await?;
    for name in ["broken", "whole"] {
        let group = tenant.managed("PlacementGroup", name, json!({"type": "spread"}));
        tenant.apply(&group).await?;
        tenant.ready("PlacementGroup", name).await?;
    }
    // As a later version may have stored it.
    let key = "/registry/hcloud.openova.io/placementgroups/input-unreadable/broken";
    rewrite(tenant.rig, key, |group| {
        group["spec"]["forProvider"]["type"] = json!("cluster")
    })
    .await?;
    let words = ["cannot decode the stored object", "cluster"];
    fails_with(&tenant, "PlacementGroup", "broken", &words).await?;
    let broken = tenant.get("PlacementGroup", "broken").await?;
    let conditions = broken.data["status"]["conditions"].to_string();
    ensure!(
        conditions.contains("Ready"),
        "other conditions stay: {conditions}"
    );
    // Events are written in the background.
    eventually("it is an event", SOON, || async {
        let events = tenant.events("PlacementGroup", "broken").await?;
        let mut messages = events.iter().filter_map(|event| event.message.as_ref());
        ensure!(
            messages.any(|message| message.contains("cannot decode")),
            "{events:?}"
        );
        Ok(())
    })
    .await?;

    let labelled = json!({"spec": {"forProvider": {"labels": {"team": "a"}}}});
    tenant.patch("PlacementGroup", "whole", labelled).await?;
    eventually("the other group is changed", SOON, || async {
        let whole = tenant.ready("PlacementGroup", "whole").await?;
        let labels = &whole.data["status"]["atProvider"]["labels"];
        ensure!(labels["team"] == "a", "{labels}");
        Ok(())
    })
    .await?;

    let corrected = json!({"spec": {"forProvider": {"type": "spread"}}});
    tenant.patch("PlacementGroup", "broken", corrected).await?;
    tenant.ready("PlacementGroup", "broken").await?;
    Ok(())
}
