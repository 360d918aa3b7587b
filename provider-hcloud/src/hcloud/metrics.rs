//! Counters of calls and the level of each budget; the binary owns the registry.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::error::Error;

/// What the client counts. Cheap to clone; clones count together.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    calls: Family<CallLabels, Counter>,
    budget: Family<BudgetLabels, Gauge<f64, AtomicU64>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    endpoint: String,
    class: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BudgetLabels {
    credential: String,
}

impl Metrics {
    /// Adds the metrics to `registry`, under names that begin with `hcloud_`.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("hcloud");
        registry.register(
            "requests",
            "Requests to the Hetzner Cloud API by endpoint and class of the answer (ok, or the kind of failure)",
            self.calls.clone(),
        );
        registry.register(
            "budget_remaining",
            "Requests left in the budget of a project, as its last answer said",
            self.budget.clone(),
        );
    }

    pub(super) fn called(&self, endpoint: &str, result: Result<(), &Error>) {
        let class = result.map_or_else(|error| error.class().as_str(), |()| "ok");
        let endpoint = endpoint.to_owned();
        self.calls
            .get_or_create(&CallLabels { endpoint, class })
            .inc();
    }

    pub(super) fn remaining(&self, credential: &str, requests: f64) {
        let credential = credential.to_owned();
        self.budget
            .get_or_create(&BudgetLabels { credential })
            .set(requests);
    }

    pub(super) fn forget(&self, credential: &str) {
        let credential = credential.to_owned();
        self.budget.remove(&BudgetLabels { credential });
    }
}
