//! Flags, each also an environment variable; the only place that reads the environment.

use std::{net::IpAddr, time::Duration};

use clap::{ArgAction, Parser, builder::FalseyValueParser};

use crate::managed::annotations::parse_go_duration;

/// Crossplane provider for Hetzner Cloud.
///
/// It finds its cluster as kubectl does: by KUBECONFIG, or by the service account of its pod.
#[derive(Clone, Debug, Parser)]
#[command(version)]
pub struct Args {
    /// Log at debug level.
    #[arg(short, long, env = "DEBUG", value_parser = FalseyValueParser::new())]
    pub debug: bool,

    /// Let one of several processes lead and the others wait, by a Lease in the pod's namespace.
    #[arg(short, long, env = "LEADER_ELECTION", value_parser = FalseyValueParser::new())]
    pub leader_election: bool,

    /// How often a resource that is as it should be is compared with Hetzner Cloud, as a Go duration.
    #[arg(long, env = "POLL", default_value = "10m", value_parser = positive_duration)]
    pub poll: Duration,

    /// Shortest interval that the annotation crossplane.io/poll-interval of a resource can ask for, as a Go duration.
    #[arg(long, env = "MIN_POLL_INTERVAL", default_value = "15s", value_parser = positive_duration)]
    pub min_poll_interval: Duration,

    /// How often every resource is reconciled, changed or not, as a Go duration.
    #[arg(short, long, env = "SYNC", default_value = "1h", value_parser = positive_duration)]
    pub sync: Duration,

    /// How old the numbers of resources in the metrics may be, as a Go duration. They are counted when somebody reads
    /// them.
    #[arg(long, env = "POLL_STATE_METRIC", default_value = "5s", value_parser = positive_duration)]
    pub poll_state_metric: Duration,

    /// Most reconciles in a second, all kinds together, and most at once for each kind.
    #[arg(long, env = "MAX_RECONCILE_RATE", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    pub max_reconcile_rate: u16,

    /// The part of each project's request limit that is used, in percent. The rest is left to the project's other
    /// clients: cloud controller manager, CSI driver, autoscaler, people.
    #[arg(long, env = "REQUEST_SHARE", default_value_t = 50, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub request_share: u8,

    /// Accept management policies other than the default.
    #[arg(
        long,
        env = "ENABLE_MANAGEMENT_POLICIES",
        default_value_t = true,
        default_missing_value = "true",
        num_args = 0..=1,
        require_equals = true,
        action = ArgAction::Set
    )]
    pub enable_management_policies: bool,

    /// How long an external resource may stay invisible after its creation succeeded, as a Go duration.
    #[arg(long, hide = true, env = "CREATION_GRACE", default_value = "30s", value_parser = positive_duration)]
    pub creation_grace: Duration,

    /// How long a create may still take to have its effect after its answer was given up, as a Go duration.
    #[arg(long, hide = true, env = "CREATION_SETTLE", default_value = "10s", value_parser = positive_duration)]
    pub creation_settle: Duration,

    /// Address that metrics and probes are served on.
    #[arg(long, env = "BIND_IP", default_value = "0.0.0.0")]
    pub bind_ip: IpAddr,

    /// Port of /metrics, /healthz and /readyz.
    #[arg(long, env = "METRICS_PORT", default_value_t = 8080)]
    pub metrics_port: u16,

    /// Namespace of the pod, as Crossplane sets it.
    #[arg(long, env = "POD_NAMESPACE", default_value = "crossplane-system")]
    pub pod_namespace: String,

    /// Name of the pod, part of the name of a leader.
    #[arg(long, env = "HOSTNAME", default_value = "provider-hcloud")]
    pub pod_name: String,

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

    /// The flags that every provider has, and their defaults. Two defaults are ours: Crossplane's poll of 1 m and rate
    /// of 10 suit providers that ask the API for every resource.
    #[test]
    fn operators_find_the_flags_that_every_provider_has() {
        let command = Args::command();
        for (name, short, env, default) in [
            ("debug", Some('d'), "DEBUG", None),
            ("leader-election", Some('l'), "LEADER_ELECTION", None),
            ("sync", Some('s'), "SYNC", Some("1h")),
            ("poll", None, "POLL", Some("10m")),
            ("poll-state-metric", None, "POLL_STATE_METRIC", Some("5s")),
            (
                "max-reconcile-rate",
                None,
                "MAX_RECONCILE_RATE",
                Some("100"),
            ),
            (
                "enable-management-policies",
                None,
                "ENABLE_MANAGEMENT_POLICIES",
                Some("true"),
            ),
        ] {
            let found = command.get_arguments().find(|a| a.get_long() == Some(name));
            let flag = found.unwrap_or_else(|| panic!("--{name} is missing"));
            assert_eq!(flag.get_short(), short, "{name}");
            assert_eq!(flag.get_env().and_then(|env| env.to_str()), Some(env));
            if let Some(default) = default {
                assert_eq!(flag.get_default_values(), [default], "{name}");
            } else {
                let takes_value = flag.get_action().takes_values();
                assert!(!takes_value, "--{name} is off unless it is given");
            }
        }
    }

    #[test]
    fn crossplanes_spelling_of_flags_is_understood() {
        let args = |flags: &[&str]| Args::try_parse_from([&["provider-hcloud"], flags].concat());
        let given = args(&[
            "-d",
            "-l",
            "-s",
            "30m",
            "--poll=90s",
            "--max-reconcile-rate",
            "7",
        ]);
        let given = given.unwrap();
        assert!(given.debug && given.leader_election && given.enable_management_policies);
        assert_eq!(given.sync, Duration::from_secs(1800));
        assert_eq!(given.poll, Duration::from_secs(90));
        assert_eq!(given.min_poll_interval, Duration::from_secs(15));
        assert_eq!(given.max_reconcile_rate, 7);
        assert_eq!(given.request_share, 50);
        assert_eq!(args(&["--request-share=80"]).unwrap().request_share, 80);
        for share in ["0", "101", "x"] {
            args(&["--request-share", share]).unwrap_err();
        }
        for (flag, expected) in [
            ("--enable-management-policies", true),
            ("--enable-management-policies=true", true),
            ("--enable-management-policies=false", false),
        ] {
            assert_eq!(args(&[flag]).unwrap().enable_management_policies, expected);
        }
        for refused in [
            "--poll=10",
            "--poll=0s",
            "--min-poll-interval=0s",
            "--max-reconcile-rate=0",
        ] {
            assert!(args(&[refused]).is_err(), "{refused}");
        }
    }
}
