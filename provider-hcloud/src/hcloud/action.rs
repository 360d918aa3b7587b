//! Changes that take time: the API answers with actions, and one poller per client waits for all of them.
//!
//! Each request asks for up to 25 actions. An action is looked at after half a second and then every half second; the
//! longer it runs, the less often, up to every five seconds.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::{Notify, oneshot};

use super::budget::Priority;
use super::client::{Call, Client};
use super::error::Error;
use super::lock;
use super::resource::member;
use super::tolerant;

/// Actions in one request: what the API gives on a page when nothing else is said.
const BATCH: usize = 25;

/// The longest time between two looks at an action.
const LONGEST_INTERVAL: Duration = Duration::from_secs(5);

/// A change that the API carries out.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Action {
    /// The API's id.
    pub id: u64,
    /// What is done, for example `create_server`.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub command: String,
    /// `running`, `success` or `error`; anything else counts as running.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub status: String,
    /// Why it failed.
    #[serde(default)]
    pub error: Option<ActionError>,
}

/// Why an action failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ActionError {
    /// Error code.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub code: String,
    /// The API's message.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub message: String,
}

impl Action {
    /// How the action ended; `None` while it runs.
    pub fn outcome(&self) -> Option<Result<(), Error>> {
        match self.status.as_str() {
            "success" => Some(Ok(())),
            "error" => {
                let ActionError { code, message } = self.error.clone().unwrap_or_default();
                Some(Err(Error::action(&self.command, &code, &message)))
            }
            _ => None,
        }
    }
}

type Outcome = Result<(), Error>;

#[cfg(test)]
impl Waiting {
    /// How many actions are waited for.
    pub(super) fn len(&self) -> usize {
        lock(&self.schedule).pending.len()
    }
}

/// The actions that somebody waits for.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    schedule: Mutex<Schedule>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Schedule {
    pending: BTreeMap<u64, Pending>,
    /// Whether a task polls.
    polled: bool,
}

#[derive(Debug)]
struct Pending {
    command: String,
    since: Duration,
    due: Duration,
    priority: Priority,
    waiters: Vec<oneshot::Sender<Outcome>>,
}

/// Ids to ask for in one request, and the urgency of the most urgent.
#[derive(Debug, PartialEq, Eq)]
struct Batch {
    ids: Vec<u64>,
    priority: Priority,
}

impl Schedule {
    fn add(
        &mut self,
        action: &Action,
        priority: Priority,
        now: Duration,
        first: Duration,
    ) -> oneshot::Receiver<Outcome> {
        let (sender, receiver) = oneshot::channel();
        let pending = self.pending.entry(action.id).or_insert_with(|| Pending {
            command: action.command.clone(),
            since: now,
            due: now + first,
            priority,
            waiters: Vec::new(),
        });
        pending.priority = pending.priority.min(priority);
        pending.waiters.push(sender);
        receiver
    }

    /// When the next look is due, after dropping what nobody waits for any more.
    fn next_due(&mut self) -> Option<Duration> {
        self.pending
            .retain(|_, pending| pending.waiters.iter().any(|waiter| !waiter.is_closed()));
        self.pending.values().map(|pending| pending.due).min()
    }

    /// The requests of the round at `now`. Where a request has room, actions that are due soon come along.
    fn take_due(&mut self, now: Duration, first: Duration) -> Vec<Batch> {
        let due = self
            .pending
            .values()
            .filter(|pending| pending.due <= now)
            .count();
        let mut by_due: Vec<(Duration, u64)> = self
            .pending
            .iter()
            .map(|(id, pending)| (pending.due, *id))
            .collect();
        by_due.sort_unstable();
        by_due.truncate(due.next_multiple_of(BATCH));
        let mut batches = Vec::new();
        for chunk in by_due.chunks(BATCH) {
            let mut batch = Batch {
                ids: Vec::new(),
                priority: Priority::Poll,
            };
            for (_, id) in chunk {
                if let Some(pending) = self.pending.get_mut(id) {
                    let age = now.saturating_sub(pending.since);
                    pending.due = now + (age / 10).clamp(first, LONGEST_INTERVAL.max(first));
                    batch.priority = batch.priority.min(pending.priority);
                    batch.ids.push(*id);
                }
            }
            batch.ids.sort_unstable();
            batches.push(batch);
        }
        batches
    }

