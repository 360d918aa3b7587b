//! The cases of one kind, run side by side by a few tenants.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Error, Result, ensure};
use futures::future::try_join_all;
use tokio::time::timeout;

use super::case::{Case, Fault, Place};
use super::lab::Lab;
use super::plan::{self, Change, Course, Extent, Life, Pace, Phase};
use super::row::Row;
use super::tenant::{DEADLINE, SILENCE, Tenant};
use super::{ENOUGH, LANES, Outcome};

/// How often a case is tried whose request or event does not come.
const TRIES: usize = 3;
/// How many of a kind's requests and events may have come to the undisturbed run by chance: what two events that arrive
/// together cause is not always the same.
const BY_CHANCE: usize = 2;

/// Runs all cases of a kind.
pub(super) async fn run(lab: &Lab, row: &'static Row, extent: Extent) -> Result<Outcome> {
    let started = Instant::now();
    let mut outcome = Outcome::default();
    let paces: &[Pace] = match extent {
        Extent::Creates => &[Pace::Quick],
        Extent::Everything => &[Pace::Quick, Pace::Slow],
    };
    for pace in paces {
        run_at(lab, row, extent, *pace, &mut outcome).await?;
    }
    outcome.elapsed = started.elapsed();
    Ok(outcome)
}

/// What the lanes of a kind share.
struct Work<'l> {
    lab: &'l Lab,
    row: &'static Row,
    pace: Pace,
    phases: Vec<Phase>,
    courses: Vec<Course>,
    lives: Mutex<VecDeque<Life>>,
    /// How often a case of a phase was tried in vain, by what it says.
    missed: Mutex<BTreeMap<(usize, String), usize>>,
    /// What never came again, with the name of its phase.
    by_chance: Mutex<BTreeSet<(String, Place)>>,
    outcome: Mutex<&'l mut Outcome>,
}

async fn run_at(
    lab: &Lab,
    row: &'static Row,
    extent: Extent,
    pace: Pace,
    outcome: &mut Outcome,
) -> Result<()> {
    let phases = plan::phases(row, pace);
    let name = format!("{} {pace:?}", row.name())
        .to_lowercase()
        .replace(' ', "-");
    let mut tenant = Tenant::create(lab, row, pace, format!("{name}-0")).await?;
    let mut courses = Vec::new();
    let before = tenant.end_state().await?;
    for phase in &phases {
        let course = undisturbed(&mut tenant, phase).await.with_context(|| {
            let log = tenant.provider_log();
            format!("{} {}, undisturbed\n{log}", row.name(), phase.name)
        })?;
        ensure!(
            !matches!(phase.change, Change::Delete) || course.state == before,
            "{} {}, undisturbed: something is left",
            row.name(),
            phase.name
        );
        courses.push(course);
    }
    // The cold start has left an object behind.
    let deletion = courses.len() - 2;
    undisturbed(&mut tenant, &phases[deletion]).await?;
    if extent == Extent::Creates {
        // One kind is enough for what all kinds have in common.
        let kept = if row.before.is_empty() && !row.edits.is_empty() && row.kind == "Network" {
            vec![0, phases.len() - 1]
        } else {
            vec![0]
        };
        for (index, course) in courses.iter_mut().enumerate() {
            if !kept.contains(&index) {
                course.requests.clear();
            }
        }
    }
    let waits = |course: &Course| {
        let mut requests = course.requests.iter();
        requests.any(plan::is_look_at_actions)
    };
    if pace == Pace::Slow {
        for course in courses.iter_mut().filter(|course| !waits(course)) {
            course.requests.clear();
        }
    }
    let plural = &lab.resource(row.kind)?.plural;
    let mut cases = Vec::new();
    for (phase, course) in phases.iter().zip(&courses) {
        if !phase.is_for(row.cases) {
            cases.push(Vec::new());
            continue;
        }
        let of_phase = plan::cases(phase, plural, course, extent, pace);
        if !of_phase.is_empty() {
            let mut requests: Vec<_> = of_phase.iter().filter_map(Case::request).collect();
            requests.dedup();
            outcome.requests.insert(phase.name.clone(), requests.len());
        }
        cases.push(of_phase);
    }
    let work = Work {
        lab,
        row,
        pace,
        lives: Mutex::new(plan::lives(&phases, cases)),
        phases,
        courses,
        missed: Mutex::default(),
        by_chance: Mutex::default(),
        outcome: Mutex::new(outcome),
    };
    let mut lanes = vec![(0, Some(tenant))];
    lanes.extend((1..LANES).map(|lane| (lane, None)));
    let lanes = lanes
        .into_iter()
        .map(|(lane, tenant)| work.lane(format!("{name}-{lane}"), tenant));
    try_join_all(lanes).await?;
    work.judge_chance();
    Ok(())
}

