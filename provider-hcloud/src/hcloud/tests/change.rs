//! Changes: their effect, their requests, and what is known after one that went wrong.

use super::load_balancer::{CreateLoadBalancerRequest, CreatePublicNet};
use super::*;

#[tokio::test]
async fn a_network_is_made_changed_and_removed_with_few_requests() {
    let (simulator, client) = start(Options::default()).await;
    let networks = client.networks();
    let made = networks.create(&request("main")).await.unwrap();
    let id = made.id;
    assert_eq!(
        networks.by_id(id, HOUR).await.unwrap(),
        Some(made),
        "known without asking"
    );

    let update = ReplaceNetworkRequest {
        name: Some("renamed".to_owned()),
        ..ReplaceNetworkRequest::new()
    };
    let network = networks.update(id, &update).await.unwrap();
    assert_eq!(
        (network.name.as_str(), network.labels["uid"].as_str()),
        ("renamed", "uid-of-main")
    );
    let network = networks.change_ip_range(id, "10.0.0.0/12").await.unwrap();
    assert_eq!(network.ip_range.as_deref(), Some("10.0.0.0/12"));
    let subnet = SubnetRequest {
        ip_range: Some("10.0.1.0/24".to_owned()),
        ..SubnetRequest::new("eu-central".to_owned(), SubnetType::Cloud)
    };
    let network = networks.add_subnet(id, &subnet).await.unwrap();
    assert_eq!(network.subnets[0].ip_range.as_deref(), Some("10.0.1.0/24"));
    let route = RouteRequest::new("10.100.1.0/24".to_owned(), "10.0.1.1".to_owned());
    let network = networks.add_route(id, &route).await.unwrap();
    assert_eq!(network.routes[0].destination, "10.100.1.0/24");
    networks.delete_route(id, &route).await.unwrap();
    let network = networks.delete_subnet(id, "10.0.1.0/24").await.unwrap();
    assert_eq!((network.routes.len(), network.subnets.len()), (0, 0));
    networks.change_protection(id, true).await.unwrap();

    let refused = networks.delete(id).await.unwrap_err();
    assert_eq!(refused.class(), Class::Protected);
    let network = networks.by_id(id, HOUR).await.unwrap().unwrap();
    assert_eq!(network.protection.delete, Some(true));
    networks.change_protection(id, false).await.unwrap();
    networks.delete(id).await.unwrap();
    assert_eq!(networks.by_id(id, HOUR).await.unwrap(), None);
    networks.delete(id).await.unwrap();

    let action = |command: &str| {
        [
            format!("POST /networks/{id}/actions/{command} 201"),
            format!("GET /networks/{id} 200"),
        ]
    };
    let mut expected = vec![
        "POST /networks 201".to_owned(),
        format!("PUT /networks/{id} 200"),
    ];
    for command in [
        "change_ip_range",
        "add_subnet",
        "add_route",
        "delete_route",
        "delete_subnet",
        "change_protection",
    ] {
        expected.extend(action(command));
    }
    expected.push(format!("DELETE /networks/{id} 423"));
    expected.extend(action("change_protection"));
    expected.extend([
        format!("DELETE /networks/{id} 204"),
        format!("DELETE /networks/{id} 404"),
    ]);
    assert_eq!(requests(&simulator), expected);
    let agent = simulator.log().entries()[0].user_agent.clone();
    assert_eq!(
        agent.as_deref(),
        Some(concat!("provider-hcloud/", env!("CARGO_PKG_VERSION")))
    );
}

#[tokio::test]
async fn a_create_whose_answer_is_lost_has_an_unknown_outcome_and_is_found_afterwards() {
    let (simulator, client) = start(Options::default()).await;
    let networks = client.networks();
    assert_eq!(networks.all(HOUR).await.unwrap().len(), 0);
    simulator
        .faults()
        .inject(Fault::on(Method::POST, "/networks").close_after());
    let lost = networks.create(&request("main")).await.unwrap_err();
    assert_eq!(lost.class(), Class::OutcomeUnknown);
    assert_eq!(lost.to_string(), "POST /networks: no answer from the API");
    assert_eq!(
        simulator.log().mutations().len(),
        1,
        "never sent a second time"
    );

    let listed = networks.by_label("uid", "uid-of-main", HOUR).await.unwrap();
    let searched = networks.search("uid", "uid-of-main").await.unwrap();
    assert_eq!(
        (listed.len(), &listed),
        (1, &searched),
        "the old list does not count any more"
    );
    assert_eq!(networks_in(&simulator), 1);
}

#[tokio::test]
async fn a_change_that_a_gateway_or_a_broken_connection_answered_is_not_repeated() {
    for fault in [
        Fault::on(Method::PUT, "/networks/*").close_before(),
        Fault::on(Method::PUT, "/networks/*").html(502),
        Fault::on(Method::PUT, "/networks/*").html(504),
        Fault::on(Method::PUT, "/networks/*").answer(500, "server_error", "oops"),
    ] {
        let (simulator, client) = start(Options::default()).await;
        let id = client.networks().create(&request("main")).await.unwrap().id;
        simulator.faults().inject(fault.clone());
        let error = client
            .networks()
            .update(id, &ReplaceNetworkRequest::new())
            .await
            .unwrap_err();
        assert_eq!(error.class(), Class::OutcomeUnknown, "{fault:?}");
        assert_eq!(
            simulator.log().of(&Method::PUT, "/networks/*").len(),
            1,
            "{fault:?}"
        );
        client.networks().by_id(id, HOUR).await.unwrap().unwrap();
        assert_eq!(
            simulator.log().of(&Method::GET, "/networks/*").len(),
            1,
            "what was known is doubted"
        );
    }
}

