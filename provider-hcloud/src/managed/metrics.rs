//! Metrics under the names that Crossplane's dashboards know.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{counter::Counter, family::Family, gauge::ConstGauge, histogram::Histogram},
    registry::Registry,
};

use crate::clock::Clock;

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct KindLabel {
    gvk: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct StepLabel {
    gvk: String,
    step: &'static str,
}

type Histograms = Family<KindLabel, Histogram, fn() -> Histogram>;

/// Buckets of crossplane-runtime for what takes seconds to an hour.
fn slow() -> Histogram {
    Histogram::new([
        1.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0,
    ])
}

/// Buckets of crossplane-runtime for what it expects to be quick. Made as Go makes them, so that they are equal in the
/// last digit too, and sums over several providers add up.
fn fine() -> Histogram {
    Histogram::new(std::iter::successors(Some(10e-9), |bound| Some(bound * 10.0)).take(10))
}

/// How many objects of a kind exist, are ready, are synced.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct KindState {
    /// Objects.
    pub exists: i64,
    /// Objects whose condition Ready is true.
    pub ready: i64,
    /// Objects whose condition Synced is true.
    pub synced: i64,
}

/// Name, description and value of a gauge.
type Gauge = (&'static str, &'static str, fn(&KindState) -> i64);
type Count = Box<dyn Fn() -> KindState + Send + Sync>;

#[derive(Clone, Default)]
struct StateCollector(Arc<Mutex<States>>);

#[derive(Default)]
struct States {
    kinds: Vec<(String, Count)>,
    /// How old the numbers may be, and by which clock.
    age: Option<(Duration, Clock)>,
    /// The last numbers, and when they were counted.
    counted: Option<(Duration, Vec<(String, KindState)>)>,
}

impl States {
    fn counted(&mut self) -> Vec<(String, KindState)> {
        let now = self
            .age
            .as_ref()
            .map(|(age, clock)| (*age, clock.elapsed()));
        if let (Some((age, now)), Some((at, counted))) = (now, &self.counted)
            && now.saturating_sub(*at) < age
        {
            return counted.clone();
        }
        let kinds = self.kinds.iter();
        let counted: Vec<_> = kinds.map(|(gvk, count)| (gvk.clone(), count())).collect();
        self.counted = now.map(|(_, now)| (now, counted.clone()));
        counted
    }
}

impl fmt::Debug for StateCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StateCollector")
    }
}

impl Collector for StateCollector {
    /// Counted when somebody asks, so an unwatched provider does not count.
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let states = {
            let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            states.counted()
        };
        let gauges: [Gauge; 3] = [
            (
                "crossplane_managed_resource_exists",
                "The number of managed resources that exist",
                |state| state.exists,
            ),
            (
                "crossplane_managed_resource_ready",
                "The number of managed resources in Ready=True state",
                |state| state.ready,
            ),
            (
                "crossplane_managed_resource_synced",
                "The number of managed resources in Synced=True state",
                |state| state.synced,
            ),
        ];
        for (name, help, value) in gauges {
            let family = Family::<KindLabel, prometheus_client::metrics::gauge::Gauge>::default();
            for (gvk, state) in &states {
                let label = KindLabel { gvk: gvk.clone() };
                family.get_or_create(&label).set(value(state));
            }
            let metric_type = ConstGauge::new(0_i64).metric_type();
            let metric = encoder.encode_descriptor(name, help, None, metric_type)?;
            family.encode(metric)?;
        }
        Ok(())
    }
}

/// Metrics of all kinds.
#[derive(Clone, Debug)]
pub struct Metrics {
    first_reconcile: Histograms,
    first_ready: Histograms,
    deletion: Histograms,
    drift: Histograms,
    reconciles: Family<StepLabel, Counter>,
    state: StateCollector,
}