    /// Takes in the answer to a request for `ids`.
    fn settle(&mut self, ids: &[u64], answer: Result<&[Action], &Error>) {
        for id in ids {
            let command = |pending: &Pending| pending.command.clone();
            let outcome = match answer {
                // The call that started the action was accepted, so whatever kept its end from being read, the action
                // may have taken effect.
                Err(error) => self.pending.get(id).map(|pending| {
                    Err(Error::ActionUnseen {
                        command: command(pending),
                        source: Box::new(error.clone()),
                    })
                }),
                Ok(actions) => match actions.iter().find(|action| action.id == *id) {
                    Some(action) => action.outcome(),
                    None => self.pending.get(id).map(|pending| {
                        Err(Error::ActionLost {
                            command: command(pending),
                        })
                    }),
                },
            };
            if let (Some(outcome), Some(pending)) = (
                &outcome,
                outcome.as_ref().and_then(|_| self.pending.remove(id)),
            ) {
                for waiter in pending.waiters {
                    // Whoever stopped waiting does not need to know.
                    drop(waiter.send(outcome.clone()));
                }
            }
        }
    }
}

impl Client {
    /// Waits until all `actions` have ended; the first failure in their order is returned.
    ///
    /// Finished actions cost no request. An error of class [`OutcomeUnknown`](super::Class::OutcomeUnknown) leaves open
    /// how an action ended; a failed look is one of them, whatever it failed with.
    pub async fn finish(
        &self,
        actions: impl IntoIterator<Item = Action>,
        priority: Priority,
    ) -> Result<(), Error> {
        let first = self.settings().action_interval;
        let mut outcomes = Vec::new();
        let mut start = false;
        for action in actions {
            if let Some(outcome) = action.outcome() {
                outcome?;
                continue;
            }
            let now = self.clock().elapsed();
            let mut schedule = lock(&self.waiting().schedule);
            outcomes.push((
                action.command.clone(),
                schedule.add(&action, priority, now, first),
            ));
            start |= !std::mem::replace(&mut schedule.polled, true);
        }
        if start {
            tokio::spawn(poll(self.clone()));
        } else if !outcomes.is_empty() {
            self.waiting().changed.notify_one();
        }
        for (command, outcome) in outcomes {
            outcome
                .await
                .unwrap_or(Err(Error::ActionLost { command }))?;
        }
        Ok(())
    }

    async fn actions(&self, batch: &Batch) -> Result<Vec<Action>, Error> {
        let ids: Vec<String> = batch.ids.iter().map(|id| format!("id={id}")).collect();
        let call = Call::get("/actions".to_owned(), batch.priority).query(&ids.join("&"));
        let name = call.name();
        let answer = self.send(call).await?;
        member(&answer, "actions").map_err(|source| Error::decode(name, false, source))
    }
}

