use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn seen(holder: Option<&str>, duration: Option<i32>) -> Seen {
    let spec = LeaseSpec {
        holder_identity: holder.map(str::to_owned),
        lease_duration_seconds: duration,
        ..LeaseSpec::default()
    };
    let lease = Lease {
        spec: Some(spec),
        ..Lease::default()
    };
    Seen {
        lease: Some(lease),
        since: seconds(100),
    }
}

#[test]
fn who_holds_the_lease_and_for_how_long_decides() {
    let nobodys = Seen {
        lease: None,
        since: seconds(100),
    };
    let others = || seen(Some("other"), Some(60));
    let mine = || seen(Some("me"), Some(30));
    let (candidate, leader) = (Role::Candidate, Role::Leader);
    for (role, seen, age, expected) in [
        (candidate, nobodys.clone(), 0, Step::Take),
        (candidate, seen(None, None), 0, Step::Take),
        (candidate, seen(Some(""), Some(1)), 0, Step::Take),
        (candidate, mine(), 0, Step::Take),
        (candidate, others(), 0, Step::Wait(seconds(60))),
        (candidate, others(), 59, Step::Wait(seconds(1))),
        (candidate, others(), 60, Step::Take),
        (candidate, others(), 61, Step::Take),
        // Whoever says nothing about the duration is given ours.
        (
            candidate,
            seen(Some("other"), None),
            29,
            Step::Wait(seconds(1)),
        ),
        (candidate, seen(Some("other"), Some(-1)), 30, Step::Take),
        (leader, mine(), 0, Step::Wait(RENEW)),
        (leader, mine(), 7, Step::Wait(seconds(1))),
        (leader, mine(), 8, Step::Renew(seconds(12))),
        (leader, mine(), 19, Step::Renew(seconds(1))),
        (leader, mine(), 20, Step::Lost(Lost::Expired)),
        (leader, others(), 0, Step::Lost(Lost::Taken)),
        (leader, seen(Some(""), Some(1)), 0, Step::Lost(Lost::Taken)),
        (leader, nobodys, 0, Step::Lost(Lost::Taken)),
    ] {
        let now = seconds(100 + age);
        let step = decide(role, &seen, "me", now);
        assert_eq!(step, expected, "{role:?} {:?} after {age} s", seen.holder());
    }
}

#[test]
fn a_lease_that_does_not_change_keeps_its_age() {
    let version = |version: &str| {
        let mut lease = seen(Some("other"), Some(30)).lease.unwrap();
        lease.metadata.resource_version = Some(version.to_owned());
        Some(lease)
    };
    let mut seen = Seen {
        lease: version("1"),
        since: seconds(1),
    };
    seen.note(version("1"), seconds(2));
    assert_eq!(seen.since, seconds(1));
    seen.note(version("2"), seconds(3));
    assert_eq!(seen.since, seconds(3));
    seen.note(None, seconds(4));
    assert_eq!((seen.since, seen.holder()), (seconds(4), None));
}

#[test]
fn a_leader_gives_up_before_others_take_over() {
    assert!(DEADLINE + GRACE_OF_THE_PROCESS < DURATION);
    assert!(
        RENEW + REQUEST + RETRY < DEADLINE,
        "a renewal is tried twice"
    );
}

/// What the process may need to end after it has lost the Lease, generously.
const GRACE_OF_THE_PROCESS: Duration = seconds(5);

#[test]
fn no_two_processes_of_a_pod_have_the_same_name() {
    let [one, other] = [identity("pod-1"), identity("pod-1")];
    assert_ne!(one, other);
    assert!(
        one.starts_with("pod-1_") && one.len() == "pod-1_".len() + 32,
        "{one}"
    );
}

/// The API server, as far as one Lease goes.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    lease: Option<Value>,
    writes: u64,
    /// Requests stay without an answer.
    silent: bool,
}

impl Server {
    fn elector(&self, me: &str, clock: &Clock) -> Elector {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await?.to_bytes();
                if server.0.lock().unwrap().silent {
                    std::future::pending::<()>().await;
                }
                let body = serde_json::from_slice(&body).unwrap_or_default();
                let (status, answer) = server.0.lock().unwrap().answer(&parts.method, body);
                let answer = Full::new(Bytes::from(answer.to_string()));
                Ok::<_, kube::Error>(Response::builder().status(status).body(answer).unwrap())
            }
        });
        Elector::new(
            Client::new(service, "default"),
            "system",
            "lease".to_owned(),
            me.to_owned(),
            clock.clone(),
            Metrics::default(),
        )
    }

    fn spec(&self, field: &str) -> Value {
        self.0.lock().unwrap().lease.as_ref().unwrap()["spec"][field].clone()
    }
}

