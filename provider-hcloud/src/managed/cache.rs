//! Which caches are filled: before its first list is there, a cache knows nothing, and the pod is not ready.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{Stream, stream};
use kube::runtime::watcher;
use tokio::sync::watch;

/// Who asks a cache waits so long for its first list.
const PATIENCE: Duration = Duration::from_secs(10);

/// How far a cache is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum State {
    /// The first list is on its way.
    Awaited,
    /// The first list is not there, and this is why. It is tried again.
    Failing(NotListed),
    /// There is nothing to list for now.
    Idle,
    /// The first list is there.
    Filled,
}

/// Why a cache knows nothing.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{problem}")]
pub struct NotListed {
    problem: String,
    /// The API server does not allow it.
    pub forbidden: bool,
}

impl NotListed {
    fn silence() -> Self {
        Self {
            problem: "the API server has not answered yet".to_owned(),
            forbidden: false,
        }
    }
}

impl From<&watcher::Error> for NotListed {
    fn from(error: &watcher::Error) -> Self {
        match status(error) {
            Some(status) => Self {
                problem: status.message.clone(),
                forbidden: status.is_forbidden(),
            },
            None => Self {
                problem: super::external::chain(error),
                forbidden: false,
            },
        }
    }
}

/// The API server's own words, without kube's around them.
pub(super) fn status(error: &watcher::Error) -> Option<&kube::core::Status> {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => Some(status),
        _ => None,
    }
}

/// The state of one cache. Clones show the same one.
///
/// kube's stores have a `wait_until_ready` of their own, but it wakes only the task that asked last.
#[derive(Clone, Debug)]
pub struct Cache(Arc<watch::Sender<State>>);

impl Default for Cache {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(State::Awaited)))
    }
}

impl Cache {
    /// How far it is.
    pub fn state(&self) -> State {
        self.0.borrow().clone()
    }

    /// Every change of the state from now on; several in quick succession may come as one.
    pub fn changes(&self) -> impl Stream<Item = ()> + Send + use<> {
        stream::unfold(self.0.subscribe(), async |mut state| {
            state.changed().await.ok()?;
            Some(((), state))
        })
    }

    /// There is nothing to list for now: nobody should wait for it.
    pub fn idle(&self) {
        self.set(State::Idle);
    }

    /// The first list is on its way.
    pub fn awaited(&self) {
        self.set(State::Awaited);
    }

    /// A try to list or to watch has failed. What is filled stays filled, and what is idle misses nothing.
    pub fn fail(&self, error: &watcher::Error) {
        if matches!(*self.0.borrow(), State::Awaited | State::Failing(_)) {
            self.set(State::Failing(error.into()));
        }
    }

    /// The first list is there. Says whether somebody was told before that it cannot be had.
    pub fn fill(&self) -> bool {
        matches!(self.set(State::Filled), State::Failing(_))
    }

    /// Changes the state, wakes those who wait for a change, and returns the former state.
    fn set(&self, state: State) -> State {
        let mut former = state;
        self.0.send_if_modified(|current| {
            std::mem::swap(current, &mut former);
            *current != former
        });
        former
    }

    /// Whether there was neither a list nor a reason why not.
    pub fn is_untried(&self) -> bool {
        *self.0.borrow() == State::Awaited
    }

    /// Whether the first list is there.
    pub fn is_filled(&self) -> bool {
        *self.0.borrow() == State::Filled
    }

    /// Waits for the first list.
    pub async fn filled(&self) {
        // The sender lives in self, so waiting cannot fail.
        let mut state = self.0.subscribe();
        let _ = state.wait_for(|state| *state == State::Filled).await;
    }

    /// Waits a moment for the first list.
    ///
    /// # Errors
    /// Why it is not there.
    pub async fn listed(&self) -> Result<(), NotListed> {
        let mut state = self.0.subscribe();
        let decided = state.wait_for(|state| matches!(state, State::Filled | State::Failing(_)));
        match tokio::time::timeout(PATIENCE, decided).await {
            Ok(Ok(state)) => match &*state {
                State::Failing(reason) => Err(reason.clone()),
                _ => Ok(()),
            },
            Ok(Err(_)) | Err(_) => Err(NotListed::silence()),
        }
    }
}

