//! One controller for each kind: a watch, a store, a queue.

use std::{
    collections::HashSet,
    convert::Infallible,
    fmt,
    future::Future,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{Stream, StreamExt, stream};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::ApiResource,
    runtime::{
        Controller, PredicateConfig, WatchStreamExt,
        controller::{self, Action},
        reflector::{ObjectRef, Store, store::Writer},
        watcher::{self, Event, watcher},
    },
};
use tokio::sync::{broadcast, watch};
use tracing::{debug, info};

use super::{
    FINALIZER,
    activation::wait_until_served,
    annotations,
    cache::{Cache, Caches},
    credentials::{Change, Credentials},
    directory::{self, Directory},
    erased::Kind,
    events::Recorder,
    metrics::{KindState, Metrics},
    progress::ProgressMap,
    rate::Bucket,
    reconcile::Reconciler,
    stored::Stored,
    summary::Summary,
    usage::Usages,
};
use crate::clock::Clock;

/// Intervals and limits of all controllers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How often an object that is as it should be is compared with its external resource.
    pub poll: Duration,
    /// Shortest poll interval that an annotation can ask for.
    pub poll_floor: Duration,
    /// How often everything is listed anew.
    pub sync: Duration,
    /// Whether policies other than the default may be asked for.
    pub management_policies: bool,
    /// Most reconciles of one kind at once.
    pub concurrency: u16,
    /// Time for the external calls of one reconcile.
    pub timeout: Duration,
    /// How long an external resource may stay invisible after its creation succeeded.
    pub creation_grace: Duration,
    /// How long a create may still take to have its effect after its answer was given up.
    pub creation_settle: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(600),
            poll_floor: Duration::from_secs(15),
            sync: Duration::from_secs(3600),
            management_policies: true,
            concurrency: 100,
            timeout: Duration::from_secs(60),
            creation_grace: Duration::from_secs(30),
            creation_settle: Duration::from_secs(10),
        }
    }
}

/// The request to stop, for as many listeners as there are.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// A switch, and the request that it makes when it is set to true or dropped.
    pub fn new() -> (watch::Sender<bool>, Self) {
        let (switch, receiver) = watch::channel(false);
        (switch, Self(receiver))
    }

    /// Completes when the process is to stop.
    pub fn requested(&self) -> impl Future<Output = ()> + Send + Sync + use<> {
        let mut receiver = self.0.clone();
        async move {
            // A switch that is gone also means stop.
            let _ = receiver.wait_for(|stop| *stop).await;
        }
    }

    /// Completes when the process is to stop while the cache is not filled. What waits for it has then done nothing that
    /// it would have to finish.
    pub fn before_filled(&self, cache: Cache) -> impl Future<Output = ()> + Send + use<> {
        let stop = self.requested();
        async move {
            tokio::select! {
                biased;
                () = cache.filled() => std::future::pending().await,
                () = stop => {}
            }
        }
    }
}

/// What all controllers share.
#[derive(Clone)]
pub struct Runtime {
    /// The Kubernetes client.
    pub client: Client,
    /// Configurations and Secrets.
    pub credentials: Arc<Credentials>,
    /// Who uses which configuration.
    pub usages: Arc<Usages>,
    /// What the pod's readiness depends on.
    pub caches: Caches,
    /// What references lead to.
    pub directory: Arc<Directory>,
    /// Metrics.
    pub metrics: Metrics,
    /// The time.
    pub clock: Clock,
    /// Intervals and limits.
    pub settings: Settings,
    /// The limit of reconciles for all kinds together.
    pub bucket: Arc<Bucket>,
    /// The request to stop.
    pub shutdown: Shutdown,
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").finish_non_exhaustive()
    }
}

/// Runs the controller of one kind: waits until the kind is served, then reconciles until shutdown and finishes what
/// runs. From the call on, the pod's readiness depends on the kind's cache, which is the one in the directory.
pub fn run(
    runtime: Runtime,
    kind: Arc<dyn Kind>,
    listed: Cache,
) -> impl Future<Output = ()> + Send {
    let names = kind.names();
    let name = format!("{}.{}", names.plural, names.group);
    runtime.caches.add(&name, &listed);
    run_when_served(runtime, kind, listed)
}

