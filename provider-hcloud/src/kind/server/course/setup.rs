//! A server from its creation until it is ready for the first time.

use jiff::{SignedDuration, Timestamp};

use super::{Assessment, Situation, difference, duration, has_interface, pace, recorded};
use crate::{
    kind::server::{
        drift::{changes, networks},
        mark::{Marks, SETUP},
        step::{Change, Step, Way},
    },
    managed::Readiness,
};

/// The longest time for which a server whose creation failed is kept.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(1);

/// A server that has just been created.
pub(super) fn set_up(situation: &Situation<'_>) -> Assessment {
    let Situation {
        wish,
        server,
        facts,
        ..
    } = *situation;
    let recheck = pace(situation);
    let mut assessment = Assessment::new(Readiness::Creating { recheck });
    if let Some(failure) = &facts.failure {
        assessment.readiness = failed(situation, failure);
        return assessment;
    }
    let settled = server.is_running() || server.is_off();
    if server.locked || facts.creating || !settled {
        return assessment;
    }
    for Change { difference, way } in networks(wish, server) {
        if let Way::Now(steps) = way {
            assessment.take(difference, steps);
        }
    }
    if server.is_off() {
        before_first_start(situation, &mut assessment);
        if !wish.is_off() {
            // A server without any interface cannot start; a ServerNetwork may be about to attach it.
            if !has_interface(server) && assessment.steps.is_empty() {
                return assessment;
            }
            assessment.take(difference("powerState", "Running", "off"), [Step::PowerOn]);
        }
    }
    let done = Step::Mark(vec![(SETUP, None)]);
    assessment.take(difference("setup", "done", "pending"), [done]);
    assessment.drift = assessment.drift.into_completion();
    assessment
}

fn before_first_start(situation: &Situation<'_>, assessment: &mut Assessment) {
    let marks = Marks::of(&situation.server.labels);
    let all = changes(situation.wish, situation.server, &marks, situation.facts);
    for Change { difference, way } in all {
        if let Way::Restart(mut steps) = way {
            steps.extend(recorded(&difference, situation.wish));
            assessment.take(difference, steps);
        }
    }
}

/// A failed creation is repeated at once, and then the later the more often it failed: a server that starts costs an
/// hour.
fn failed(situation: &Situation<'_>, failure: &str) -> Readiness {
    let message = format!("creation failed: {failure}");
    let created = situation.server.created.as_deref();
    let created = created.and_then(|text| text.parse::<Timestamp>().ok());
    let pause = pause(situation.failed_before);
    let until = created.unwrap_or(situation.now).saturating_add(pause);
    match until {
        // Hetzner's clock may be ahead.
        Ok(until) if until > situation.now && !pause.is_zero() => Readiness::Unavailable {
            message: format!("{message}: the server is deleted and created again at {until}"),
            recheck: duration(until.duration_since(situation.now)),
        },
        _ => Readiness::Broken { message },
    }
}

/// Half a minute after the second failure, four times as long after each further one.
fn pause(failed_before: i64) -> SignedDuration {
    let Ok(repeated) = u32::try_from(failed_before.saturating_sub(1)) else {
        return SignedDuration::ZERO;
    };
    let factor = 4_i32.saturating_pow(repeated);
    let pause = SignedDuration::from_secs(30).checked_mul(factor);
    pause.unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE)
}