type Missing = Box<dyn Fn() -> bool + Send + Sync>;

/// All that the pod's readiness depends on. Clones are the same list.
#[derive(Clone, Default)]
pub struct Caches(Arc<Mutex<Vec<(String, Missing)>>>);

impl fmt::Debug for Caches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.missing()).finish()
    }
}

impl Caches {
    /// Adds a cache under the name that people are to read.
    pub fn add(&self, name: &str, cache: &Cache) {
        let cache = cache.clone();
        self.add_check(name, move || {
            matches!(*cache.0.borrow(), State::Awaited | State::Failing(_))
        });
    }

    /// Adds something that says itself whether it is missing.
    pub fn add_check(&self, name: &str, missing: impl Fn() -> bool + Send + Sync + 'static) {
        let mut checks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        checks.push((name.to_owned(), Box::new(missing)));
    }

    /// The names of what is not there yet, in the order in which they were added.
    pub fn missing(&self) -> Vec<String> {
        let checks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = checks.iter().filter(|(_, missing)| missing());
        missing.map(|(name, _)| name.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::{FutureExt, StreamExt};

    use super::*;

    #[test]
    fn what_is_awaited_is_missing_and_nothing_else() {
        let caches = Caches::default();
        let [configs, things] = [(); 2].map(|()| Cache::default());
        caches.add("configs", &configs);
        caches.add("things", &things);
        assert_eq!(caches.missing(), ["configs", "things"]);
        configs.fill();
        things.idle();
        assert!(caches.missing().is_empty());
        things.awaited();
        assert_eq!(caches.missing(), ["things"]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_in_vain_is_told_why() {
        let cache = Cache::default();
        assert_eq!(cache.listed().await, Err(NotListed::silence()));
        let refused = kube::core::Status::failure("not yours", "Forbidden").with_code(403);
        let refused = watcher::Error::WatchError(Box::new(refused));
        cache.fail(&refused);
        let reason = cache.listed().await.unwrap_err();
        assert!(reason.forbidden);
        assert_eq!(reason.to_string(), "not yours");
        assert!(cache.fill(), "somebody was told");
        cache.fail(&refused);
        assert_eq!(cache.listed().await, Ok(()));
    }

    #[tokio::test]
    async fn each_change_of_the_state_is_told_and_nothing_else() {
        let cache = Cache::default();
        let mut changes = pin!(cache.changes());
        let mut changed = || changes.next().now_or_never().is_some();
        assert!(!changed());
        let refused = kube::core::Status::failure("not yours", "Forbidden").with_code(403);
        let refused = watcher::Error::WatchError(Box::new(refused));
        for (change, expected) in [
            (Cache::awaited as fn(&Cache), false),
            (Cache::idle, true),
            (Cache::idle, false),
            (Cache::awaited, true),
        ] {
            change(&cache);
            assert_eq!(changed(), expected, "{:?}", cache.state());
        }
        cache.fail(&refused);
        assert!(changed());
        cache.fail(&refused);
        assert!(!changed(), "the reason is known");
        cache.fill();
        assert!(changed());
        cache.fail(&refused);
        assert!(!changed() && cache.is_filled());
        cache.idle();
        cache.fail(&refused);
        assert_eq!(cache.state(), State::Idle);
    }

    #[tokio::test(start_paused = true)]
    async fn a_filled_cache_wakes_everybody() {
        let cache = Cache::default();
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let cache = cache.clone();
                tokio::spawn(async move { cache.filled().await })
            })
            .collect();
        tokio::task::yield_now().await;
        cache.fill();
        for task in waiting {
            let woken = tokio::time::timeout(Duration::from_secs(1), task).await;
            woken.expect("it is woken").unwrap();
        }
    }
}
