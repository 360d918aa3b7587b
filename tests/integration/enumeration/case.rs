//! What can go wrong with one request or one event of a watch.

use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use hcloud_simulator::Clock;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use rig::interceptor::{self, Answer, Effect, EventEffect, EventFault, Occurrence, Server};
use serde_json::json;

/// How late a late event is: later than everything that the provider does without it.
const LATE: Duration = Duration::from_millis(600);

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
    /// The request has no effect and is answered with this status.
    Refused(u16),
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
    pub(super) const LABELS: [&'static str; 13] = [
        "died before",
        "died after",
        "died after, past shown",
        "answer lost",
        "409",
        "423",
        "429",
        "500",
        "503",
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
            Self::Refused(409) => "409",
            Self::Refused(423) => "423",
            Self::Refused(429) => "429",
            Self::Refused(503) => "503",
            Self::Refused(_) => "500",
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
            Self::DiesBefore | Self::DiesAfter | Self::DiesAfterAndIsShownThePast
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

    /// What the interceptor is to do.
    pub(super) fn arrange(&self) -> Result<interceptor::Fault> {
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
        match self.fault {
            Fault::DiesBefore => request(|_, _| Ok(Effect::DieBefore), 0),
            Fault::DiesAfter | Fault::DiesAfterAndIsShownThePast => {
                request(|_, _| Ok(Effect::DieAfter), 0)
            }
            Fault::AnswerLost => request(|_, _| Ok(Effect::Lose), 0),
            Fault::Refused(status) => request(
                |at, status| Ok(Effect::Answer(refusal(at.call.server, status)?)),
                status,
            ),
            Fault::EventCut => event(EventEffect::Cut),
            Fault::EventExpired => event(EventEffect::Expire),
            Fault::EventLate => event(EventEffect::Delay(LATE)),
            Fault::EventTwice => event(EventEffect::Repeat),
        }
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
