use hcloud_simulator::ActionMode;

use super::*;

fn client(simulator: &Simulator, action_interval: Duration) -> hcloud::Client {
    let settings = hcloud::Settings {
        action_interval,
        ..hcloud::Settings::default()
    };
    let clients = hcloud::Clients::new(settings, Clock::system(), hcloud::Metrics::default());
    let endpoint = hcloud::Endpoint::parse(&simulator.url()).unwrap();
    let token = hcloud::Token::new(hcloud_simulator::DEFAULT_TOKEN).unwrap();
    clients.unwrap().get(&endpoint, &token)
}

/// Creates a hundred servers together and sees them through as the reconciler does: after a create or a change what it
/// left in memory is looked at, while something goes on the shared list. Returns the requests for each of them.
async fn requests_for_each(fixed: bool) -> f64 {
    const COUNT: usize = 100;
    // Twenty-five times as fast as in earnest: actions of a second, looked at every half second.
    let mut stage = Stage::with(ActionMode::Automatic(Duration::from_millis(40))).await;
    stage.project.client = client(&stage.simulator, Duration::from_millis(20));
    let network = stage.network("net", "10.0.0.0/16", "10.0.1.0/24").await;
    stage.simulator.log().clear();
    let one_of_many = |index: usize| {
        let mut choice = json!({"networkId": network});
        if fixed {
            choice["ip"] = json!(format!("10.0.1.{}", index + 10));
        }
        One::named(&format!("server-{index}"), &json!({"networks": [choice]}))
    };
    let servers = stage.servers();
    let each = (0..COUNT).map(|index| {
        let (mut one, servers, clock) = (one_of_many(index), &servers, Clock::system());
        let stage = &stage;
        async move {
            let mut since = clock.elapsed();
            stage.create(&mut one).await.unwrap();
            loop {
                let look = Look::Shared {
                    max_age: clock.elapsed().saturating_sub(since),
                };
                let Observation::Present(present) =
                    servers.observe(&one.desired(), look).await.unwrap()
                else {
                    panic!("it is gone");
                };
                since = clock.elapsed();
                if present.drift.in_place() {
                    servers.update(&one.desired(), &present).await.unwrap();
                    continue;
                }
                match present.readiness {
                    Readiness::Available => break,
                    Readiness::Creating { recheck } => clock.sleep(recheck / 25).await,
                    other => panic!("{other:?}"),
                }
            }
        }
    });
    futures::future::join_all(each).await;
    assert_eq!(stage.count(), COUNT);
    stage.simulator.log().entries().len() as f64 / COUNT as f64
}

#[tokio::test]
async fn a_hundred_servers_take_few_requests_each() {
    let each = requests_for_each(false).await;
    assert!(each <= 4.0, "{each} requests for each server");
}

#[tokio::test]
async fn a_hundred_servers_with_fixed_addresses_take_few_requests_each() {
    let each = requests_for_each(true).await;
    assert!(each <= 8.0, "{each} requests for each server");
}
