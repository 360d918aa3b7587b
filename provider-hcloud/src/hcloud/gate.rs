//! The door in front of the transport: requests queue here until the [`Budget`] lets them go, most urgent class
//! first and in order of arrival within a class.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::HeaderMap;
use tokio::sync::Notify;

use super::budget::{Admission, Budget, Division, Priority, Standing};
use super::lock;
use crate::clock::Clock;

#[derive(Debug)]
pub(super) struct Gate {
    clock: Clock,
    max_wait: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    budget: Budget,
    queue: BTreeMap<Ticket, Arc<Notify>>,
    next: u64,
}

/// Place in the queue.
type Ticket = (Priority, u64);

/// The budget does not let a request go soon enough.
#[derive(Clone, Copy, Debug)]
pub(super) struct TooLong {
    /// How long the wait would have been.
    pub(super) wait: Duration,
}

impl Gate {
    pub(super) fn new(clock: Clock, division: Division, max_wait: Duration) -> Self {
        let budget = Budget::new(division, clock.elapsed());
        Self {
            clock,
            max_wait,
            state: Mutex::new(State {
                budget,
                queue: BTreeMap::new(),
                next: 0,
            }),
        }
    }

    /// Waits for a place in the budget. The pass is handed back with the answer.
    pub(super) async fn enter(&self, priority: Priority) -> Result<Pass<'_>, TooLong> {
        let deadline = self.clock.elapsed() + self.max_wait;
        let place = self.queue(priority);
        loop {
            let now = self.clock.elapsed();
            let until = match self.try_enter(place.ticket, now) {
                Turn::Go => {
                    return Ok(Pass {
                        gate: self,
                        answered: false,
                    });
                }
                Turn::At(at) if at > deadline => return Err(TooLong { wait: at - now }),
                Turn::At(at) => at,
                Turn::Later if now >= deadline => {
                    return Err(TooLong {
                        wait: self.max_wait,
                    });
                }
                Turn::Later => deadline,
            };
            tokio::select! {
                () = place.notify.notified() => {}
                () = self.clock.sleep(until.saturating_sub(now)) => {}
            }
        }
    }

    /// Requests left in the project's budget, as far as known.
    pub(super) fn remaining(&self) -> f64 {
        lock(&self.state).budget.remaining()
    }

    fn queue(&self, priority: Priority) -> Place<'_> {
        let notify = Arc::new(Notify::new());
        let mut state = lock(&self.state);
        let ticket = (priority, state.next);
        state.next += 1;
        state.queue.insert(ticket, Arc::clone(&notify));
        Place {
            gate: self,
            ticket,
            notify,
        }
    }

    fn try_enter(&self, ticket: Ticket, now: Duration) -> Turn {
        let mut state = lock(&self.state);
        if state.queue.first_key_value().map(|(first, _)| *first) != Some(ticket) {
            return Turn::Later;
        }
        match state.budget.admit(ticket.0, now) {
            Admission::Go => Turn::Go,
            Admission::At(at) => Turn::At(at),
            Admission::AfterAnAnswer => Turn::Later,
        }
    }
}

enum Turn {
    Go,
    At(Duration),
    Later,
}

impl State {
    fn wake_first(&self) {
        if let Some((_, notify)) = self.queue.first_key_value() {
            notify.notify_one();
        }
    }
}

/// A place in the queue; it is given up when the wait ends, however it ends.
struct Place<'a> {
    gate: &'a Gate,
    ticket: Ticket,
    notify: Arc<Notify>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.gate.state);
        state.queue.remove(&self.ticket);
        state.wake_first();
    }
}

/// The right to send one request.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    gate: &'a Gate,
    answered: bool,
}

impl Pass<'_> {
    /// Reports the answer's status and headers. A refusal returns how long the budget now waits.
    pub(super) fn answered(mut self, status: u16, headers: &HeaderMap) -> Option<Duration> {
        self.answered = true;
        let now = self.gate.clock.elapsed();
        let standing = standing(headers, self.gate.clock.now().as_second());
        let mut state = lock(&self.gate.state);
        let refusal = if status == 429 {
            state.budget.refused(standing, now);
            match state.budget.clone().admit(Priority::Create, now) {
                Admission::At(at) => Some(at.saturating_sub(now)),
                Admission::Go | Admission::AfterAnAnswer => Some(Duration::ZERO),
            }
        } else {
            state.budget.answered(standing, now);
            None
        };
        state.wake_first();
        refusal
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if !self.answered {
            let mut state = lock(&self.gate.state);
            state.budget.answered(None, self.gate.clock.elapsed());
            state.wake_first();
        }
    }
}