async fn run_when_served(runtime: Runtime, kind: Arc<dyn Kind>, listed: Cache) {
    let names = Arc::clone(kind.names());
    tokio::select! {
        () = wait_until_served(&names, runtime.client.clone(), &listed) => listed.awaited(),
        () = runtime.shutdown.requested() => return,
    }
    let name = format!("managed/{}.{}", names.kind, names.group).to_lowercase();
    let gvk = format!("{}, Kind={}", names.api_version, names.kind);

    let writer = Writer::<Stored>::new(Arc::clone(&names));
    let store = writer.as_reader();
    let (recorder, events) = Recorder::new(runtime.client.clone(), &name, runtime.clock.clone());
    let events = tokio::spawn(events);
    let progress = Arc::new(ProgressMap::default());
    let counted = store.clone();
    let reconciler = Arc::new(Reconciler {
        kind: Arc::clone(&kind),
        client: runtime.client.clone(),
        credentials: Arc::clone(&runtime.credentials),
        usages: Arc::clone(&runtime.usages),
        directory: Arc::clone(&runtime.directory),
        recorder,
        metrics: runtime.metrics.kind(&gvk, move || count(&counted)),
        clock: runtime.clock.clone(),
        settings: runtime.settings.clone(),
        shutdown: runtime.shutdown.clone(),
        progress: Arc::clone(&progress),
    });

    let objects = Api::<Stored>::all_with(runtime.client.clone(), &names);
    let targets = Targets::default();
    let alive = store.clone();
    let filling = listed.clone();
    let directory = Arc::clone(&runtime.directory);
    let watched = Arc::clone(&names);
    let referring = targets.clone();
    let watched_events = watcher(objects, watcher::Config::default())
        .default_backoff()
        .modify(move |object| {
            strip(object);
            object.summary = kind.summary(object);
            referring.note(object.summary.as_ref());
        })
        .reflect(writer)
        .inspect(move |event| match event {
            Ok(Event::Apply(object)) => {
                progress.shown(object);
                directory.enter(&watched.kind, object.meta());
            }
            Ok(Event::InitApply(object)) => directory.enter(&watched.kind, object.meta()),
            Ok(Event::Delete(object)) => {
                directory.remove(&watched.kind, object.meta());
                progress.forget(&object.uid().unwrap_or_default());
            }
            Ok(Event::InitDone) => {
                let objects = alive.state();
                for object in &objects {
                    progress.shown(object);
                }
                let metas = objects.iter().map(|object| &object.metadata);
                directory.complete(&watched.kind, metas);
                forget_the_gone(&progress, &alive);
                filling.fill();
            }
            Ok(Event::Init) => {}
            Err(error) => {
                debug!(%error, "Watch interrupted");
                filling.fail(error);
            }
        });
    let changed =
        once_stored(watched_events).predicate_filter(desired_state, PredicateConfig::default());
    let affected = stream::select(
        affected_objects(&runtime.credentials, &names, store.clone()),
        referring_objects(&runtime.directory, targets, &names, store.clone()),
    );
    let shutdown = runtime.shutdown.clone();
    let bucket = Arc::clone(&runtime.bucket);
    let known = store.clone();
    info!(controller = name, "Starting");
    Controller::for_stream_with(changed, store, names)
        .with_config(controller::Config::default().concurrency(runtime.settings.concurrency))
        .reconcile_on(affected)
        .reconcile_all_on(ticks(runtime.clock.clone(), runtime.settings.sync))
        .graceful_shutdown_on(runtime.shutdown.requested())
        .run(
            move |object, reconciler: Arc<Reconciler>| {
                let stop = shutdown.requested();
                let bucket = Arc::clone(&bucket);
                let known = known.clone();
                async move {
                    // Who still waits for a turn when the process is to stop has nothing to finish.
                    let object = tokio::select! {
                        biased;
                        object = turn(&bucket, &known, &object, reconciler.kind.names()) => object,
                        () = stop => None,
                    };
                    Ok(match object {
                        Some(object) => reconciler.reconcile(object).await,
                        None => Action::await_change(),
                    })
                }
            },
            |_, never: &Infallible, _| -> Action { match *never {} },
            reconciler,
        )
        // Without its first list a controller waits for ever, also when it is told to stop.
        .take_until(runtime.shutdown.before_filled(listed))
        .for_each(async |result| {
            if let Err(error) = result {
                debug!(%error, "An object went before its turn, or its watch was interrupted");
            }
        })
        .await;
    // The last recorder is gone with the controller: what it still has to write is written now.
    let _ = events.await;
    info!(controller = name, "Stopped");
}

/// Waits for a turn: the object as it is then; `None` when it is gone.
async fn turn(
    bucket: &Bucket,
    store: &Store<Stored>,
    object: &Stored,
    names: &Arc<ApiResource>,
) -> Option<Arc<Stored>> {
    bucket.take().await;
    store.get(&ObjectRef::from_obj_with(object, Arc::clone(names)))
}

