//! What this process remembers of each object between two reconciles.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::stored::Stored;

/// The memory of one object. Nothing in it is needed for correctness: a new process starts without it.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Failures in a row, for the back-off.
    pub(super) failures: u32,
    /// The next look has to be a direct one: the external resource was changed, or is wanted to be looked at.
    pub(super) look_directly: bool,
    /// The next look may be a shared one, when it is not older than this moment on the monotonic clock.
    pub(super) look_since: Option<Duration>,
    /// This process has requested the deletion of the external resource.
    pub(super) delete_requested: bool,
    /// What updates were to remove since the external resource was last seen to be up to date, as hashes.
    pub(super) updates: Vec<u64>,
    /// The generation with which the external system last refused a change.
    pub(super) refused: Option<i64>,
    /// The object was first reconciled by this process, and was not ready since.
    pub(super) awaiting_first_ready: bool,
    /// When the external resource was last seen to be up to date, on the monotonic clock.
    pub(super) up_to_date_at: Option<Duration>,
    /// What the connection Secret was last seen to hold, as a hash, and when, on the monotonic clock.
    pub(super) published: Option<(u64, Duration)>,
    /// The object as this process last wrote or read it, until the watch has caught up.
    pub(super) written: Option<Arc<Stored>>,
    /// What is known of the object is not older than this process.
    pub(super) confirmed: bool,
}

/// The memory of all objects of a kind, by UID.
#[derive(Debug, Default)]
pub(super) struct ProgressMap(Mutex<HashMap<String, Progress>>);

impl ProgressMap {
    /// Takes in what the store has of an object by now. From then on it is remembered, until it is forgotten; an own write
    /// that has come back is not kept.
    pub(super) fn shown(&self, object: &Stored) {
        let uid = object.metadata.uid.as_deref().unwrap_or_default();
        let mut map = self.lock();
        let Some(progress) = map.get_mut(uid) else {
            map.insert(uid.to_owned(), Progress::default());
            return;
        };
        if let Some(written) = &progress.written
            && !is_newer(written, object)
        {
            progress.written = None;
        }
    }

    /// Takes in the object as the API server has it, or as it was just written.
    pub(super) fn learned(&self, uid: &str, object: Stored) {
        self.with(uid, |progress| {
            progress.confirmed = true;
            progress.written = Some(Arc::new(object));
        });
    }

    /// Reads and changes the memory of one object. A reconcile may end after its object: what is then to be remembered
    /// is lost.
    pub(super) fn with<T>(&self, uid: &str, change: impl FnOnce(&mut Progress) -> T) -> T {
        match self.lock().get_mut(uid) {
            Some(progress) => change(progress),
            None => change(&mut Progress::default()),
        }
    }

    /// The newer of what the watch has shown and what this process has written.
    pub(super) fn newest(&self, watched: &Arc<Stored>) -> Arc<Stored> {
        let uid = watched.metadata.uid.as_deref().unwrap_or_default();
        let written = self.with(uid, |progress| progress.written.clone());
        written
            .filter(|written| is_newer(written, watched))
            .unwrap_or_else(|| Arc::clone(watched))
    }

    /// Drops the memory of one object.
    pub(super) fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    /// Drops the memory of objects that are no longer there.
    pub(super) fn retain(&self, is_alive: impl Fn(&str) -> bool) {
        self.lock().retain(|uid, _| is_alive(uid));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Progress>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Resource versions of one resource type can be compared as numbers (Kubernetes 1.35 promises what was always so).
pub(super) fn is_newer(a: &Stored, b: &Stored) -> bool {
    let version = |r: &Stored| r.metadata.resource_version.as_ref()?.parse::<u64>().ok();
    matches!((version(a), version(b)), (Some(a), Some(b)) if a > b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(version: &str) -> Arc<Stored> {
        let mut object = Stored::default();
        object.metadata.uid = Some("u".to_owned());
        object.metadata.resource_version = Some(version.to_owned());
        Arc::new(object)
    }

    #[test]
    fn an_own_write_hides_older_watch_events_until_the_watch_has_caught_up() {
        let map = ProgressMap::default();
        map.shown(&version("8"));
        map.with("u", |progress| progress.written = Some(version("10")));
        map.shown(&version("9"));
        assert_eq!(map.newest(&version("9")), version("10"));
        assert_eq!(map.newest(&version("11")), version("11"));
        map.shown(&version("10"));
        assert!(map.with("u", |progress| progress.written.is_none()));
    }

    #[test]
    fn nothing_is_kept_of_an_object_that_is_gone() {
        let map = ProgressMap::default();
        map.shown(&version("8"));
        map.with("u", |progress| progress.failures = 3);
        assert_eq!(map.with("u", |progress| progress.failures), 3);
        map.forget("u");
        map.with("u", |progress| progress.written = Some(version("10")));
        assert_eq!(map.newest(&version("9")), version("9"));
        assert!(map.lock().is_empty());
    }
}
