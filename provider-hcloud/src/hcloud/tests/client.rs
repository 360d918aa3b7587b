//! Clients: sharing, tokens, budgets, metrics, and an API that is away.

use super::*;

#[tokio::test]
async fn a_call_over_the_limit_waits_for_the_budget_and_then_goes() {
    let steps = hcloud_simulator::SteppedClock::new(Timestamp::UNIX_EPOCH);
    let hand = SteppedClock::new(Timestamp::UNIX_EPOCH);
    let options = Options {
        clock: steps.clock(),
        ..Options::default()
    };
    let simulator = Simulator::start(options).await.unwrap();
    let client = client_at(&simulator.url(), DEFAULT_TOKEN, hand.clock());
    simulator.world().exhaust_rate_limit(DEFAULT_TOKEN);
    let create = tokio::spawn({
        let client = client.clone();
        async move { client.networks().create(&request("main")).await }
    });
    let answered = || requests(&simulator) == ["POST /networks 429"];
    until("refused", answered).await;
    steps.advance(Duration::from_secs(1));
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(answered(), "our clock has not moved yet");
    let stepped = || {
        hand.advance(Duration::from_millis(100));
        create.is_finished()
    };
    until("done", stepped).await;
    create.await.unwrap().unwrap();
    assert_eq!(
        requests(&simulator),
        ["POST /networks 429", "POST /networks 201"]
    );
}

#[tokio::test]
async fn a_call_that_the_budget_would_hold_up_for_long_is_refused_with_the_time() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let settings = Settings {
        budget_wait: Duration::from_millis(10),
        ..settings()
    };
    let clients = Clients::new(settings, Clock::system(), Metrics::default()).unwrap();
    let client = clients.get(
        &Endpoint::parse(&simulator.url()).unwrap(),
        &Token::new(DEFAULT_TOKEN).unwrap(),
    );
    simulator.world().exhaust_rate_limit(DEFAULT_TOKEN);
    let before = Clock::system().now();
    let error = client.networks().all(NOW).await.unwrap_err();
    assert_eq!(error.class(), Class::RateLimited);
    assert!(error.retry_at().unwrap() > before);
    assert_eq!(
        error.to_string(),
        "GET /networks: waiting for the request budget of the project"
    );
    assert_eq!(requests(&simulator), ["GET /networks 429"]);
}

#[tokio::test]
async fn a_wrong_token_and_a_read_only_token_are_reported_at_once() {
    let options = Options::default()
        .token("default", DEFAULT_TOKEN)
        .read_only_token("default", "reader");
    let (simulator, _) = start(options).await;
    let stranger = client_at(&simulator.url(), "stranger", Clock::system());
    let error = stranger.networks().all(NOW).await.unwrap_err();
    assert_eq!(error.class(), Class::Unauthorized);
    assert!(error.to_string().ends_with("(unauthorized)"), "{error}");
    let reader = client_at(&simulator.url(), "reader", Clock::system());
    let error = reader
        .networks()
        .create(&request("main"))
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::Forbidden);
    assert_eq!(requests(&simulator).len(), 2);
}

#[tokio::test]
async fn an_api_that_is_away_is_unavailable_and_used_again_when_it_is_back() {
    let (simulator, client) = start(Options::default()).await;
    client.networks().all(NOW).await.unwrap();
    simulator.suspend().await.unwrap();
    let error = client
        .networks()
        .create(&request("main"))
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::Unavailable, "it cannot have happened");
    assert_eq!(error.to_string(), "POST /networks: cannot reach the API");
    simulator.resume().await.unwrap();
    client.networks().create(&request("main")).await.unwrap();
    assert_eq!(networks_in(&simulator), 1);
}

#[tokio::test]
async fn one_token_at_one_endpoint_is_one_client_until_nobody_needs_it() {
    let hand = SteppedClock::new(Timestamp::UNIX_EPOCH);
    let clients = clients(hand.clock());
    let endpoint = Endpoint::default();
    let token = |text: &str| Token::new(text).unwrap();
    let first = clients.get(&endpoint, &token("a"));
    let same = |one: &Client, other: &Client| {
        Arc::ptr_eq(&one.snapshot::<Network>(), &other.snapshot::<Network>())
    };
    assert!(same(&first, &clients.get(&endpoint, &token("a\n"))));
    assert!(!same(&first, &clients.get(&endpoint, &token("b"))));
    assert!(!same(
        &first,
        &clients.get(&Endpoint::parse("http://127.0.0.1:1").unwrap(), &token("a"))
    ));
    assert_eq!(clients.len(), 3);
    hand.advance(2 * HOUR);
    clients.get(&endpoint, &token("c"));
    assert_eq!(clients.len(), 2, "the one that is held, and the new one");
    assert!(same(&first, &clients.get(&endpoint, &token("a"))));
    assert_eq!(
        format!("{first:?}"),
        "Client { endpoint: \"https://api.hetzner.cloud/v1\", .. }"
    );
}

#[tokio::test]
async fn calls_and_budgets_are_counted_without_ids_and_tokens() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let metrics = Metrics::default();
    let mut registry = prometheus_client::registry::Registry::default();
    metrics.register(&mut registry);
    let clients = Clients::new(settings(), Clock::system(), metrics).unwrap();
    let client = clients.get(
        &Endpoint::parse(&simulator.url()).unwrap(),
        &Token::new(DEFAULT_TOKEN).unwrap(),
    );
    let id = client.networks().create(&request("main")).await.unwrap().id;
    client.networks().change_protection(id, true).await.unwrap();
    client.networks().delete(id).await.unwrap_err();
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for line in [
        r#"hcloud_requests_total{endpoint="POST /networks",class="ok"} 1"#,
        r#"hcloud_requests_total{endpoint="POST /networks/{id}/actions/change_protection",class="ok"} 1"#,
        r#"hcloud_requests_total{endpoint="DELETE /networks/{id}",class="protected"} 1"#,
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
    assert!(
        text.contains("hcloud_budget_remaining{credential="),
        "{text}"
    );
    assert!(
        !text.contains(DEFAULT_TOKEN) && !text.contains(&id.to_string()),
        "{text}"
    );
}