impl Metrics {
    /// Metrics that `registry` will expose.
    pub fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            first_reconcile: Family::new_with_constructor(fine),
            first_ready: Family::new_with_constructor(slow),
            deletion: Family::new_with_constructor(slow),
            drift: Family::new_with_constructor(fine),
            reconciles: Family::default(),
            state: StateCollector::default(),
        };
        let prefix = "crossplane_managed_resource";
        for (name, help, histograms) in [
            (
                "first_time_to_reconcile_seconds",
                "The time it took to detect a managed resource by the controller",
                &metrics.first_reconcile,
            ),
            (
                "first_time_to_readiness_seconds",
                "The time it took for a managed resource to become ready first time after creation",
                &metrics.first_ready,
            ),
            (
                "deletion_seconds",
                "The time it took for a managed resource to be deleted",
                &metrics.deletion,
            ),
            (
                "drift_seconds",
                "ALPHA: How long since the previous successful reconcile when a resource was found to be out of sync",
                &metrics.drift,
            ),
        ] {
            registry.register(format!("{prefix}_{name}"), help, histograms.clone());
        }
        registry.register(
            "provider_reconciles",
            "Reconciles by kind and by the step that was taken",
            metrics.reconciles.clone(),
        );
        registry.register_collector(Box::new(metrics.state.clone()));
        metrics
    }

    /// Lets the numbers of objects be as old as `age`, however often they are read.
    pub fn count_at_most_every(&self, age: Duration, clock: Clock) {
        let mut states = self.state.0.lock().unwrap_or_else(PoisonError::into_inner);
        states.age = Some((age, clock));
    }

    /// The metrics of one kind; `gvk` is written as Go prints it: `group/version, Kind=K`. `count` is asked whenever
    /// somebody reads the metrics.
    pub fn kind(
        &self,
        gvk: &str,
        count: impl Fn() -> KindState + Send + Sync + 'static,
    ) -> KindMetrics {
        {
            let mut states = self.state.0.lock().unwrap_or_else(PoisonError::into_inner);
            states.kinds.push((gvk.to_owned(), Box::new(count)));
            states.counted = None;
        }
        KindMetrics {
            label: KindLabel {
                gvk: gvk.to_owned(),
            },
            metrics: self.clone(),
        }
    }
}

/// Metrics of one kind.
#[derive(Debug)]
pub struct KindMetrics {
    label: KindLabel,
    metrics: Metrics,
}

impl KindMetrics {
    fn observe(&self, histograms: &Histograms, time: Duration) {
        histograms
            .get_or_create(&self.label)
            .observe(time.as_secs_f64());
    }

    /// An object was reconciled for the first time, so long after its creation.
    pub fn first_reconciled(&self, age: Duration) {
        self.observe(&self.metrics.first_reconcile, age);
    }

    /// An object became ready for the first time, so long after its creation.
    pub fn first_ready(&self, age: Duration) {
        self.observe(&self.metrics.first_ready, age);
    }

    /// An object is gone, so long after its deletion was requested.
    pub fn deleted(&self, after: Duration) {
        self.observe(&self.metrics.deletion, after);
    }

    /// A difference was removed, so long after the external resource was last seen to be as desired.
    pub fn drifted(&self, since: Duration) {
        self.observe(&self.metrics.drift, since);
    }

    /// A reconcile took this step.
    pub fn stepped(&self, step: &'static str) {
        let label = StepLabel {
            gvk: self.label.gvk.clone(),
            step,
        };
        self.metrics.reconciles.get_or_create(&label).inc();
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::clock::SteppedClock;

    fn text(registry: &Registry) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
        text
    }