#[tokio::test]
async fn thirty_actions_are_looked_at_with_two_requests_a_round() {
    let hand = SteppedClock::new(Timestamp::UNIX_EPOCH);
    let options = Options {
        actions: ActionMode::Explicit,
        ..Options::default()
    };
    let simulator = Simulator::start(options).await.unwrap();
    let client = client_at(&simulator.url(), DEFAULT_TOKEN, hand.clock());
    let mut changes = JoinSet::new();
    for n in 0..30 {
        let (id, client) = (foreign(&simulator, &format!("n{n}")), client.clone());
        changes.spawn(async move { client.networks().change_protection(id, true).await });
    }
    until("all are waited for", || client.waiting().len() == 30).await;
    for round in 1..=3 {
        hand.advance(Duration::from_millis(1));
        until("a round", || {
            simulator.log().of(&Method::GET, "/actions").len() == 2 * round
        })
        .await;
    }
    let sizes: Vec<usize> = simulator
        .log()
        .of(&Method::GET, "/actions")
        .iter()
        .filter_map(|entry| Some(entry.query.as_ref()?.matches("id=").count()))
        .collect();
    assert_eq!(sizes, [25, 5, 25, 5, 25, 5]);
    simulator.actions().drain();
    let stepped = || {
        hand.advance(Duration::from_millis(1));
        client.waiting().len() == 0
    };
    until("all have ended", stepped).await;
    for network in changes.join_all().await {
        assert_eq!(network.unwrap().protection.delete, Some(true));
    }
}

#[tokio::test]
async fn a_failed_action_is_reported_with_its_own_code() {
    let options = Options {
        actions: ActionMode::Automatic(Duration::from_millis(5)),
        ..Options::default()
    };
    let (simulator, client) = start(options).await;
    let id = foreign(&simulator, "main");
    let fault =
        Fault::on(Method::POST, "/networks/*/actions/*").fail_action("unknown_error", "it broke");
    simulator.faults().inject(fault);
    let error = client
        .networks()
        .change_protection(id, true)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "action change_protection failed: it broke (unknown_error)"
    );
    let network = client.networks().change_protection(id, true).await.unwrap();
    assert_eq!(network.protection.delete, Some(true));
}

#[tokio::test]
async fn a_create_whose_action_cannot_be_followed_has_an_unknown_outcome() {
    let options = Options {
        actions: ActionMode::Automatic(Duration::from_millis(5)),
        ..Options::default()
    };
    let request = CreateLoadBalancerRequest {
        name: "api".to_owned(),
        labels: Labels::new(),
        load_balancer_type: "lb11".to_owned(),
        location: Some("fsn1".to_owned()),
        network_zone: None,
        algorithm: None,
        public_net: CreatePublicNet::default(),
    };
    for (status, code) in [(401, "unauthorized"), (503, "unavailable")] {
        let (simulator, client) = start(options.clone()).await;
        let look = Fault::on(Method::GET, "/actions").always();
        simulator
            .faults()
            .inject(look.answer(status, code, "not now"));
        let error = client.load_balancers().make(&request).await.unwrap_err();
        assert_eq!(error.class(), Class::OutcomeUnknown, "{status}");
        simulator.faults().clear();
        let found = client.load_balancers().by_name("api", NOW).await.unwrap();
        assert_eq!(found.len(), 1, "{status}: it was made all the same");
    }
}

#[tokio::test]
async fn changes_of_one_network_take_turns() {
    let options = Options {
        actions: ActionMode::Automatic(Duration::from_millis(5)),
        ..Options::default()
    };
    let (simulator, client) = start(options).await;
    let id = foreign(&simulator, "main");
    let mut changes = JoinSet::new();
    for n in 1..=5 {
        let client = client.clone();
        let subnet = SubnetRequest {
            ip_range: Some(format!("10.0.{n}.0/24")),
            ..SubnetRequest::new("eu-central".to_owned(), SubnetType::Cloud)
        };
        changes.spawn(async move { client.networks().add_subnet(id, &subnet).await.map(drop) });
    }
    assert!(changes.join_all().await.iter().all(Result::is_ok));
    let statuses: Vec<_> = simulator
        .log()
        .mutations()
        .iter()
        .map(|entry| entry.status())
        .collect();
    assert_eq!(statuses, [Some(201); 5], "no conflict");
}

/// Fresh clients meet their first list, creates and reads all at once, as they do after a start.
#[tokio::test(flavor = "multi_thread")]
async fn everything_that_starts_side_by_side_ends() {
    for round in 0..50 {
        let (simulator, client) = start(Options::default()).await;
        let mut tasks = JoinSet::new();
        for index in 0..4 {
            let client = client.clone();
            tasks.spawn(async move {
                let name = format!("network-{index}");
                let uid = format!("uid-of-{name}");
                let networks = client.networks();
                assert!(
                    networks
                        .by_label("uid", &uid, HOUR)
                        .await
                        .unwrap()
                        .is_empty()
                );
                assert!(networks.search("uid", &uid).await.unwrap().is_empty());
                let made = networks.create(&request(&name)).await.unwrap();
                networks.by_id(made.id, NOW).await.unwrap().unwrap()
            });
        }
        let ended = tokio::time::timeout(Duration::from_secs(20), tasks.join_all()).await;
        let made = ended.unwrap_or_else(|_| panic!("round {round}: {:?}", requests(&simulator)));
        assert_eq!((made.len(), networks_in(&simulator)), (4, 4));
    }
}
