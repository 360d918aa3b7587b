//! Reads: shared lists, absence, and lists that lose a race.

use super::*;

#[tokio::test]
async fn a_read_is_repeated_and_so_is_a_change_that_was_refused_for_the_moment() {
    let (simulator, client) = start(Options::default()).await;
    let id = client.networks().create(&request("main")).await.unwrap().id;
    simulator
        .faults()
        .inject(Fault::on(Method::GET, "/networks").times(2).html(502));
    simulator.faults().inject(
        Fault::on(Method::PUT, "/networks/*")
            .times(3)
            .answer(409, "conflict", "busy"),
    );
    assert_eq!(client.networks().all(NOW).await.unwrap().len(), 1);
    client
        .networks()
        .update(id, &ReplaceNetworkRequest::new())
        .await
        .unwrap();
    assert_eq!(simulator.log().of(&Method::GET, "/networks").len(), 3);
    assert_eq!(simulator.log().of(&Method::PUT, "/networks/*").len(), 4);
}

#[tokio::test]
async fn an_endpoint_that_is_not_the_api_does_not_make_objects_vanish() {
    let (simulator, _) = start(Options::default()).await;
    let elsewhere = simulator.url().replace("/v1", "/v2");
    let client = client_at(&elsewhere, DEFAULT_TOKEN, Clock::system());
    let error = client.networks().by_id(1, NOW).await.unwrap_err();
    assert_eq!(error.class(), Class::Other, "{error}");
}

#[tokio::test]
async fn many_readers_share_one_list_of_all_pages() {
    let (simulator, client) = start(Options::default()).await;
    let ids: Vec<u64> = (0..120)
        .map(|n| foreign(&simulator, &format!("n{n}")))
        .collect();
    let mut readers = JoinSet::new();
    for id in ids.clone() {
        let client = client.clone();
        readers.spawn(async move { client.networks().by_id(id, NOW).await.unwrap().unwrap().id });
    }
    let mut found = readers.join_all().await;
    found.sort_unstable();
    assert_eq!(found, ids);
    let pages: Vec<_> = simulator
        .log()
        .entries()
        .iter()
        .filter_map(|entry| entry.query.clone())
        .collect();
    // Those who ask while the first list is on its way need one that starts after they asked, all of them the same.
    let list = [
        "page=1&per_page=50",
        "page=2&per_page=50",
        "page=3&per_page=50",
    ];
    assert!(pages == list || pages == [list, list].concat(), "{pages:?}");
    assert_eq!(
        client.networks().by_name("n7", HOUR).await.unwrap()[0].id,
        ids[7]
    );
}

#[tokio::test]
async fn a_failing_list_is_not_asked_for_by_each_of_many_readers() {
    let (simulator, client) = start(Options::default()).await;
    simulator
        .faults()
        .inject(Fault::on(Method::GET, "/networks").always().html(503));
    let mut readers = JoinSet::new();
    for id in 0..50 {
        let client = client.clone();
        readers.spawn(async move { client.networks().by_id(id, NOW).await.unwrap_err().class() });
    }
    assert_eq!(readers.join_all().await, [Class::Unavailable; 50]);
    assert_eq!(simulator.log().entries().len(), 1);
}

#[tokio::test]
async fn an_object_that_others_removed_is_gone_only_when_the_api_says_so() {
    let (simulator, client) = start(Options::default()).await;
    let id = foreign(&simulator, "main");
    assert!(client.networks().by_id(id, NOW).await.unwrap().is_some());
    simulator
        .world()
        .project_mut(DEFAULT_TOKEN)
        .unwrap()
        .networks_mut()
        .remove(id);
    client.networks().invalidate();
    assert_eq!(client.networks().by_id(id, HOUR).await.unwrap(), None);
    assert_eq!(client.networks().by_id(id, HOUR).await.unwrap(), None);
    let get = format!("GET /networks/{id} 404");
    assert_eq!(
        requests(&simulator),
        ["GET /networks 200", "GET /networks 200", &get]
    );
}

#[tokio::test]
async fn a_list_that_was_on_its_way_does_not_undo_an_update() {
    let (simulator, client) = start(Options::default()).await;
    let id = foreign(&simulator, "old");
    let held = simulator
        .faults()
        .inject(Fault::on(Method::GET, "/networks").hold_after());
    let list = tokio::spawn({
        let client = client.clone();
        async move { client.networks().all(NOW).await.unwrap() }
    });
    until("the list is held", || held.hits() == 1).await;
    let update = ReplaceNetworkRequest {
        name: Some("new".to_owned()),
        ..ReplaceNetworkRequest::new()
    };
    client.networks().update(id, &update).await.unwrap();
    held.release();
    assert_eq!(list.await.unwrap()[0].name, "new");
}

#[tokio::test]
async fn who_can_do_without_prices_neither_waits_long_nor_asks_again_soon() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let hand = SteppedClock::new(Timestamp::now());
    let client = client_at(&simulator.url(), DEFAULT_TOKEN, hand.clock());
    let read_at = async || {
        let list = client.pricing_if_known(HOUR).await;
        list.map(|list| list.read_at)
    };
    let asked = || simulator.log().of(&Method::GET, "/pricing").len();

    let held = simulator
        .faults()
        .inject(Fault::on(Method::GET, "/pricing").hold_before());
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.pricing_if_known(HOUR).await }
    });
    until("the price list is held", || held.hits() == 1).await;
    hand.advance(Duration::from_secs(5));
    assert_eq!(waiting.await.unwrap(), None);
    held.release();
    simulator.faults().clear();
    assert_eq!((read_at().await, asked()), (None, 1));

    hand.advance(Duration::from_secs(300));
    let first = read_at().await;
    assert!(first.is_some());
    assert_eq!(read_at().await, first);
    assert_eq!(asked(), 2);

    hand.advance(HOUR + HOUR);
    let refusal = Fault::on(Method::GET, "/pricing").always();
    let refusal = refusal.answer(403, "forbidden", "not now");
    simulator.faults().inject(refusal);
    assert_eq!(read_at().await, first, "an old price is better than none");
    assert_eq!(read_at().await, first);
    assert_eq!(asked(), 4, "one more chance, and then none for a while");
    client.pricing(HOUR).await.unwrap_err();
}

#[tokio::test]
async fn single_objects_are_read_by_themselves_until_the_list_is_cheaper() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let hand = SteppedClock::new(Timestamp::now());
    let client = client_at(&simulator.url(), DEFAULT_TOKEN, hand.clock());
    let ids: Vec<u64> = (0..120)
        .map(|n| foreign(&simulator, &format!("n{n}")))
        .collect();
    let read = async |id: u64, max_age: Duration| {
        simulator.log().clear();
        client.networks().by_id(id, max_age).await.unwrap().unwrap();
        let log = simulator.log().entries();
        let paths: Vec<_> = log.iter().map(|entry| entry.path.clone()).collect();
        (paths.len(), paths.iter().all(|path| path == "/networks"))
    };
    assert_eq!(read(ids[0], HOUR).await, (3, true), "nothing is known");
    let soon = Duration::from_secs(2);
    hand.advance(soon * 2);
    for id in &ids[..3] {
        assert_eq!(read(*id, soon).await, (1, false));
    }
    assert_eq!(read(ids[3], soon).await, (3, true), "the list by now");
    assert_eq!(read(ids[4], soon).await, (0, true), "which has all");
    hand.advance(Duration::from_secs(10));
    assert_eq!(read(ids[5], soon).await, (1, false));
    hand.advance(HOUR);
    let poll = Duration::from_secs(600);
    assert_eq!(read(ids[6], poll).await, (3, true), "all are looked at");
}
