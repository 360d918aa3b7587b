//! Flags, each also an environment variable; the only place that reads the environment.

use std::{net::IpAddr, time::Duration};

use clap::Parser;

use crate::managed::annotations::parse_go_duration;

/// Crossplane provider for Hetzner Cloud.
///
/// It finds its cluster as kubectl does: by KUBECONFIG, or by the service account of its pod.
#[derive(Clone, Debug, Parser)]
#[command(version)]
pub struct Args {
    /// Log at debug level.
    #[arg(short, long, env = "DEBUG", value_parser = clap::builder::FalseyValueParser::new())]
    pub debug: bool,

    /// How often a resource that is as it should be is compared with Hetzner Cloud, as a Go duration.
    #[arg(long, env = "POLL", default_value = "10m", value_parser = positive_duration)]
    pub poll: Duration,

    /// How often every resource is reconciled, changed or not, as a Go duration.
    #[arg(short, long, env = "SYNC", default_value = "1h", value_parser = positive_duration)]
    pub sync: Duration,

    /// Most reconciles in a second, all kinds together, and most at once for each kind.
    #[arg(long, env = "MAX_RECONCILE_RATE", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    pub max_reconcile_rate: u16,

    /// Address that metrics and probes are served on.
    #[arg(long, env = "BIND_IP", default_value = "0.0.0.0")]
    pub bind_ip: IpAddr,

    /// Port of /metrics, /healthz and /readyz.
    #[arg(long, env = "METRICS_PORT", default_value_t = 8080)]
    pub metrics_port: u16,

    /// Namespace of the pod, as Crossplane sets it.
    #[arg(long, env = "POD_NAMESPACE", default_value = "crossplane-system")]
    pub pod_namespace: String,

    /// Name of the Provider, as Crossplane sets it.
    #[arg(long, env = "PROVIDER_NAME", default_value = "provider-hcloud")]
    pub provider_name: String,
}

fn positive_duration(text: &str) -> Result<Duration, String> {
    match parse_go_duration(text) {
        Some(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("expected a duration greater than zero, such as 90s, 10m or 1h30m".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn without_flags_the_documented_defaults_hold() {
        let args = Args::parse_from(["provider-hcloud"]);
        assert_eq!(args.poll, Duration::from_secs(600));
        assert_eq!(args.max_reconcile_rate, 100);
        assert_eq!(args.metrics_port, 8080);
    }

    #[test]
    fn a_duration_without_a_unit_is_refused() {
        assert!(Args::try_parse_from(["provider-hcloud", "--poll", "10"]).is_err());
        assert!(Args::try_parse_from(["provider-hcloud", "--poll", "0s"]).is_err());
    }
}
