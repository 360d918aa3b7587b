//! Every fault at every request: for each kind, create, changes and delete are run once undisturbed, then once for each
//! request of the provider and each thing that can go wrong with it; the end state must always be that of the
//! undisturbed run.
//!
//! `cargo test` runs the creates of all kinds, and lets the provider die before every request and after its effect but
//! before its answer. Everything else as well is run by
//!
//! ```sh
//! XPLATFORM_ENUMERATE=all cargo test -p xplatform-tests --test integration enumeration
//! ```
//!
//! which takes the names of kinds, or of rows like `Server resized`, separated by commas, instead of `all`. A failure
//! names kind, phase, request and fault, and shows how the end state differs.
//!
//! The provider is the shipped binary, a process of its own with one namespace and one cloud, behind an
//! [interceptor](rig::interceptor). A request that came to the undisturbed run only, because two events arrived together
//! or did not, is waited for in three lives and then named in the report; there must hardly be any. Left out are the
//! requests at Kubernetes that leave no trace in what the provider decides: the kinds' CRDs are read once, before
//! anything is done, and the Lease only with several replicas.

mod case;
mod lab;
mod lane;
mod plan;
mod row;
mod state;
mod tenant;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use futures::StreamExt;
use futures::stream;

use self::case::Fault;
use self::lab::Lab;
use self::plan::Extent;
use self::row::{ROWS, Row};
use crate::tests;
use crate::world::World;

tests!(the_end_state_is_the_same_after_every_fault_at_every_request);

/// Chooses how much is run.
const VARIABLE: &str = "XPLATFORM_ENUMERATE";
/// Kinds that are worked on at once, and tenants of each of them.
const KINDS_AT_ONCE: usize = 4;
const LANES: usize = 4;
/// Failures of one kind after which the rest of its cases is left out: each costs its deadline.
const ENOUGH: usize = 8;

async fn the_end_state_is_the_same_after_every_fault_at_every_request(world: &World) -> Result<()> {
    let chosen = std::env::var_os(VARIABLE).unwrap_or_default();
    let chosen = chosen.to_string_lossy().into_owned();
    let extent = |row: &Row| match chosen.as_str() {
        // What further rows of a kind are about comes after the create.
        "" => row.title.is_none().then_some(Extent::Creates),
        "all" => Some(Extent::Everything),
        kinds => kinds
            .split(',')
            .any(|name| name == row.kind || name == row.name())
            .then_some(Extent::Everything),
    };
    let mut rows: Vec<_> = ROWS
        .iter()
        .filter_map(|row| Some((row, extent(row)?)))
        .collect();
    // What needs most takes longest, and begins first.
    rows.sort_by_key(|(row, _)| Reverse(row.before.len()));
    if rows.is_empty() {
        bail!("{VARIABLE}={chosen} names no kind");
    }
    let lab = Lab::start(world).await?;
    let result = enumerate(&lab, &rows).await;
    let result = result.map_err(|error| error.context(lab.rig.report()));
    lab.rig.stop().await;
    result
}

async fn enumerate(lab: &Lab, rows: &[(&'static Row, Extent)]) -> Result<()> {
    lab.check_that_every_kind_has_a_row()?;
    let started = Instant::now();
    let outcomes: Vec<_> = stream::iter(rows)
        .map(|(row, extent)| async {
            let outcome = lane::run(lab, row, *extent).await;
            tell(&brief(row, &outcome));
            (*row, outcome)
        })
        .buffer_unordered(KINDS_AT_ONCE)
        .collect()
        .await;
    let mut report = Report::default();
    for (row, outcome) in outcomes {
        report.add(row, outcome);
    }
    report.finish(started.elapsed())
}

/// The whole takes long: who waits for it wants to see something.
fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn brief(row: &Row, outcome: &Result<Outcome>) -> String {
    let (cases, failures, seconds) = match outcome {
        Ok(outcome) => {
            let cases: usize = outcome.cases.values().sum();
            (cases, outcome.failures.len(), outcome.elapsed.as_secs())
        }
        Err(_) => (0, 1, 0),
    };
    let name = row.name();
    format!("{name}: {cases} cases in {seconds} s, {failures} failed")
}

/// What became of the cases of one kind.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Requests of each phase in the undisturbed run.
    requests: BTreeMap<String, usize>,
    /// Cases that were run, by phase and fault.
    cases: BTreeMap<(String, &'static str), usize>,
    /// What came to the undisturbed run only.
    by_chance: Vec<String>,
    failures: Vec<String>,
    elapsed: Duration,
}

#[derive(Debug, Default)]
struct Report {
    table: String,
    cases: usize,
    by_fault: BTreeMap<&'static str, usize>,
    by_chance: Vec<String>,
    failures: Vec<String>,
}

impl Report {
    fn add(&mut self, row: &Row, outcome: Result<Outcome>) {
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                self.failures.push(format!("{}: {error:#}", row.name()));
                return;
            }
        };
        let mut phases: BTreeMap<&str, usize> = BTreeMap::new();
        for ((phase, fault), count) in &outcome.cases {
            *phases.entry(phase).or_default() += count;
            *self.by_fault.entry(fault).or_default() += count;
            self.cases += count;
        }
        for (phase, cases) in phases {
            let requests = outcome.requests.get(phase).copied().unwrap_or_default();
            let _ = writeln!(
                self.table,
                "{:<26}{phase:<24}{requests:>9}{cases:>7}",
                row.name()
            );
        }
        let _ = writeln!(
            self.table,
            "{:<26}{:<24}{:>16} s",
            row.name(),
            "",
            outcome.elapsed.as_secs()
        );
        self.by_chance.extend(outcome.by_chance);
        self.failures.extend(outcome.failures);
    }

    fn finish(mut self, elapsed: Duration) -> Result<()> {
        let _ = writeln!(
            self.table,
            "{} cases in {} s: {}",
            self.cases,
            elapsed.as_secs(),
            Fault::LABELS
                .iter()
                .filter_map(|label| Some(format!("{} {label}", self.by_fault.get(label)?)))
                .collect::<Vec<_>>()
                .join(", ")
        );
        for what in &self.by_chance {
            let _ = writeln!(self.table, "came once only: {what}");
        }
        let heading = format!(
            "{:<26}{:<24}{:>9}{:>7}",
            "kind", "phase", "requests", "cases"
        );
        tell(&format!("{heading}\n{}", self.table));
        if self.failures.is_empty() {
            return Ok(());
        }
        let count = self.failures.len();
        bail!("{count} cases failed\n\n{}", self.failures.join("\n\n"))
    }
}