    #[test]
    fn the_metrics_carry_the_names_and_labels_that_dashboards_read() {
        let mut registry = Registry::default();
        let metrics = Metrics::new(&mut registry);
        let kind = metrics.kind("example.org/v1, Kind=Thing", || KindState {
            exists: 3,
            ready: 2,
            synced: 1,
        });
        kind.first_reconciled(Duration::from_millis(1));
        kind.first_ready(Duration::from_secs(2));
        kind.deleted(Duration::from_secs(3));
        kind.drifted(Duration::from_secs(4));
        kind.stepped("create");
        let text = text(&registry);
        let gvk = "gvk=\"example.org/v1, Kind=Thing\"";
        for line in [
            format!("crossplane_managed_resource_exists{{{gvk}}} 3"),
            format!("crossplane_managed_resource_ready{{{gvk}}} 2"),
            format!("crossplane_managed_resource_synced{{{gvk}}} 1"),
            format!("crossplane_managed_resource_first_time_to_readiness_seconds_sum{{{gvk}}} 2.0"),
            format!("crossplane_managed_resource_first_time_to_reconcile_seconds_count{{{gvk}}} 1"),
            format!("crossplane_managed_resource_deletion_seconds_sum{{{gvk}}} 3.0"),
            format!("crossplane_managed_resource_drift_seconds_sum{{{gvk}}} 4.0"),
            format!("provider_reconciles_total{{{gvk},step=\"create\"}} 1"),
        ] {
            assert!(text.contains(&line), "{line} is not in\n{text}");
        }
        for (name, kind) in [
            ("exists", "gauge"),
            ("ready", "gauge"),
            ("synced", "gauge"),
            ("first_time_to_reconcile_seconds", "histogram"),
            ("first_time_to_readiness_seconds", "histogram"),
            ("deletion_seconds", "histogram"),
            ("drift_seconds", "histogram"),
        ] {
            let line = format!("# TYPE crossplane_managed_resource_{name} {kind}\n");
            assert!(text.contains(&line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn the_buckets_are_those_of_crossplane_runtime() {
        let slow = "1.0 5.0 10.0 15.0 30.0 60.0 120.0 300.0 600.0 1800.0 3600.0 +Inf";
        // Go writes the same numbers with exponents: 9.999999999999999e-06.
        let fine = "1e-8 1e-7 0.000001 0.000009999999999999999 0.00009999999999999999 0.001 0.01 0.1 1.0 10.0 +Inf";
        let mut registry = Registry::default();
        let kind = Metrics::new(&mut registry).kind("g/v, Kind=K", KindState::default);
        kind.first_reconciled(Duration::ZERO);
        kind.first_ready(Duration::ZERO);
        kind.deleted(Duration::ZERO);
        kind.drifted(Duration::ZERO);
        let text = text(&registry);
        for (name, expected) in [
            ("first_time_to_reconcile", fine),
            ("first_time_to_readiness", slow),
            ("deletion", slow),
            ("drift", fine),
        ] {
            let prefix = format!("crossplane_managed_resource_{name}_seconds_bucket{{le=\"");
            let bounds = text.lines().filter_map(|line| line.strip_prefix(&prefix));
            let bounds: Vec<_> = bounds.filter_map(|rest| rest.split('"').next()).collect();
            assert_eq!(bounds.join(" "), expected, "{name}");
        }
    }

    #[test]
    fn objects_are_counted_no_more_often_than_asked_for() {
        let mut registry = Registry::default();
        let metrics = Metrics::new(&mut registry);
        let hand = SteppedClock::new(Timestamp::UNIX_EPOCH);
        metrics.count_at_most_every(Duration::from_secs(5), hand.clock());
        let counts = Arc::new(Mutex::new(0));
        let counting = Arc::clone(&counts);
        let _kind = metrics.kind("g/v, Kind=K", move || {
            let mut counts = counting.lock().unwrap();
            *counts += 1;
            KindState {
                exists: *counts,
                ..KindState::default()
            }
        });
        let exists = || {
            let text = text(&registry);
            let prefix = "crossplane_managed_resource_exists{gvk=\"g/v, Kind=K\"} ";
            let found = text.lines().find_map(|line| line.strip_prefix(prefix));
            found.unwrap().to_owned()
        };
        assert_eq!(exists(), "1");
        hand.advance(Duration::from_secs(4));
        assert_eq!(exists(), "1");
        hand.advance(Duration::from_secs(1));
        assert_eq!(exists(), "2");
    }
}
