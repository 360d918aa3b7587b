//! What holds for every resource: authentication, budgets, errors, lists.

use std::time::Duration;

use hcloud_simulator::{Options, RateLimit, Simulator, SteppedClock};
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::client::Client;

#[tokio::test]
async fn an_unknown_path_is_404_before_the_token_is_looked_at() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let nobody = Client::new(&simulator).with_token(None);
    let answer = nobody.get("/nothing").await;
    assert_eq!(answer.refusal(), (404, "not_found"));
    assert_eq!(
        answer.header("content-type"),
        "application/json; charset=utf-8"
    );
    assert!(
        answer.text.contains("\n  "),
        "the edge indents: {}",
        answer.text
    );
}

#[tokio::test]
async fn a_missing_and_a_wrong_token_are_told_apart_even_for_a_wrong_method() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let client = Client::new(&simulator);
    for method in [Method::GET, Method::PATCH] {
        let missing = client
            .with_token(None)
            .send(method.clone(), "/networks", None)
            .await;
        let wrong = client
            .with_token(Some("wrong"))
            .send(method, "/networks", None)
            .await;
        assert_eq!(missing.refusal(), (401, "unauthorized"));
        assert_eq!(wrong.refusal(), (401, "unauthorized"));
        assert_eq!(missing.body["error"]["message"], "token is required");
        assert_ne!(wrong.body["error"]["message"], "token is required");
        assert!(
            missing.text.contains(r#""details":null"#),
            "{}",
            missing.text
        );
    }
    assert_eq!(
        client
            .send(Method::PATCH, "/networks", None)
            .await
            .refusal(),
        (405, "method_not_allowed")
    );
}

#[tokio::test]
async fn a_read_only_token_reads_and_nothing_else() {
    let options = Options::default()
        .token("p", "writer")
        .read_only_token("p", "reader");
    let simulator = Simulator::start(options).await.unwrap();
    let writer = Client::new(&simulator).with_token(Some("writer"));
    let reader = Client::new(&simulator).with_token(Some("reader"));
    let id = writer.create_network("n", "10.0.0.0/16").await;
    assert_eq!(
        reader.get(&format!("/networks/{id}")).await.status,
        200,
        "tokens of a project share its objects"
    );
    let refused = reader
        .post(
            "/networks",
            json!({ "name": "m", "ip_range": "10.0.0.0/16" }),
        )
        .await;
    assert_eq!(refused.refusal(), (403, "token_readonly"));
    assert_eq!(
        reader.delete(&format!("/networks/{id}")).await.refusal(),
        (403, "token_readonly")
    );
    assert_eq!(
        simulator
            .world()
            .project("writer")
            .unwrap()
            .networks()
            .len(),
        1
    );
}

