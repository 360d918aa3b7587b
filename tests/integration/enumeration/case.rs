//! What can go wrong with one request or one event of a watch.

use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use hcloud_simulator::Clock;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use rig::interceptor::{self, Answer, Effect, EventEffect, EventFault, Occurrence, Server};
use serde_json::json;

/// How late a late event is: later than everything that the provider does without it.
const LATE: Duration = Duration::from_millis(600);

/// How old a stale list of the cloud is: older than what the provider does in the first moment after a create, younger
/// than [`SETTLE_WHEN_STALE`](super::tenant::SETTLE_WHEN_STALE).
const STALE: Duration = Duration::from_millis(800);

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// The provider dies before the request.
    DiesBefore,
    /// The provider dies after the request has taken effect, before its answer.
    DiesAfter,
    /// As before, and after its restart the provider is first shown what was there before the phase.
    DiesAfterAndIsShownThePast,
    /// The request takes effect, the answer is lost, the provider lives on.
    AnswerLost,
    /// The provider dies after a create, and the cloud's lists do not show yet what was created.
    DiesAfterAndListsAreStale,
    /// The answer to a create is lost, and the cloud's lists do not show yet what was created.
    AnswerLostAndListsAreStale,
    /// The request has no effect and is answered with this status.
    Refused(u16),
    /// The request is accepted, and the action that it starts fails.
    ActionFails,
    /// An event is lost with its watch.
    EventCut,
    /// An event is lost with its watch, which cannot be resumed.
    EventExpired,
    /// An event comes late.
    EventLate,
    /// An event comes twice.
    EventTwice,
}

impl Fault {
    /// The labels of all faults, in the order of the report.
    pub(super) const LABELS: [&'static str; 16] = [
        "died before",
        "died after",
        "died after, past shown",
        "answer lost",
        "died after, lists stale",
        "answer lost, lists stale",
        "409",
        "423",
        "429",
        "500",
        "503",
        "action failed",
        "event cut",
        "event expired",
        "event late",
        "event twice",
    ];

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::DiesBefore => "died before",
            Self::DiesAfter => "died after",
            Self::DiesAfterAndIsShownThePast => "died after, past shown",
            Self::AnswerLost => "answer lost",
            Self::DiesAfterAndListsAreStale => "died after, lists stale",
            Self::AnswerLostAndListsAreStale => "answer lost, lists stale",
            Self::Refused(409) => "409",
            Self::Refused(423) => "423",
            Self::Refused(429) => "429",
            Self::Refused(503) => "503",
            Self::Refused(_) => "500",
            Self::ActionFails => "action failed",
            Self::EventCut => "event cut",
            Self::EventExpired => "event expired",
            Self::EventLate => "event late",
            Self::EventTwice => "event twice",
        }
    }

    /// Whether the provider has to be started again.
    pub(super) fn kills(self) -> bool {
        matches!(
            self,
            Self::DiesBefore
                | Self::DiesAfter
                | Self::DiesAfterAndIsShownThePast
                | Self::DiesAfterAndListsAreStale
        )
    }

    /// Whether the cloud's lists are old for a moment.
    pub(super) fn makes_lists_stale(self) -> bool {
        matches!(
            self,
            Self::DiesAfterAndListsAreStale | Self::AnswerLostAndListsAreStale
        )
    }

    /// Everything that can go wrong with a request.
    pub(super) fn of_request(at: &Occurrence) -> Vec<Self> {
        let mut faults = vec![Self::DiesBefore, Self::DiesAfter, Self::AnswerLost];
        faults.extend([429, 500, 503].map(Self::Refused));
        if at.call.changes() {
            faults.extend([Self::DiesAfterAndIsShownThePast, Self::Refused(409)]);
            if at.call.server == Server::Cloud {
                faults.push(Self::Refused(423));
            }
            if starts_action(at) {
                faults.push(Self::ActionFails);
            }
            if creates(at) {
                faults.extend([
                    Self::DiesAfterAndListsAreStale,
                    Self::AnswerLostAndListsAreStale,
                ]);
            }
        }
        faults
    }

    /// Everything that can go wrong with an event.
    pub(super) const OF_EVENT: [Self; 4] = [
        Self::EventCut,
        Self::EventExpired,
        Self::EventLate,
        Self::EventTwice,
    ];
}

/// Whether the request is for nothing but an action.
fn starts_action(at: &Occurrence) -> bool {
    at.call.server == Server::Cloud && at.call.verb == "POST" && at.call.path.contains("/actions/")
}