/// Polls until nobody waits any more.
async fn poll(client: Client) {
    let first = client.settings().action_interval;
    loop {
        let due = {
            let mut schedule = lock(&client.waiting().schedule);
            let due = schedule.next_due();
            schedule.polled = due.is_some();
            due
        };
        let Some(due) = due else { return };
        let now = client.clock().elapsed();
        if due > now {
            tokio::select! {
                () = client.clock().sleep(due - now) => {}
                () = client.waiting().changed.notified() => {}
            }
            continue;
        }
        let batches = lock(&client.waiting().schedule).take_due(now, first);
        for batch in batches {
            let answer = client.actions(&batch).await;
            let answer = answer.as_deref();
            lock(&client.waiting().schedule).settle(&batch.ids, answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;

    use super::super::error::{ApiError, Class, Reach};
    use super::*;

    const FIRST: Duration = Duration::from_millis(500);

    fn running(id: u64) -> Action {
        Action {
            id,
            command: "c".to_owned(),
            status: "running".to_owned(),
            error: None,
        }
    }

    fn schedule(
        ids: impl IntoIterator<Item = u64>,
        now: Duration,
    ) -> (Schedule, Vec<oneshot::Receiver<Outcome>>) {
        let mut schedule = Schedule::default();
        let add = |id| schedule.add(&running(id), Priority::Update, now, FIRST);
        let receivers = ids.into_iter().map(add).collect();
        (schedule, receivers)
    }

    #[test]
    fn thirty_actions_are_two_requests() {
        let (mut schedule, _waiters) = schedule(1..=30, Duration::ZERO);
        assert!(schedule.take_due(FIRST / 2, FIRST).is_empty());
        let sizes: Vec<usize> = schedule
            .take_due(FIRST, FIRST)
            .iter()
            .map(|batch| batch.ids.len())
            .collect();
        assert_eq!(sizes, [25, 5]);
    }

    #[test]
    fn an_action_that_is_due_later_comes_along_where_there_is_room() {
        let (mut schedule, mut waiters) = schedule(1..=3, Duration::ZERO);
        waiters.push(schedule.add(&running(4), Priority::Create, FIRST / 2, FIRST));
        let batches = schedule.take_due(FIRST, FIRST);
        let expected = Batch {
            ids: vec![1, 2, 3, 4],
            priority: Priority::Create,
        };
        assert_eq!(batches, [expected]);
    }

    #[test]
    fn the_interval_grows_gently_with_the_age_of_an_action() {
        let (mut schedule, _waiters) = schedule([1], Duration::ZERO);
        let mut looks = Vec::new();
        for _ in 0..200 {
            let due = schedule.next_due().unwrap();
            schedule.take_due(due, FIRST);
            looks.push(due.as_secs_f64());
        }
        let within = |from: f64, to: f64| {
            looks
                .iter()
                .filter(|look| (from..to).contains(*look))
                .count()
        };
        assert_eq!(within(0.0, 5.0), 9);
        assert_eq!(looks[0], 0.5);
        assert_eq!(within(100.0, 200.0), 20);
    }

    #[test]
    fn nobody_is_asked_about_actions_that_nobody_waits_for() {
        let (mut schedule, waiters) = schedule([1, 2], Duration::ZERO);
        assert_eq!(schedule.next_due(), Some(FIRST));
        drop(waiters);
        assert_eq!(schedule.next_due(), None);
    }

    #[test]
    fn every_waiter_learns_how_its_action_ended() {
        let (mut schedule, mut waiters) = schedule([1, 2, 3, 4, 1], Duration::ZERO);
        let ended = |id, status: &str| Action {
            status: status.to_owned(),
            ..running(id)
        };
        let mut failed = ended(2, "error");
        failed.error = Some(ActionError {
            code: "placement_error".to_owned(),
            message: "no\nroom".to_owned(),
        });
        let answer = [
            ended(1, "success"),
            failed,
            ended(3, "a_status_of_next_year"),
        ];
        schedule.settle(&[1, 2, 3, 4], Ok(&answer));
        let mut outcome = |index: usize| -> String {
            match waiters[index].try_recv() {
                Ok(Ok(())) => "done".to_owned(),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "waiting".to_owned(),
            }
        };
        assert_eq!(
            [0, 1, 2, 3, 4].map(&mut outcome),
            [
                "done",
                "action c failed: no room (placement_error)",
                "waiting",
                "action c is no longer known to the API",
                "done",
            ]
        );
    }

    #[test]
    fn an_action_whose_end_cannot_be_read_has_an_unknown_outcome_whatever_the_look_failed_with() {
        let failures = [
            Error::Transport {
                call: "GET /actions".to_owned(),
                reach: Reach::Unsent,
                mutation: false,
                source: Arc::from(Box::from("refused")),
            },
            Error::Budget {
                call: "GET /actions".to_owned(),
                retry_at: Timestamp::UNIX_EPOCH,
            },
            Error::api(
                "GET /actions".to_owned(),
                ApiError::from_answer(503, b"", false),
            ),
            Error::api(
                "GET /actions".to_owned(),
                ApiError::from_answer(401, b"", false),
            ),
        ];
        for failure in failures {
            let (mut schedule, mut waiters) = schedule([1], Duration::ZERO);
            schedule.settle(&[1], Err(&failure));
            let error = waiters[0].try_recv().unwrap().unwrap_err();
            assert_eq!(error.class(), Class::OutcomeUnknown, "{failure}");
            assert_eq!(error.to_string(), "how action c ended could not be read");
            let source = std::error::Error::source(&error).unwrap().to_string();
            assert_eq!(source, failure.to_string());
        }
    }

    #[test]
    fn an_action_without_details_is_read() {
        let action: Action =
            serde_json::from_str(r#"{"id":7,"status":"error","error":null,"progress":0.5}"#)
                .unwrap();
        assert_eq!(
            action.outcome().unwrap().unwrap_err().to_string(),
            "action  failed: no reason given (unknown_error)"
        );
    }
}