/// The objects that a watch shows, those of a list when it is complete: while its pages come, the store has the objects
/// of before, and who is reconciled then is reconciled as it was.
fn once_stored(
    events: impl Stream<Item = watcher::Result<Event<Stored>>> + Send,
) -> impl Stream<Item = watcher::Result<Stored>> + Send {
    let mut listed = Vec::new();
    events.flat_map(move |event| {
        stream::iter(match event {
            Ok(Event::Init) => {
                listed.clear();
                Vec::new()
            }
            Ok(Event::InitApply(object)) => {
                listed.push(Ok(Stored::bare(object.metadata)));
                Vec::new()
            }
            Ok(Event::InitDone) => std::mem::take(&mut listed),
            Ok(Event::Apply(object)) => vec![Ok(object)],
            Ok(Event::Delete(_)) => Vec::new(),
            Err(error) => vec![Err(error)],
        })
    })
}

/// What nobody reads is not kept.
pub(super) fn strip<R: Resource>(object: &mut R) {
    let meta = object.meta_mut();
    meta.managed_fields = None;
    if let Some(annotations) = &mut meta.annotations {
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
}

/// What somebody may have changed on purpose: spec, labels, annotations, the wish to delete, finalizers of others.
/// The status, our finalizer and the marks of our creates are left out, so own writes do not come back as work.
fn desired_state<R: Resource>(object: &R) -> Option<u64> {
    let meta = object.meta();
    let mut hasher = DefaultHasher::new();
    meta.generation.hash(&mut hasher);
    meta.labels.hash(&mut hasher);
    meta.deletion_timestamp.is_some().hash(&mut hasher);
    for finalizer in meta.finalizers.iter().flatten() {
        if finalizer != FINALIZER {
            finalizer.hash(&mut hasher);
        }
    }
    for (key, value) in meta.annotations.iter().flatten() {
        let ours = [
            annotations::CREATE_PENDING,
            annotations::CREATE_SUCCEEDED,
            annotations::CREATE_FAILED,
            annotations::CREATE_NAME,
            annotations::REPLACED,
        ];
        if !ours.contains(&key.as_str()) {
            (key, value).hash(&mut hasher);
        }
    }
    Some(hasher.finish())
}

fn forget_the_gone(progress: &ProgressMap, store: &Store<Stored>) {
    let objects = store.state();
    let alive: HashSet<_> = objects
        .iter()
        .filter_map(|object| object.metadata.uid.as_deref())
        .collect();
    progress.retain(|uid| alive.contains(uid));
}

fn count(store: &Store<Stored>) -> KindState {
    let mut state = KindState::default();
    for object in store.state() {
        state.exists += 1;
        if let Some(summary) = &object.summary {
            state.ready += i64::from(summary.ready);
            state.synced += i64::from(summary.synced);
        }
    }
    state
}

/// The objects whose credentials have changed.
fn affected_objects(
    credentials: &Arc<Credentials>,
    names: &Arc<ApiResource>,
    store: Store<Stored>,
) -> impl Stream<Item = ObjectRef<Stored>> + Send + 'static {
    let credentials = Arc::clone(credentials);
    let names = Arc::clone(names);
    lagging(credentials.changes()).flat_map(move |change: Option<Change>| {
        stream::iter(those(&store, &names, |object, summary| {
            let namespace = object.metadata.namespace.as_deref();
            let concerned = |change| credentials.concerns(change, namespace, summary);
            change.as_ref().is_none_or(concerned)
        }))
    })
}

