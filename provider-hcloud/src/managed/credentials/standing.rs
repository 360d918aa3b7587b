//! Whether the external system accepts the credentials of each configuration.
//!
//! Those who use them report what they are told. A verdict is about one value of the credentials: it ends when they
//! change.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::broadcast;

use super::Config;
use crate::managed::{external::Refusal, usage::ConfigKey};

/// Whether a configuration can be used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Standing {
    /// It has credentials that this process has not used yet.
    Untried,
    /// It has credentials that were accepted, or that have changed since they were refused.
    Usable,
    /// The external system refuses its credentials, with this message.
    Refused(String),
    /// It has no credentials, for this reason.
    Missing(String),
}

/// Credentials, and what the external system says of them.
struct Known {
    config: Config,
    verdict: Verdict,
}

enum Verdict {
    None,
    Accepted,
    /// With the moment of the last refusal on the monotonic clock.
    Refused(Refusal, Duration),
}

/// What is known of the credentials of all configurations.
pub struct Standings {
    known: Mutex<HashMap<ConfigKey, Known>>,
    changes: broadcast::Sender<ConfigKey>,
}

impl Default for Standings {
    fn default() -> Self {
        Self {
            known: Mutex::default(),
            changes: broadcast::Sender::new(256),
        }
    }
}

impl fmt::Debug for Standings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Standings").finish_non_exhaustive()
    }
}

impl Standings {
    /// Configurations whose standing has changed, from now on.
    pub fn changes(&self) -> broadcast::Receiver<ConfigKey> {
        self.changes.subscribe()
    }

    /// Takes note of what a configuration was resolved to.
    pub(super) fn resolved(&self, key: ConfigKey, config: &Config) {
        let mut known = self.lock();
        let verdict = match known.get(&key) {
            Some(before) if before.config == *config => return,
            Some(_) => Verdict::Accepted,
            None => Verdict::None,
        };
        let config = config.clone();
        known.insert(key, Known { config, verdict });
    }

    /// What a configuration was last resolved to.
    pub(super) fn last(&self, key: &ConfigKey) -> Option<Config> {
        self.lock().get(key).map(|known| known.config.clone())
    }

    pub(super) fn of(&self, key: &ConfigKey) -> Standing {
        match self.lock().get(key).map(|known| &known.verdict) {
            None | Some(Verdict::None) => Standing::Untried,
            Some(Verdict::Accepted) => Standing::Usable,
            Some(Verdict::Refused(refusal, _)) => Standing::Refused(refusal.message.clone()),
        }
    }

    /// When `config` was last refused a look, on the monotonic clock.
    pub fn refused_at(&self, key: &ConfigKey, config: &Config) -> Option<Duration> {
        match self.lock().get(key) {
            Some(Known {
                config: current,
                verdict: Verdict::Refused(refusal, at),
            }) if current == config && !refusal.changes_only => Some(*at),
            _ => None,
        }
    }

    /// The external system has refused `config` at this moment.
    pub fn refuse(&self, key: &ConfigKey, config: &Config, refusal: &Refusal, now: Duration) {
        self.judge(key, config, |verdict| match verdict {
            // The first message stays, so that many who are refused do not take turns.
            Verdict::Refused(known, at) if !known.changes_only || refusal.changes_only => {
                *at = now;
                false
            }
            Verdict::None | Verdict::Accepted | Verdict::Refused(..) => {
                *verdict = Verdict::Refused(refusal.clone(), now);
                true
            }
        });
    }

    /// The external system has accepted `config` after this moment, for a change or only for a look.
    pub fn accept(&self, key: &ConfigKey, config: &Config, since: Duration, change: bool) {
        self.judge(key, config, |verdict| match verdict {
            Verdict::Accepted => false,
            Verdict::Refused(refusal, at) if *at > since || (refusal.changes_only && !change) => {
                false
            }
            Verdict::None | Verdict::Refused(..) => {
                *verdict = Verdict::Accepted;
                true
            }
        });
    }

    fn judge(&self, key: &ConfigKey, config: &Config, judge: impl FnOnce(&mut Verdict) -> bool) {
        let mut known = self.lock();
        let current = known.get_mut(key).filter(|known| known.config == *config);
        if current.is_some_and(|known| judge(&mut known.verdict)) {
            // Without a listener there is nobody to tell.
            let _ = self.changes.send(key.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ConfigKey, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use api::{ProviderConfigKind, ProviderConfigReference};

    use super::*;
    use crate::managed::credentials::SecretValue;

    fn reference() -> ProviderConfigReference {
        ProviderConfigReference {
            kind: ProviderConfigKind::ClusterProviderConfig,
            name: "default".to_owned(),
        }
    }

    fn config(token: &str) -> Config {
        Config {
            reference: reference(),
            endpoint: None,
            secret: SecretValue::new(token.into()),
        }
    }

    fn at(second: u64) -> Duration {
        Duration::from_secs(second)
    }

    fn refusal(message: &str, changes_only: bool) -> Refusal {
        Refusal {
            message: message.to_owned(),
            changes_only,
        }
    }

    fn standings() -> (Standings, ConfigKey) {
        let (standings, key) = (Standings::default(), ConfigKey::new(reference(), "team"));
        standings.resolved(key.clone(), &config("one"));
        (standings, key)
    }

    #[test]
    fn a_refusal_stands_until_something_later_is_accepted() {
        let (standings, key) = standings();
        let mut changes = standings.changes();
        assert_eq!(standings.of(&key), Standing::Untried);
        standings.refuse(&key, &config("one"), &refusal("no", false), at(5));
        standings.refuse(&key, &config("one"), &refusal("never", false), at(7));
        assert_eq!(standings.of(&key), Standing::Refused("no".to_owned()));
        assert_eq!(standings.refused_at(&key, &config("one")), Some(at(7)));
        standings.accept(&key, &config("one"), at(6), true);
        assert_eq!(standings.of(&key), Standing::Refused("no".to_owned()));
        standings.accept(&key, &config("one"), at(7), false);
        assert_eq!(standings.of(&key), Standing::Usable);
        standings.accept(&key, &config("one"), at(8), false);
        let mut told = 0;
        while changes.try_recv().is_ok() {
            told += 1;
        }
        assert_eq!(told, 2, "only changes are told");
    }

    #[test]
    fn a_token_that_may_only_read_is_not_fine_because_it_can_read() {
        let (standings, key) = standings();
        standings.refuse(&key, &config("one"), &refusal("read-only", true), at(5));
        standings.accept(&key, &config("one"), at(6), false);
        let refused = Standing::Refused("read-only".to_owned());
        assert_eq!(standings.of(&key), refused);
        standings.accept(&key, &config("one"), at(6), true);
        assert_eq!(standings.of(&key), Standing::Usable);
    }

    #[test]
    fn a_verdict_is_about_the_credentials_that_were_used() {
        let (standings, key) = standings();
        standings.refuse(&key, &config("one"), &refusal("no", false), at(5));
        standings.resolved(key.clone(), &config("two"));
        assert_eq!(standings.of(&key), Standing::Usable);
        standings.refuse(&key, &config("one"), &refusal("no", false), at(6));
        assert_eq!(standings.of(&key), Standing::Usable);
        assert_eq!(standings.refused_at(&key, &config("two")), None);
    }
}
