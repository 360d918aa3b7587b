//! The shared list of one resource type under one token.
//!
//! A list takes time, and objects change meanwhile. So every piece of knowledge carries a [`Seen`]: a read counts from
//! the moment at which it *started*, a change from the moment at which its answer *arrived*. What is newer stays; a
//! list that started before a change never undoes what the change taught.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::error::Error;
use super::lock;
use super::page;
use super::resource::Resource;

/// How long the failure of a list is passed on instead of asking again: when the API is away, hundreds of objects ask.
const FAILURE_HOLDS: Duration = Duration::from_secs(1);

/// How long objects that were read by themselves count.
const SINGLES_COUNT: Duration = Duration::from_secs(10);

/// When something was known to be so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Position in the order of all events of a client.
    pub(super) order: u64,
    /// The moment, elapsed on the clock.
    pub(super) at: Duration,
}

/// What is known about one id.
#[derive(Debug)]
pub(super) enum Known<T> {
    /// The object, seen recently enough.
    Present(Arc<T>),
    /// The API said that there is none, recently enough.
    Gone,
    /// Only a list that starts now can tell.
    Outdated,
    /// The list does not have it, or a change of it has an unknown outcome: only reading it can tell.
    Doubtful,
}

#[derive(Debug)]
pub(super) struct Snapshot<T> {
    state: Mutex<State<T>>,
    /// Held by the one that reads the list.
    pub(super) flight: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct State<T> {
    objects: HashMap<u64, Entry<T>>,
    /// Objects known to be gone, as long as an older list may still be on its way.
    gone: HashMap<u64, Seen>,
    listed: Option<Seen>,
    /// What was known before this event does not count any more.
    not_before: Seen,
    failure: Option<(Seen, Error)>,
    /// How many single objects were read instead of the list, since the moment.
    singles: (Duration, usize),
}

#[derive(Debug)]
struct Entry<T> {
    object: Arc<T>,
    seen: Seen,
    /// Since when the object may have changed without our knowing how.
    doubt: Option<u64>,
}

impl<T: Resource> Default for Snapshot<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Resource> Snapshot<T> {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                objects: HashMap::new(),
                gone: HashMap::new(),
                listed: None,
                not_before: Seen {
                    order: 0,
                    at: Duration::ZERO,
                },
                failure: None,
                singles: (Duration::ZERO, 0),
            }),
            flight: tokio::sync::Mutex::const_new(()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        lock(&self.state)
    }

    /// The moment since when knowledge counts, for somebody who accepts `max_age` at `now`.
    pub(super) fn since(&self, now: Duration, max_age: Duration) -> Duration {
        now.saturating_sub(max_age).max(self.state().not_before.at)
    }

    /// Whether the list is known as of `since`.
    pub(super) fn listed_since(&self, since: Duration) -> bool {
        self.state().listed.is_some_and(|listed| listed.at >= since)
    }

    /// What is known about `id` as of `since`.
    pub(super) fn known(&self, id: u64, since: Duration) -> Known<T> {
        let state = self.state();
        if state.gone.get(&id).is_some_and(|seen| seen.at >= since) {
            return Known::Gone;
        }
        match state.objects.get(&id) {
            Some(entry) if entry.doubt.is_some() => Known::Doubtful,
            Some(entry) if entry.seen.at >= since => Known::Present(Arc::clone(&entry.object)),
            None if state.listed.is_some_and(|listed| listed.at >= since) => Known::Doubtful,
            Some(_) | None => Known::Outdated,
        }
    }

    /// Whether an outdated object is better read by itself than with the list, and counts it if so.
    ///
    /// Nobody knows how many others will be asked for. So single objects are read until they have taken as many
    /// requests as the list has pages: altogether never more than twice what the better of the two takes.
    pub(super) fn reads_single(&self, now: Duration) -> bool {
        let mut state = self.state();
        let pages = state.objects.len().div_ceil(page::PER_PAGE);
        if now.saturating_sub(state.singles.0) >= SINGLES_COUNT {
            state.singles = (now, 0);
        }
        let single = pages > 1 && state.singles.1 < pages;
        state.singles.1 += usize::from(single);
        single
    }

    /// The objects that `accept` takes, ordered by id.
    pub(super) fn select(&self, accept: impl Fn(&T) -> bool) -> Vec<Arc<T>> {
        let state = self.state();
        let objects = state.objects.values().map(|entry| &entry.object);
        let mut found: Vec<Arc<T>> = objects.filter(|object| accept(object)).cloned().collect();
        found.sort_unstable_by_key(|object| object.id());
        found
    }

    /// Takes in an object that a read or a change returned; returns what is now known of it.
    pub(super) fn put(&self, object: T, seen: Seen) -> Arc<T> {
        let object = Arc::new(object);
        let mut state = self.state();
        let id = object.id();
        if state.newer_than(id, seen) {
            return object;
        }
        state.gone.remove(&id);
        let entry = Entry {
            object: Arc::clone(&object),
            seen,
            doubt: None,
        };
        state.objects.insert(id, entry);
        object
    }

    /// Takes in that an object is gone.
    pub(super) fn remove(&self, id: u64, seen: Seen) {
        let mut state = self.state();
        if !state.newer_than(id, seen) {
            state.objects.remove(&id);
            state.gone.insert(id, seen);
        }
    }

    /// The object may have changed: it is read before it is used again.
    pub(super) fn doubt(&self, id: u64, seen: Seen) {
        let mut state = self.state();
        state.gone.remove(&id);
        if let Some(entry) = state.objects.get_mut(&id) {
            entry.doubt = Some(seen.order);
        }
    }

    /// The list may have changed: it is read before it is used again.
    pub(super) fn invalidate(&self, seen: Seen) {
        let mut state = self.state();
        state.not_before = seen;
        state.listed = None;
    }

    /// Takes in a complete list whose first page was asked for at `started`.
    pub(super) fn replace(&self, objects: Vec<T>, started: Seen) {
        let mut state = self.state();
        let mut listed = HashSet::with_capacity(objects.len());
        for object in objects {
            let id = object.id();
            listed.insert(id);
            if state.newer_than(id, started) {
                continue;
            }
            let entry = Entry {
                object: Arc::new(object),
                seen: started,
                doubt: None,
            };
            state.objects.insert(id, entry);
        }
        let newer = |order: u64| order > started.order;
        state
            .objects
            .retain(|id, entry| listed.contains(id) || newer(entry.seen.order));
        state.gone.retain(|_, seen| newer(seen.order));
        if started.order > state.not_before.order {
            state.listed = Some(started);
        }
        state.failure = None;
    }

    /// Takes in that the list could not be read.
    pub(super) fn fail(&self, error: Error, seen: Seen) {
        self.state().failure = Some((seen, error));
    }

    /// The failure of a list, for somebody who came at `came` and has waited until `now`.
    pub(super) fn failure(&self, came: u64, now: Duration) -> Option<Error> {
        let state = self.state();
        let (seen, error) = state.failure.as_ref()?;
        let holds = seen.order > came || now.saturating_sub(seen.at) < FAILURE_HOLDS;
        holds.then(|| error.clone())
    }
}

