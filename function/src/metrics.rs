//! Metrics of the gRPC server, under the names that dashboards of Go functions use.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// A method of a service.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Method {
    grpc_type: &'static str,
    grpc_service: &'static str,
    grpc_method: &'static str,
}

/// A method of a service and how a call of it ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    grpc_type: &'static str,
    grpc_service: &'static str,
    grpc_method: &'static str,
    grpc_code: &'static str,
}

/// Counts calls. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    started: Family<Method, Counter<u64, AtomicU64>>,
    handled: Family<Outcome, Counter<u64, AtomicU64>>,
    seconds: Family<Method, Histogram>,
}

/// Upper bounds in seconds; a call takes well below a millisecond.
const BUCKETS: [f64; 10] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0,
];

impl Metrics {
    /// Registers the metrics.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            started: Family::default(),
            handled: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
        };
        registry.register(
            "grpc_server_started",
            "RPCs started on the server",
            metrics.started.clone(),
        );
        registry.register(
            "grpc_server_handled",
            "RPCs completed on the server, regardless of success or failure",
            metrics.handled.clone(),
        );
        registry.register(
            "grpc_server_handling_seconds",
            "Time that the server took for an RPC",
            metrics.seconds.clone(),
        );
        metrics
    }

    /// A call of RunFunction begins.
    pub(crate) fn started(&self, service: &'static str) {
        self.started.get_or_create(&method(service)).inc();
    }

    /// A call of RunFunction ended with this code.
    pub(crate) fn handled(&self, service: &'static str, code: &'static str, took: Duration) {
        self.handled
            .get_or_create(&Outcome {
                grpc_type: UNARY,
                grpc_service: service,
                grpc_method: RUN_FUNCTION,
                grpc_code: code,
            })
            .inc();
        self.seconds
            .get_or_create(&method(service))
            .observe(took.as_secs_f64());
    }
}

const UNARY: &str = "unary";
const RUN_FUNCTION: &str = "RunFunction";

fn method(service: &'static str) -> Method {
    Method {
        grpc_type: UNARY,
        grpc_service: service,
        grpc_method: RUN_FUNCTION,
    }
}