impl State {
    fn answer(&mut self, method: &Method, mut body: Value) -> (u16, Value) {
        let refused = |code: u16, reason: &str| {
            (
                code,
                json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": reason, "code": code}),
            )
        };
        let version = |lease: &Value| lease["metadata"]["resourceVersion"].clone();
        match (method.clone(), &self.lease) {
            (Method::GET, Some(lease)) => return (200, lease.clone()),
            (Method::POST, None) => {}
            (Method::POST, Some(_)) => return refused(409, "AlreadyExists"),
            (Method::PUT, Some(lease)) if version(lease) == version(&body) => {}
            (Method::PUT, Some(_)) => return refused(409, "Conflict"),
            _ => return refused(404, "NotFound"),
        }
        self.writes += 1;
        body["metadata"]["resourceVersion"] = json!(self.writes.to_string());
        self.lease = Some(body.clone());
        (200, body)
    }
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_ends_in_order_is_followed_at_once() {
    let (server, clock) = (Server::default(), Clock::system());
    let mut leader = server.elector("one", &clock).acquire().await;
    assert_eq!(server.spec("holderIdentity"), "one");
    assert_eq!(server.spec("leaseTransitions"), 0);
    let next = tokio::spawn(server.elector("two", &clock).acquire());
    let kept = tokio::time::timeout(seconds(300), leader.keep()).await;
    assert!(kept.is_err(), "it leads on: {kept:?}");
    assert!(!next.is_finished(), "and the other waits");

    leader.release().await;
    let released = Instant::now();
    next.await.unwrap();
    assert!(released.elapsed() <= RETRY, "{:?}", released.elapsed());
    assert_eq!(server.spec("holderIdentity"), "two");
    assert_eq!(server.spec("leaseTransitions"), 1);
    assert_eq!(server.spec("leaseDurationSeconds"), 30);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_dies_is_followed_when_its_lease_has_expired() {
    let (server, clock) = (Server::default(), Clock::system());
    let leader = server.elector("one", &clock).acquire().await;
    let died = Instant::now();
    drop(leader);
    server.elector("two", &clock).acquire().await;
    let waited = died.elapsed();
    assert!(
        waited >= DURATION && waited <= DURATION + RETRY,
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn of_two_that_want_the_lease_at_once_one_gets_it() {
    let (server, clock) = (Server::default(), Clock::system());
    let mut acquiring: tokio::task::JoinSet<_> = ["one", "two", "three"]
        .map(|me| server.elector(me, &clock).acquire())
        .into_iter()
        .collect();
    let leader = acquiring.join_next().await.unwrap().unwrap();
    let second = tokio::time::timeout(seconds(20), acquiring.join_next()).await;
    assert!(second.is_err(), "two lead");
    assert_eq!(server.spec("holderIdentity"), leader.elector.me);
}

#[tokio::test(start_paused = true)]
async fn a_leader_without_an_api_server_gives_up_in_time() {
    let (server, clock) = (Server::default(), Clock::system());
    let mut leader = server.elector("one", &clock).acquire().await;
    let since = Instant::now();
    server.0.lock().unwrap().silent = true;
    assert_eq!(leader.keep().await, Lost::Expired);
    assert_eq!(since.elapsed().as_secs(), DEADLINE.as_secs());
}

#[tokio::test(start_paused = true)]
async fn an_outage_that_is_short_enough_changes_nothing() {
    let (server, clock) = (Server::default(), Clock::system());
    let mut leader = server.elector("one", &clock).acquire().await;
    server.0.lock().unwrap().silent = true;
    let kept = tokio::time::timeout(seconds(15), leader.keep()).await;
    assert!(kept.is_err(), "{kept:?}");
    server.0.lock().unwrap().silent = false;
    let kept = tokio::time::timeout(seconds(300), leader.keep()).await;
    assert!(kept.is_err(), "{kept:?}");
}

#[tokio::test(start_paused = true)]
async fn who_is_no_longer_in_the_lease_leads_no_longer() {
    type Change = fn(&mut Option<Value>);
    let taken: Change = |lease| {
        let lease = lease.as_mut().unwrap();
        lease["spec"]["holderIdentity"] = json!("rival");
        lease["metadata"]["resourceVersion"] = json!("rival");
    };
    let deleted: Change = |lease| *lease = None;
    for change in [taken, deleted] {
        let (server, clock) = (Server::default(), Clock::system());
        let mut leader = server.elector("one", &clock).acquire().await;
        let since = Instant::now();
        change(&mut server.0.lock().unwrap().lease);
        assert_eq!(leader.keep().await, Lost::Taken);
        assert!(since.elapsed() <= RENEW + RETRY);
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_by_a_person_is_not_a_rival() {
    let (server, clock) = (Server::default(), Clock::system());
    let mut leader = server.elector("one", &clock).acquire().await;
    {
        let mut state = server.0.lock().unwrap();
        let metadata = &mut state.lease.as_mut().unwrap()["metadata"];
        metadata["labels"] = json!({"team": "a"});
        metadata["resourceVersion"] = json!("labelled");
    }
    let kept = tokio::time::timeout(seconds(300), leader.keep()).await;
    assert!(kept.is_err(), "{kept:?}");
    // Also a release follows what was written in the meantime.
    {
        let mut state = server.0.lock().unwrap();
        state.lease.as_mut().unwrap()["metadata"]["resourceVersion"] = json!("again");
    }
    leader.release().await;
    assert_eq!(server.spec("holderIdentity"), "");
}