/// Runs a phase without a fault and records its course.
async fn undisturbed(tenant: &mut Tenant<'_>, phase: &Phase) -> Result<Course> {
    tenant.kill().await?;
    let before = tenant.id().await?;
    begin(tenant, phase, None).await?;
    tenant.done(phase).await?;
    tenant.silent(SILENCE).await;
    tenant.check_alive()?;
    tenant.check_creates()?;
    if let (Some(before), Some(after), Change::Edit(edit)) =
        (before, tenant.id().await?, phase.change)
    {
        ensure!(
            (before != after) == edit.replaces(),
            "object {before} at Hetzner is {after} after it"
        );
    }
    Ok(Course {
        requests: tenant.interceptor.record(),
        events: tenant.interceptor.events().into_iter().collect(),
        state: tenant.end_state().await?,
    })
}

/// Starts a provider and applies the change of a phase, in the phase's order.
async fn begin(tenant: &mut Tenant<'_>, phase: &Phase, case: Option<&Case>) -> Result<()> {
    let fault = case.map(Case::arrange).transpose()?.flatten();
    tenant.disturb_cloud(None);
    tenant.expect(case.map(|case| case.fault));
    if phase.cold {
        tenant.apply(phase).await?;
        tenant.launch(fault);
    } else {
        let present = !matches!(phase.change, Change::Create);
        tenant.start(present).await?;
        tenant.interceptor.arm(fault);
        tenant.disturb_cloud(case.and_then(Case::at_cloud));
        tenant.apply(phase).await?;
    }
    Ok(())
}