/// Whether the request makes an object at Hetzner.
fn creates(at: &Occurrence) -> bool {
    let collection = at.call.path.trim_start_matches('/');
    at.call.server == Server::Cloud && at.call.verb == "POST" && !collection.contains('/')
}

/// Where something goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Request(Occurrence),
    Event { watch: String, nth: usize },
}

/// A fault at its place; `number` is the position of the request in the undisturbed run.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) place: Place,
    pub(super) number: usize,
    pub(super) fault: Fault,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Request(at) => write!(f, "request {at}"),
            Self::Event { watch, nth } => write!(f, "event {nth} of the watch of {watch}"),
        }
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}. {}: {}", self.number, self.place, self.fault.label())
    }
}

impl Case {
    /// The request, if it is about one.
    pub(super) fn request(&self) -> Option<&Occurrence> {
        match &self.place {
            Place::Request(at) => Some(at),
            Place::Event { .. } => None,
        }
    }

    /// What the cloud is to do.
    pub(super) fn at_cloud(&self) -> Option<hcloud_simulator::Fault> {
        let at = self.request()?;
        let nth = u32::try_from(at.nth).ok()?;
        match self.fault {
            Fault::ActionFails => {
                let call = hcloud_simulator::Fault::on(Method::POST, &at.call.path);
                Some(
                    call.nth(nth)
                        .fail_action("action_failed", "refused by the test"),
                )
            }
            fault if fault.makes_lists_stale() => {
                let lists = hcloud_simulator::Fault::on(Method::GET, &at.call.path);
                Some(lists.always().stale(STALE))
            }
            _ => None,
        }
    }

    /// What the interceptor is to do.
    pub(super) fn arrange(&self) -> Result<Option<interceptor::Fault>> {
        let event = |effect| match &self.place {
            Place::Event { watch, nth } => Ok(interceptor::Fault::Event(EventFault {
                watch: watch.clone(),
                nth: *nth,
                effect,
            })),
            Place::Request(at) => anyhow::bail!("{at} is no event"),
        };
        let request = |effect: fn(&Occurrence, u16) -> Result<Effect>, status| match &self.place {
            Place::Request(at) => Ok(interceptor::Fault::Request {
                at: at.clone(),
                effect: effect(at, status)?,
            }),
            Place::Event { watch, .. } => anyhow::bail!("an event of {watch} is no request"),
        };
        let fault = match self.fault {
            Fault::ActionFails => return Ok(None),
            Fault::DiesBefore => request(|_, _| Ok(Effect::DieBefore), 0),
            Fault::DiesAfter
            | Fault::DiesAfterAndIsShownThePast
            | Fault::DiesAfterAndListsAreStale => request(|_, _| Ok(Effect::DieAfter), 0),
            Fault::AnswerLost | Fault::AnswerLostAndListsAreStale => {
                request(|_, _| Ok(Effect::Lose), 0)
            }
            Fault::Refused(status) => request(
                |at, status| Ok(Effect::Answer(refusal(at.call.server, status)?)),
                status,
            ),
            Fault::EventCut => event(EventEffect::Cut),
            Fault::EventExpired => event(EventEffect::Expire),
            Fault::EventLate => event(EventEffect::Delay(LATE)),
            Fault::EventTwice => event(EventEffect::Repeat),
        };
        fault.map(Some)
    }
}

/// What the API server, or Hetzner, says.
fn refusal(server: Server, status: u16) -> Result<Answer> {
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    let body = match server {
        Server::Kubernetes => {
            let reason = match status {
                409 => "Conflict",
                429 => "TooManyRequests",
                503 => "ServiceUnavailable",
                _ => "InternalError",
            };
            if status == 429 {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            json!({
                "kind": "Status",
                "apiVersion": "v1",
                "metadata": {},
                "status": "Failure",
                "message": "refused by the test",
                "reason": reason,
                "code": status,
            })
        }
        Server::Cloud => {
            let code = match status {
                409 => "conflict",
                423 => "locked",
                429 => "rate_limit_exceeded",
                503 => "unavailable",
                _ => "server_error",
            };
            if status == 429 {
                // The budget is used up, and has something again in the next second.
                let reset = Clock::real().now().as_second() + 1;
                headers.insert("ratelimit-limit", 3600.into());
                headers.insert("ratelimit-remaining", 0.into());
                headers.insert("ratelimit-reset", reset.into());
            }
            json!({"error": {"code": code, "message": "refused by the test", "details": null}})
        }
    };
    Ok(Answer {
        status: StatusCode::from_u16(status)?,
        headers,
        body: Bytes::from(body.to_string()),
    })
}
