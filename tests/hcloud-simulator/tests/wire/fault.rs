//! The fault plan: what a client sees, and what has happened meanwhile.

use std::time::Duration;

use hcloud_simulator::{
    ActionMode, DEFAULT_TOKEN, Fault, Options, Simulator, SteppedClock, log::Outcome,
};
use http::Method;
use jiff::Timestamp;
use serde_json::json;

use crate::client::{Client, soon};

fn networks(simulator: &Simulator) -> usize {
    simulator
        .world()
        .project(DEFAULT_TOKEN)
        .unwrap()
        .networks()
        .len()
}

async fn create(client: &Client) -> Option<crate::client::Answer> {
    let body = json!({ "name": "n", "ip_range": "10.0.0.0/16" }).to_string();
    client.try_send(Method::POST, "/networks", Some(body)).await
}

async fn start() -> (Simulator, Client) {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let client = Client::new(&simulator);
    (simulator, client)
}

#[tokio::test]
async fn an_answered_error_comes_n_times_and_has_no_effect() {
    let (simulator, client) = start().await;
    let fault =
        Fault::on(Method::POST, "/networks")
            .times(2)
            .answer(503, "unavailable", "come back later");
    let injection = simulator.faults().inject(fault);
    for _ in 0..2 {
        assert_eq!(
            create(&client).await.unwrap().refusal(),
            (503, "unavailable")
        );
        assert_eq!(networks(&simulator), 0);
    }
    assert_eq!(create(&client).await.unwrap().status, 201);
    assert_eq!(injection.hits(), 2);
}

#[tokio::test]
async fn a_gateway_answers_html() {
    let (simulator, client) = start().await;
    for status in [502, 503, 504] {
        simulator
            .faults()
            .inject(Fault::on(Method::POST, "/networks").html(status));
        let answer = create(&client).await.unwrap();
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (status, "text/html")
        );
        assert!(answer.text.starts_with("<html>"));
        simulator.faults().clear();
    }
    assert_eq!(networks(&simulator), 0);
}

#[tokio::test]
async fn an_invented_rate_limit_says_that_nothing_remains() {
    let (simulator, client) = start().await;
    simulator
        .faults()
        .inject(Fault::on_any("/**").answer(429, "rate_limit_exceeded", "slow down"));
    let answer = client.get("/networks").await;
    assert_eq!(
        (answer.refusal(), answer.header("ratelimit-remaining")),
        ((429, "rate_limit_exceeded"), "0")
    );
    simulator.world().exhaust_rate_limit(DEFAULT_TOKEN);
    assert_eq!(
        client.get("/networks").await.status,
        429,
        "a spent budget is refused without a fault"
    );
}

#[tokio::test]
async fn a_lost_answer_leaves_the_effect_and_a_closed_connection_does_not() {
    let (simulator, client) = start().await;
    simulator
        .faults()
        .inject(Fault::on(Method::POST, "/networks").close_before());
    assert!(create(&client).await.is_none());
    assert_eq!(networks(&simulator), 0);
    simulator
        .faults()
        .inject(Fault::on(Method::POST, "/networks").close_after());
    assert!(create(&client).await.is_none());
    assert_eq!(networks(&simulator), 1);
    assert_eq!(
        create(&client).await.unwrap().refusal(),
        (409, "uniqueness_error")
    );
    let outcomes: Vec<Outcome> = simulator
        .log()
        .mutations()
        .iter()
        .map(|entry| entry.outcome)
        .collect();
    assert_eq!(
        outcomes,
        [Outcome::Closed, Outcome::Closed, Outcome::Answered(409)]
    );
}

#[tokio::test]
async fn a_stale_list_shows_what_was_there_some_time_ago() {
    let steps = SteppedClock::new(Timestamp::UNIX_EPOCH);
    let options = Options {
        clock: steps.clock(),
        actions: ActionMode::Automatic(Duration::from_secs(2)),
        ..Options::default()
    };
    let simulator = Simulator::start(options).await.unwrap();
    let client = Client::new(&simulator);
    let names = async || {
        let body = client.get("/networks").await.body;
        let networks = body["networks"].as_array().unwrap().clone();
        let text = |network: &serde_json::Value| {
            let ip_range = network["ip_range"].as_str().unwrap();
            format!("{} {ip_range}", network["name"].as_str().unwrap())
        };
        networks.iter().map(text).collect::<Vec<_>>()
    };
    let second = || steps.advance(Duration::from_secs(1));
    client.create_network("old", "10.0.0.0/16").await;
    second();
    let stale = Fault::on(Method::GET, "/networks")
        .always()
        .stale(Duration::from_secs(3));
    simulator.faults().inject(stale);
    let id = client.create_network("new", "10.2.0.0/16").await;
    assert_eq!(names().await, ["old 10.0.0.0/16"]);
    let one = client.get(&format!("/networks/{id}")).await;
    assert_eq!(one.status, 200, "the fault is about the list only");
    let labelled = client.get("/networks?label_selector=!none").await;
    assert_eq!(labelled.body["networks"].as_array().unwrap().len(), 1);

    second();
    let range = json!({ "ip_range": "10.2.0.0/15" });
    let path = format!("/networks/{id}/actions/change_ip_range");
    let grow = client.post(&path, range).await;
    assert_eq!(grow.status, 201, "{}", grow.text);
    second();
    assert_eq!(names().await, ["old 10.0.0.0/16"]);
    second();
    assert_eq!(
        names().await,
        ["old 10.0.0.0/16", "new 10.2.0.0/16"],
        "the action has ended, and its end is not three seconds old"
    );
    steps.advance(Duration::from_secs(3));
    assert_eq!(names().await, ["old 10.0.0.0/16", "new 10.2.0.0/15"]);
    let injection = &simulator.faults().injections()[0];
    assert_eq!(injection.hits(), 5);
}