#[tokio::test]
async fn projects_do_not_see_each_other() {
    let simulator = Simulator::start(Options::default().token("a", "a").token("b", "b"))
        .await
        .unwrap();
    let (a, b) = (
        Client::new(&simulator).with_token(Some("a")),
        Client::new(&simulator).with_token(Some("b")),
    );
    let id = a.create_network("same", "10.0.0.0/16").await;
    let other = b.create_network("same", "10.0.0.0/16").await;
    assert_ne!(id, other);
    assert_eq!(
        b.get(&format!("/networks/{id}")).await.refusal(),
        (404, "not_found")
    );
    assert_eq!(
        b.get("/networks").await.body["networks"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_revoked_token_is_refused_until_it_is_added_again() {
    let simulator = Simulator::start(Options::default().token("p", "t"))
        .await
        .unwrap();
    let client = Client::new(&simulator).with_token(Some("t"));
    client.create_network("n", "10.0.0.0/16").await;
    simulator.world().revoke_token("t");
    assert_eq!(client.get("/networks").await.status, 401);
    simulator
        .world()
        .add_token("p", "t", hcloud_simulator::Access::ReadWrite);
    assert_eq!(
        client.get("/networks").await.body["networks"][0]["name"],
        "n"
    );
}

#[tokio::test]
async fn the_budget_of_a_project_is_counted_down_refused_and_refilled() {
    let steps = SteppedClock::new(Timestamp::from_second(1_000).unwrap());
    let options = Options {
        clock: steps.clock(),
        rate_limit: RateLimit {
            limit: 2,
            interval: Duration::from_secs(10),
        },
        ..Options::default()
    };
    let simulator = Simulator::start(options).await.unwrap();
    let client = Client::new(&simulator);
    let standing = |answer: &crate::client::Answer| {
        ["limit", "remaining", "reset"]
            .map(|name| answer.header(&format!("ratelimit-{name}")).to_owned())
    };
    let first = client.get("/networks").await;
    assert_eq!(standing(&first), ["2", "1", "1010"]);
    let second = client.get("/networks").await;
    assert_eq!(standing(&second), ["2", "0", "1020"]);
    let third = client.get("/networks").await;
    assert_eq!(third.refusal(), (429, "rate_limit_exceeded"));
    assert_eq!(
        standing(&third),
        ["2", "0", "1020"],
        "a refused request costs nothing"
    );
    steps.advance(Duration::from_secs(10));
    assert_eq!(client.get("/networks").await.status, 200);
    assert_eq!(client.get("/networks").await.status, 429);
}

#[tokio::test]
async fn requests_that_no_token_lets_in_count_but_not_against_a_project() {
    let options = Options {
        rate_limit: RateLimit {
            limit: 2,
            interval: Duration::from_secs(3600),
        },
        ..Options::default()
    };
    let simulator = Simulator::start(options).await.unwrap();
    let client = Client::new(&simulator);
    let missing = client.with_token(None).get("/networks").await;
    assert_eq!(missing.refusal(), (401, "unauthorized"));
    assert_eq!(missing.header("ratelimit-remaining"), "1");
    let wrong = client.with_token(Some("wrong"));
    assert_eq!(
        wrong.get("/networks").await.refusal(),
        (401, "unauthorized")
    );
    assert_eq!(
        wrong.get("/networks").await.refusal(),
        (429, "rate_limit_exceeded")
    );
    let answer = client.get("/networks").await;
    assert_eq!(
        (answer.status, answer.header("ratelimit-remaining")),
        (200, "1")
    );
}

#[tokio::test]
async fn bodies_that_are_not_json_and_fields_that_are_wrong_are_told_apart() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let client = Client::new(&simulator);
    let broken = client
        .try_send(Method::POST, "/networks", Some("{".to_owned()))
        .await
        .unwrap();
    assert_eq!(broken.refusal(), (400, "json_error"));
    let invalid = client
        .post(
            "/networks",
            json!({ "labels": { "-": "x" }, "ip_range": "10.0.0.1/16" }),
        )
        .await;
    assert_eq!(invalid.refusal(), (422, "invalid_input"));
    let fields = &invalid.body["error"]["details"]["fields"];
    let names: Vec<&str> = fields
        .as_array()
        .unwrap()
        .iter()
        .map(|field| field["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["name", "ip_range", "labels"]);
    assert_eq!(fields[0]["messages"], json!(["is required"]));
}

#[tokio::test]
async fn every_answer_carries_its_own_correlation_id() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let client = Client::new(&simulator);
    let (one, two) = (client.get("/networks").await, client.get("/nothing").await);
    assert!(!one.header("x-correlation-id").is_empty());
    assert_ne!(
        one.header("x-correlation-id"),
        two.header("x-correlation-id")
    );
}

#[tokio::test]
async fn following_next_links_visits_every_object_once() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let client = Client::new(&simulator);
    let mut expected = Vec::new();
    for index in 0..7 {
        expected.push(
            client
                .create_network(&format!("n{index}"), "10.0.0.0/16")
                .await,
        );
    }
    let mut seen = Vec::new();
    let mut path = "/networks?per_page=3&sort=name".to_owned();
    loop {
        let answer = client.get(&path).await;
        seen.extend(
            answer.body["networks"]
                .as_array()
                .unwrap()
                .iter()
                .map(|n| n["id"].as_u64().unwrap()),
        );
        let link = answer.header("link").to_owned();
        let Some(next) = link.split(", ").find(|link| link.ends_with("rel=\"next\"")) else {
            break;
        };
        let url = next.trim_start_matches('<').split('>').next().unwrap();
        path = url.strip_prefix(&simulator.url()).unwrap().to_owned();
    }
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn lists_filter_by_name_and_by_label() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let client = Client::new(&simulator);
    for (name, environment) in [("a", "prod"), ("b", "test"), ("c", "prod")] {
        let body =
            json!({ "name": name, "ip_range": "10.0.0.0/16", "labels": { "env": environment } });
        assert_eq!(client.post("/networks", body).await.status, 201);
    }
    for (query, expected) in [
        ("name=b", vec!["b"]),
        ("label_selector=env%3Dprod", vec!["a", "c"]),
        ("label_selector=env%20notin%20%28prod%29", vec!["b"]),
        ("label_selector=env%3Dprod&sort=name%3Adesc", vec!["c", "a"]),
        ("name=z", vec![]),
    ] {
        let answer = client.get(&format!("/networks?{query}")).await;
        let names: Vec<&Value> = answer.body["networks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|n| &n["name"])
            .collect();
        assert_eq!(names, expected, "{query}");
    }
    assert_eq!(
        client.get("/networks?label_selector=%3D").await.refusal(),
        (422, "invalid_input")
    );
}

#[tokio::test]
async fn locations_say_their_network_zones() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let client = Client::new(&simulator);
    let answer = client.get("/locations").await;
    let zones: Vec<(&str, &str)> = answer.body["locations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|location| {
            (
                location["name"].as_str().unwrap(),
                location["network_zone"].as_str().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("fsn1", "eu-central"),
        ("nbg1", "eu-central"),
        ("hel1", "eu-central"),
        ("ash", "us-east"),
        ("hil", "us-west"),
        ("sin", "ap-southeast"),
    ];
    assert_eq!(zones, expected);
    assert_eq!(
        client.get("/locations?name=hel1").await.body["locations"][0]["id"],
        3
    );
    assert_eq!(
        client.get("/locations/6").await.body["location"]["country"],
        "SG"
    );
    assert_eq!(
        client.get("/locations/7").await.refusal(),
        (404, "not_found")
    );
}