/// The kinds that the objects of a kind have ever referred to. Most changes are of other kinds, and then no object has to
/// be looked at.
#[derive(Clone, Debug, Default)]
struct Targets(Arc<Mutex<HashSet<&'static str>>>);

impl Targets {
    fn note(&self, summary: Option<&Summary>) {
        if let Some(summary) = summary
            && !summary.references.is_empty()
        {
            let kinds = summary.references.iter().map(|target| target.kind);
            self.lock().extend(kinds);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<&'static str>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The objects whose references may now stand for something else.
fn referring_objects(
    directory: &Directory,
    targets: Targets,
    names: &Arc<ApiResource>,
    store: Store<Stored>,
) -> impl Stream<Item = ObjectRef<Stored>> + Send + 'static {
    let names = Arc::clone(names);
    let changes = directory.changes().filter(move |change| {
        let kind = change.as_ref().map(directory::Change::kind);
        let concerned = kind.is_none_or(|kind| targets.lock().contains(kind));
        std::future::ready(concerned)
    });
    changes.flat_map(move |change| {
        stream::iter(those(&store, &names, |object, summary| {
            let namespace = object.metadata.namespace.as_deref();
            change
                .as_ref()
                .is_none_or(|change| change.concerns(namespace, summary))
        }))
    })
}

/// The objects that can be decoded and that `concerned` holds for.
fn those(
    store: &Store<Stored>,
    names: &Arc<ApiResource>,
    concerned: impl Fn(&Stored, &Summary) -> bool,
) -> Vec<ObjectRef<Stored>> {
    let objects = store.state();
    let concerned = objects.iter().filter(|object| {
        let summary = object.summary.as_ref();
        summary.is_some_and(|summary| concerned(object, summary))
    });
    concerned
        .map(|object| ObjectRef::from_obj_with(&**object, Arc::clone(names)))
        .collect()
}

/// The values of a broadcast; `None` stands for values that were missed.
pub(super) fn lagging<T: Clone + Send + 'static>(
    receiver: broadcast::Receiver<T>,
) -> impl Stream<Item = Option<T>> + Send + 'static {
    stream::unfold(receiver, async |mut receiver| match receiver.recv().await {
        Ok(value) => Some((Some(value), receiver)),
        Err(broadcast::error::RecvError::Lagged(_)) => Some((None, receiver)),
        Err(broadcast::error::RecvError::Closed) => None,
    })
}

fn ticks(clock: Clock, interval: Duration) -> impl Stream<Item = ()> + Send + 'static {
    stream::unfold(clock, move |clock| async move {
        clock.sleep(interval).await;
        Some(((), clock))
    })
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use jiff::Timestamp;
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;
    use crate::clock::SteppedClock;

    fn named(name: &str) -> Stored {
        Stored::bare(kube::core::ObjectMeta {
            name: Some(name.to_owned()),
            ..Default::default()
        })
    }

    #[test]
    fn the_objects_of_a_list_are_shown_when_the_list_is_complete() {
        let (sender, events) = futures::channel::mpsc::unbounded();
        let mut shown = std::pin::pin!(once_stored(events));
        let mut shown_after = |event| {
            sender.unbounded_send(Ok(event)).unwrap();
            let mut names = Vec::new();
            while let Some(Some(Ok(object))) = shown.next().now_or_never() {
                names.push(object.name_any());
            }
            names
        };
        assert!(shown_after(Event::Init).is_empty());
        assert!(shown_after(Event::InitApply(named("given-up"))).is_empty());
        assert!(shown_after(Event::Init).is_empty());
        assert!(shown_after(Event::InitApply(named("a"))).is_empty());
        assert!(shown_after(Event::InitApply(named("b"))).is_empty());
        assert_eq!(shown_after(Event::InitDone), ["a", "b"]);
        assert_eq!(shown_after(Event::Apply(named("c"))), ["c"]);
        assert!(shown_after(Event::Delete(named("c"))).is_empty());
    }

    #[tokio::test]
    async fn whose_turn_has_come_is_reconciled_as_it_is_by_then() {
        let names = Arc::new(ApiResource::erase::<ConfigMap>(&()));
        let mut writer = Writer::new(Arc::clone(&names));
        let store = writer.as_reader();
        let hand = SteppedClock::new(Timestamp::UNIX_EPOCH);
        let bucket = Bucket::new(1, hand.clock());
        let (mut before, mut after) = (named("a"), named("a"));
        before.metadata.generation = Some(1);
        after.metadata.generation = Some(2);
        writer.apply_watcher_event(&Event::Apply(before.clone()));
        for _ in 0..10 {
            assert!(turn(&bucket, &store, &before, &names).await.is_some());
        }
        let mut waiting = std::pin::pin!(turn(&bucket, &store, &before, &names));
        assert!(
            (&mut waiting).now_or_never().is_none(),
            "the bucket is empty"
        );
        writer.apply_watcher_event(&Event::Apply(after.clone()));
        hand.advance(Duration::from_secs(1));
        assert_eq!(waiting.await.as_deref(), Some(&after));
        writer.apply_watcher_event(&Event::Delete(after.clone()));
        hand.advance(Duration::from_secs(10));
        assert_eq!(turn(&bucket, &store, &before, &names).await, None);
    }

    #[test]
    fn only_what_people_change_counts_as_a_change() {
        let before = {
            let mut object = ConfigMap::default();
            object.metadata.generation = Some(1);
            object
        };
        let changed = |change: fn(&mut ConfigMap)| {
            let mut after = before.clone();
            change(&mut after);
            desired_state(&after) != desired_state(&before)
        };
        assert!(changed(|o| o.metadata.generation = Some(2)));
        assert!(changed(|o| {
            o.labels_mut().insert("a".into(), "b".into());
        }));
        assert!(changed(|o| {
            o.annotations_mut()
                .insert(annotations::PAUSED.into(), "true".into());
        }));
        assert!(changed(|o| o.finalizers_mut().push("other".into())));
        assert!(!changed(|o| o.finalizers_mut().push(FINALIZER.into())));
        assert!(!changed(|o| {
            o.annotations_mut()
                .insert(annotations::CREATE_PENDING.into(), "t".into());
        }));
        assert!(!changed(|o| o.metadata.resource_version = Some("2".into())));
    }
}