#[tokio::test]
async fn a_slow_answer_comes_when_the_clock_says_so() {
    let steps = SteppedClock::new(Timestamp::UNIX_EPOCH);
    let simulator = Simulator::start(Options {
        clock: steps.clock(),
        ..Options::default()
    })
    .await
    .unwrap();
    let client = Client::new(&simulator);
    let slow = Fault::on(Method::POST, "/networks").slow(Duration::from_secs(30));
    let injection = simulator.faults().inject(slow);
    let asked = tokio::spawn(async move { create(&client).await });
    soon(injection.reached(1)).await;
    assert_eq!(
        networks(&simulator),
        1,
        "the effect is there, the answer is not"
    );
    assert_eq!(simulator.log().entries()[0].outcome, Outcome::Pending);
    steps.advance(Duration::from_secs(30));
    assert_eq!(asked.await.unwrap().unwrap().status, 201);
}

#[tokio::test]
async fn a_held_request_takes_effect_after_its_client_has_gone() {
    let (simulator, client) = start().await;
    let hold = simulator
        .faults()
        .inject(Fault::on(Method::POST, "/networks").hold_before());
    let asked = tokio::spawn(async move { create(&client).await });
    soon(hold.reached(1)).await;
    assert_eq!(networks(&simulator), 0);
    asked.abort();
    assert!(asked.await.unwrap_err().is_cancelled());
    hold.release();
    soon(
        simulator
            .log()
            .until(|entries| entries[0].outcome == Outcome::Answered(201)),
    )
    .await;
    assert_eq!(networks(&simulator), 1);
}

#[tokio::test]
async fn a_hold_after_the_effect_ends_in_an_answer_or_in_silence() {
    let (simulator, client) = start().await;
    let hold = simulator
        .faults()
        .inject(Fault::on(Method::POST, "/networks").hold_after());
    let asked = tokio::spawn(async move { create(&client).await });
    soon(hold.reached(1)).await;
    assert_eq!(networks(&simulator), 1);
    hold.release();
    assert_eq!(asked.await.unwrap().unwrap().status, 201);

    let hold = simulator
        .faults()
        .inject(Fault::on(Method::DELETE, "/networks/*").hold_after());
    let id = simulator
        .world()
        .project(DEFAULT_TOKEN)
        .unwrap()
        .networks()
        .named("n")
        .unwrap()
        .id;
    let client = Client::new(&simulator);
    let asked = tokio::spawn(async move {
        client
            .try_send(Method::DELETE, &format!("/networks/{id}"), None)
            .await
            .is_none()
    });
    soon(hold.reached(1)).await;
    hold.abort();
    assert!(asked.await.unwrap(), "the connection was closed");
    assert_eq!(networks(&simulator), 0);
}

#[tokio::test]
async fn an_aborted_hold_before_the_effect_changes_nothing() {
    let (simulator, client) = start().await;
    let hold = simulator
        .faults()
        .inject(Fault::on(Method::POST, "/networks").hold_before());
    let asked = tokio::spawn(async move { create(&client).await.is_none() });
    soon(hold.reached(1)).await;
    hold.abort();
    assert!(asked.await.unwrap());
    assert_eq!(networks(&simulator), 0);
}

#[tokio::test]
async fn faults_do_not_count_calls_that_were_never_let_in() {
    let (simulator, client) = start().await;
    let injection = simulator
        .faults()
        .inject(Fault::on(Method::POST, "/networks").html(502));
    assert_eq!(create(&client.with_token(None)).await.unwrap().status, 401);
    assert_eq!(injection.hits(), 0);
    assert_eq!(create(&client).await.unwrap().status, 502);
}