impl<T> State<T> {
    /// Whether something newer than `seen` is known about `id`.
    fn newer_than(&self, id: u64, seen: Seen) -> bool {
        let object = self.objects.get(&id);
        let known = object.map(|entry| entry.doubt.unwrap_or(0).max(entry.seen.order));
        let gone = self.gone.get(&id).map(|gone| gone.order);
        known.max(gone).is_some_and(|order| order > seen.order)
    }
}

#[cfg(test)]
mod tests {
    use super::super::labels::Labels;
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Thing {
        id: u64,
        name: String,
    }

    impl Resource for Thing {
        const COLLECTION: &'static str = "things";
        const OBJECT: &'static str = "thing";

        fn id(&self) -> u64 {
            self.id
        }

        fn name(&self) -> &str {
            &self.name
        }

        fn labels(&self) -> &Labels {
            const { &Labels::new() }
        }
    }

    fn thing(id: u64, name: &str) -> Thing {
        Thing {
            id,
            name: name.to_owned(),
        }
    }

    /// Event number `order`, one second after the former.
    fn at(order: u64) -> Seen {
        Seen {
            order,
            at: Duration::from_secs(order),
        }
    }

    fn names(snapshot: &Snapshot<Thing>) -> Vec<String> {
        let all = snapshot.select(|_| true);
        all.iter().map(|thing| thing.name.clone()).collect()
    }

