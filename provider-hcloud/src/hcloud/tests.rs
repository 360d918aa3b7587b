//! The client against the simulator, over real HTTP, and against canned answers that the simulator would not give.

mod change;
mod client;
mod odd_answer;
mod read;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use hcloud_simulator::{ActionMode, DEFAULT_TOKEN, Fault, Options, Simulator};
use http::Method;
use jiff::Timestamp;
use tokio::task::JoinSet;

use super::labels::Labels;
use super::network::{CreateNetworkRequest, RouteRequest, SubnetRequest, SubnetType};
use super::*;
use crate::clock::{Clock, SteppedClock};
use ::hcloud::models::ReplaceNetworkRequest;

const HOUR: Duration = Duration::from_secs(3600);
const NOW: Duration = Duration::ZERO;

fn settings() -> Settings {
    let short = Duration::from_millis(1);
    Settings {
        backoff: Backoff {
            base: short,
            cap: short,
        },
        action_interval: short,
        ..Settings::default()
    }
}

fn clients(clock: Clock) -> Clients {
    Clients::new(settings(), clock, Metrics::default()).unwrap()
}

fn client_at(url: &str, token: &str, clock: Clock) -> Client {
    clients(clock).get(&Endpoint::parse(url).unwrap(), &Token::new(token).unwrap())
}

async fn start(options: Options) -> (Simulator, Client) {
    let simulator = Simulator::start(options).await.unwrap();
    let client = client_at(&simulator.url(), DEFAULT_TOKEN, Clock::system());
    (simulator, client)
}

/// A network as somebody else makes it.
fn foreign(simulator: &Simulator, name: &str) -> u64 {
    let mut world = simulator.world();
    let now = world.now();
    let project = world.project_mut(DEFAULT_TOKEN).unwrap();
    project.add_network(name, "10.0.0.0/16".parse().unwrap(), now)
}

fn networks_in(simulator: &Simulator) -> usize {
    simulator
        .world()
        .project(DEFAULT_TOKEN)
        .unwrap()
        .networks()
        .len()
}

/// Method, path and status of the requests so far.
fn requests(simulator: &Simulator) -> Vec<String> {
    let line = |entry: &hcloud_simulator::Entry| {
        let status = entry
            .status()
            .map_or_else(|| "-".to_owned(), |status| status.to_string());
        format!("{} {} {status}", entry.method, entry.path)
    };
    simulator.log().entries().iter().map(line).collect()
}

fn request(name: &str) -> CreateNetworkRequest {
    CreateNetworkRequest {
        labels: Some([("uid".to_owned(), format!("uid-of-{name}"))].into()),
        ..CreateNetworkRequest::new("10.0.0.0/16".to_owned(), name.to_owned())
    }
}

/// Waits until `condition` holds, for at most some seconds.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait)
        .await
        .unwrap_or_else(|_| panic!("never: {what}"));
}