impl Work<'_> {
    async fn lane(&self, name: String, mut tenant: Option<Tenant<'_>>) -> Result<()> {
        let mut tries = 0;
        while let Some(life) = self.take() {
            let mut own = match tenant.take() {
                Some(tenant) => tenant,
                None => {
                    tries += 1;
                    let namespace = format!("{name}-{tries}");
                    Tenant::create(self.lab, self.row, self.pace, namespace).await?
                }
            };
            match self.live(&mut own, &life).await {
                Ok(()) => tenant = Some(own),
                Err((index, error)) => {
                    self.note_failure(&own, &life[index], &error);
                    let rest: Life = life[index + 1..].to_vec();
                    self.put_back(index, life, rest);
                    own.kill().await?;
                }
            }
        }
        if let Some(mut tenant) = tenant {
            tenant.kill().await?;
        }
        Ok(())
    }

    fn take(&self) -> Option<Life> {
        let failures = lock(&self.outcome).failures.len();
        (failures < ENOUGH).then(|| lock(&self.lives).pop_front())?
    }

    /// The cases behind one that failed are for another life, which gets as far without a fault.
    fn put_back(&self, failed: usize, life: Life, rest: Life) {
        if rest.iter().all(|(_, case)| case.is_none()) {
            return;
        }
        let passed = life.into_iter().take(failed + 1);
        let passed = passed.map(|(phase, _)| (phase, None));
        lock(&self.lives).push_back(passed.chain(rest).collect());
    }

    /// One object, from its creation to its deletion. An error comes with the step that it belongs to.
    async fn live(&self, tenant: &mut Tenant<'_>, life: &Life) -> Result<(), (usize, Error)> {
        for (index, (phase, case)) in life.iter().enumerate() {
            let step = self.step(tenant, *phase, case.as_ref());
            let met = step.await.map_err(|error| (index, error))?;
            let Some(case) = case else { continue };
            if met {
                let key = (self.phases[*phase].name.clone(), case.fault.label());
                *lock(&self.outcome).cases.entry(key).or_default() += 1;
            } else {
                self.try_again(*phase, case);
            }
        }
        Ok(())
    }

    /// A case whose request did not come is for another life, for some time.
    fn try_again(&self, phase: usize, case: &Case) {
        let tries = {
            let mut missed = lock(&self.missed);
            let tries = missed.entry((phase, case.to_string())).or_default();
            *tries += 1;
            *tries
        };
        if tries == TRIES {
            let name = self.phases[phase].name.clone();
            lock(&self.by_chance).insert((name, case.place.clone()));
            return;
        }
        let deletion = self.phases.len() - 2;
        let first = if self.phases[phase].cold { phase } else { 0 };
        let before = (first..phase).map(|phase| (phase, None));
        let after = (phase != deletion).then_some((deletion, None));
        let life = before.chain([(phase, Some(case.clone()))]).chain(after);
        lock(&self.lives).push_back(life.collect());
    }

    /// Whether so little came by chance that what was run is the whole.
    fn judge_chance(&self) {
        let by_chance = lock(&self.by_chance);
        let named: Vec<_> = by_chance
            .iter()
            .map(|(phase, place)| format!("{} {phase}: {place}", self.row.name()))
            .collect();
        let mut outcome = lock(&self.outcome);
        if named.len() > BY_CHANCE {
            outcome.failures.push(format!(
                "the undisturbed run of {} was another than those that followed: these did not come again\n{}",
                self.row.name(),
                named.join("\n")
            ));
        }
        outcome.by_chance.extend(named);
    }

    /// Goes through a phase. Whether the fault struck: the phase may end without what it waits for.
    async fn step(
        &self,
        tenant: &mut Tenant<'_>,
        index: usize,
        case: Option<&Case>,
    ) -> Result<bool> {
        let (phase, course) = (&self.phases[index], &self.courses[index]);
        let expected = &course.state;
        let Some(case) = case else {
            if phase.cold {
                tenant.kill().await?;
                begin(tenant, phase, None).await?;
            } else {
                if !tenant.runs() {
                    tenant
                        .start(!matches!(phase.change, Change::Create))
                        .await?;
                }
                tenant.interceptor.arm(None);
                tenant.apply(phase).await?;
            }
            tenant.becomes(expected).await?;
            return Ok(false);
        };
        tenant.kill().await?;
        begin(tenant, phase, Some(case)).await?;
        let ended = async {
            // A provider that still does something is not done, however the state looks.
            let _ = timeout(DEADLINE, tenant.silent(SILENCE)).await;
            tenant.becomes(expected).await
        };
        let struck = tokio::select! {
            biased;
            () = tenant.struck() => true,
            ended = ended => {
                ended.context("the fault has not struck")?;
                false
            }
        };
        if !struck {
            tenant.disturb_cloud(None);
            tenant.kill().await?;
            return Ok(false);
        }
        if case.fault.kills() {
            tenant.kill().await?;
            if case.fault == Fault::DiesAfterAndIsShownThePast {
                tenant.launch_in_the_past()?;
            } else {
                tenant.launch(None);
            }
        }
        let started = case.fault.kills();
        tenant.comes_to_rest_as(expected, phase, started).await?;
        tenant.disturb_cloud(None);
        Ok(true)
    }

    fn note_failure(&self, tenant: &Tenant<'_>, step: &(usize, Option<Case>), error: &Error) {
        let (phase, case) = step;
        let case = match case {
            Some(case) => case.to_string(),
            None => "without a fault, after one that was survived".to_owned(),
        };
        let failure = format!(
            "{} {}, {case}\n{error:#}\nwhat the provider says:\n{}",
            self.row.name(),
            self.phases[*phase].name,
            tenant.provider_log()
        );
        super::tell(&failure);
        lock(&self.outcome).failures.push(failure);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