    fn known(snapshot: &Snapshot<Thing>, id: u64, since: u64) -> String {
        match snapshot.known(id, Duration::from_secs(since)) {
            Known::Present(thing) => thing.name.clone(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_list_replaces_what_was_known_before_it_started() {
        let snapshot = Snapshot::new();
        snapshot.replace(vec![thing(1, "a"), thing(2, "b")], at(1));
        snapshot.replace(vec![thing(2, "b2"), thing(3, "c")], at(2));
        assert_eq!(names(&snapshot), ["b2", "c"]);
    }

    #[test]
    fn a_list_that_started_before_a_change_does_not_undo_it() {
        let snapshot = Snapshot::new();
        snapshot.replace(vec![thing(1, "a"), thing(2, "b")], at(1));
        // The list starts at 2; an update, a creation and a deletion finish while its pages come in.
        snapshot.put(thing(1, "a, changed"), at(3));
        snapshot.put(thing(3, "c, created"), at(4));
        snapshot.remove(2, at(5));
        snapshot.replace(vec![thing(1, "a"), thing(2, "b")], at(2));
        assert_eq!(names(&snapshot), ["a, changed", "c, created"]);
        assert_eq!(known(&snapshot, 2, 2), "Gone");
    }

    #[test]
    fn a_slow_read_does_not_undo_a_change_or_a_deletion_that_came_after_it_started() {
        let snapshot = Snapshot::new();
        snapshot.put(thing(1, "changed"), at(3));
        snapshot.put(thing(1, "read before"), at(2));
        assert_eq!(names(&snapshot), ["changed"]);
        snapshot.remove(1, at(5));
        snapshot.put(thing(1, "read before"), at(4));
        assert!(names(&snapshot).is_empty());
        snapshot.remove(2, at(6));
        snapshot.put(thing(2, "made anew"), at(7));
        snapshot.remove(2, at(6));
        assert_eq!(names(&snapshot), ["made anew"]);
    }

    #[test]
    fn what_a_change_returned_is_fresh_without_a_new_list() {
        let snapshot = Snapshot::new();
        snapshot.replace(vec![thing(1, "a"), thing(2, "b")], at(1));
        snapshot.put(thing(1, "changed"), at(100));
        assert_eq!(known(&snapshot, 1, 90), "changed");
        assert_eq!(known(&snapshot, 2, 90), "Outdated");
        assert_eq!(known(&snapshot, 3, 90), "Outdated");
        assert_eq!(known(&snapshot, 2, 1), "b");
    }

    #[test]
    fn a_list_alone_does_not_prove_that_an_object_is_gone() {
        let snapshot = Snapshot::new();
        snapshot.replace(vec![thing(1, "a")], at(1));
        assert_eq!(known(&snapshot, 2, 1), "Doubtful");
        snapshot.remove(2, at(2));
        assert_eq!(known(&snapshot, 2, 1), "Gone");
        assert_eq!(known(&snapshot, 2, 3), "Outdated", "the proof is too old");
    }

    #[test]
    fn a_doubtful_object_is_read_again_and_a_list_from_before_the_doubt_does_not_settle_it() {
        let snapshot = Snapshot::new();
        snapshot.replace(vec![thing(1, "a")], at(1));
        snapshot.doubt(1, at(3));
        assert_eq!(known(&snapshot, 1, 0), "Doubtful");
        snapshot.replace(vec![thing(1, "a")], at(2));
        assert_eq!(known(&snapshot, 1, 0), "Doubtful");
        snapshot.put(thing(1, "read"), at(4));
        assert_eq!(known(&snapshot, 1, 0), "read");
        snapshot.doubt(1, at(5));
        snapshot.replace(vec![thing(1, "listed")], at(6));
        assert_eq!(known(&snapshot, 1, 0), "listed");
    }

    #[test]
    fn an_invalidated_list_counts_only_when_it_started_afterwards() {
        let snapshot = Snapshot::new();
        snapshot.replace(vec![thing(1, "a")], at(1));
        let week = Duration::from_secs(7 * 24 * 3600);
        let long_ago = snapshot.since(Duration::from_secs(2), week);
        assert!(snapshot.listed_since(long_ago));
        snapshot.invalidate(at(3));
        let since = snapshot.since(Duration::from_secs(4), week);
        assert_eq!(since, Duration::from_secs(3));
        snapshot.replace(vec![thing(1, "a")], at(2));
        assert!(
            !snapshot.listed_since(since),
            "that list was on its way already"
        );
        snapshot.replace(vec![thing(1, "a")], at(5));
        assert!(snapshot.listed_since(since));
    }

    #[test]
    fn a_failure_is_shared_by_those_who_waited_for_it_and_for_a_moment_after() {
        let snapshot = Snapshot::<Thing>::new();
        let call = "GET /things".to_owned();
        snapshot.fail(Error::UnstableList { call }, at(10));
        let second = Duration::from_secs;
        assert!(snapshot.failure(9, second(60)).is_some(), "waited for it");
        assert!(
            snapshot.failure(11, second(10)).is_some(),
            "came just after"
        );
        assert!(snapshot.failure(11, second(11)).is_none());
        snapshot.replace(Vec::new(), at(12));
        assert!(snapshot.failure(9, second(12)).is_none());
    }
}