/// Reads the `RateLimit-*` headers; `None` when one is missing.
fn standing(headers: &HeaderMap, now: i64) -> Option<Standing> {
    let number = |name: &str| -> Option<i64> { headers.get(name)?.to_str().ok()?.parse().ok() };
    let full_in = number("ratelimit-reset")?.saturating_sub(now).max(0);
    Some(Standing {
        limit: number("ratelimit-limit")? as f64,
        remaining: number("ratelimit-remaining")? as f64,
        full_in: Duration::from_secs(full_in.unsigned_abs()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(in_flight: u32) -> Arc<Gate> {
        let division = Division {
            others: 0.5,
            in_flight,
        };
        Arc::new(Gate::new(
            Clock::system(),
            division,
            Duration::from_secs(3600),
        ))
    }

    fn headers(limit: u32, remaining: u32) -> HeaderMap {
        let full = Clock::system().now().as_second() + i64::from(limit - remaining);
        let mut headers = HeaderMap::new();
        headers.insert("ratelimit-limit", limit.into());
        headers.insert("ratelimit-remaining", remaining.into());
        headers.insert("ratelimit-reset", full.into());
        headers
    }

    /// Queues a request of each class and tells the order in which they got through.
    async fn order(gate: &Arc<Gate>, classes: &[Priority]) -> Vec<usize> {
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for (index, &priority) in classes.iter().enumerate() {
            let (gate, order) = (Arc::clone(gate), Arc::clone(&order));
            tasks.push(tokio::spawn(async move {
                let pass = gate.enter(priority).await.unwrap();
                order.lock().unwrap().push(index);
                tokio::time::sleep(Duration::from_millis(1)).await;
                drop(pass);
            }));
            tokio::task::yield_now().await;
        }
        for task in tasks {
            task.await.unwrap();
        }
        Arc::into_inner(order).unwrap().into_inner().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn requests_go_by_class_and_within_a_class_by_arrival() {
        let gate = gate(1);
        let occupied = gate.enter(Priority::Poll).await.unwrap();
        let waiting = {
            let gate = Arc::clone(&gate);
            tokio::spawn(async move {
                use Priority::{Create, Delete, Poll, Update};
                order(&gate, &[Poll, Update, Create, Poll, Delete, Create]).await
            })
        };
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        drop(occupied);
        assert_eq!(waiting.await.unwrap(), [2, 5, 4, 1, 0, 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_request_waits_whatever_the_headers_say() {
        for headers in [headers(3600, 0), headers(3600, 3000), HeaderMap::new()] {
            let gate = gate(16);
            let start = tokio::time::Instant::now();
            let pass = gate.enter(Priority::Create).await.unwrap();
            let wait = pass.answered(429, &headers);
            assert_eq!(wait, Some(Duration::from_secs(1)), "{headers:?}");
            gate.enter(Priority::Create).await.unwrap();
            assert_eq!(start.elapsed().as_secs(), 1, "{headers:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn polls_wait_while_creates_flow() {
        let gate = gate(16);
        let start = tokio::time::Instant::now();
        let mut polls = tokio::task::JoinSet::new();
        for _ in 0..1800 {
            let gate = Arc::clone(&gate);
            polls.spawn(async move { gate.enter(Priority::Poll).await.map(drop).unwrap() });
        }
        for _ in 0..60 {
            tokio::task::yield_now().await;
            gate.enter(Priority::Create).await.unwrap();
        }
        assert_eq!(start.elapsed(), Duration::ZERO, "no create waited");
        polls.join_all().await;
        assert!(
            start.elapsed() > Duration::from_secs(120),
            "the last polls did"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_would_be_too_long_is_refused_at_once() {
        let division = Division {
            others: 0.5,
            in_flight: 16,
        };
        let gate = Gate::new(Clock::system(), division, Duration::from_millis(500));
        let pass = gate.enter(Priority::Create).await.unwrap();
        pass.answered(429, &headers(3600, 0));
        let start = tokio::time::Instant::now();
        let refused = gate.enter(Priority::Poll).await.unwrap_err();
        assert_eq!(refused.wait, Duration::from_secs(1));
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_given_up_frees_its_place() {
        let gate = gate(1);
        let first = gate.enter(Priority::Poll).await.unwrap();
        let second = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.enter(Priority::Create).await.map(drop) }
        });
        tokio::task::yield_now().await;
        second.abort();
        assert!(second.await.is_err());
        drop(first);
        gate.enter(Priority::Poll).await.unwrap();
    }

    #[test]
    fn headers_that_are_missing_or_unreadable_teach_nothing() {
        let mut headers = headers(3600, 17);
        assert_eq!(standing(&headers, 0).unwrap().remaining, 17.0);
        headers.insert("ratelimit-remaining", "many".parse().unwrap());
        assert_eq!(standing(&headers, 0), None);
        assert_eq!(standing(&HeaderMap::new(), 0), None);
    }
}
