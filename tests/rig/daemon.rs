//! A supervised program: output to a log file, restarts with back-off, an orderly stop, certain death with the rig.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::launch;

/// What to run, and how.
#[derive(Clone, Debug)]
pub struct Invocation {
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    inherit_env: bool,
    dir: Option<PathBuf>,
}

impl Invocation {
    /// Runs `program` with the environment of this process and no arguments.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            inherit_env: true,
            dir: None,
        }
    }

    /// Appends an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Appends arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Starts from an empty environment instead of this process's.
    #[must_use]
    pub fn without_inherited_env(mut self) -> Self {
        self.inherit_env = false;
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    fn command(&self, log: &Path) -> Result<tokio::process::Command> {
        let output = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("open the log {}", log.display()))?;
        let mut command = launch::command(&self.program);
        if !self.inherit_env {
            command.env_clear();
        }
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        command
            .args(&self.args)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(output.try_clone().context("share the log")?)
            .stderr(output);
        Ok(command)
    }

    /// Runs to the end. Output goes to `log`; an exit status other than 0 is an error that carries the log's last line.
    pub async fn run(&self, log: &Path) -> Result<()> {
        let mut child = launch::spawn(self.command(log)?).await?;
        let status = child.wait().await.context("wait for the exit")?;
        if !status.success() {
            bail!("{} {}", self.program.display(), exit_reason(status, log));
        }
        Ok(())
    }
}

/// When to start a program again after it exited.
#[derive(Clone, Copy, Debug)]
pub enum Restart {
    /// Never: its exit is for others to notice.
    Never,
    /// Always, after a delay that doubles from `first` up to `cap`, and starts anew after a run longer than `cap`.
    Always {
        /// The delay after the first exit.
        first: Duration,
        /// The longest delay.
        cap: Duration,
    },
}

/// What a [`Daemon`] is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Not started yet.
    Pending,
    /// Running.
    Running {
        /// The process id.
        pid: u32,
    },
    /// Exited, waiting to be started again.
    Waiting {
        /// How it ended, with its last log line.
        reason: String,
    },
    /// Ended for good.
    Ended {
        /// How it ended, with its last log line.
        reason: String,
    },
}

/// A program under supervision. Dropping it kills the program.
#[derive(Debug)]
pub struct Daemon {
    name: String,
    log: PathBuf,
    state: watch::Receiver<State>,
    stop: watch::Sender<bool>,
    supervisor: JoinHandle<()>,
}

/// How long an orderly stop may take before the program is killed.
const GRACE: Duration = Duration::from_secs(5);

impl Daemon {
    /// Starts `invocation`; its output is appended to `log`.
    pub fn start(
        name: impl Into<String>,
        invocation: Invocation,
        log: impl Into<PathBuf>,
        restart: Restart,
    ) -> Self {
        let (name, log) = (name.into(), log.into());
        let (report, state) = watch::channel(State::Pending);
        let (stop, stopping) = watch::channel(false);
        let supervision = supervise(
            name.clone(),
            invocation,
            log.clone(),
            restart,
            report,
            stopping,
        );
        Self {
            name,
            log,
            state,
            stop,
            supervisor: tokio::spawn(supervision),
        }
    }

    /// The name in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that receives the output.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// What it is doing now.
    pub fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Follows what it is doing.
    pub fn watch(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// The process id while it runs.
    pub fn pid(&self) -> Option<u32> {
        match *self.state.borrow() {
            State::Running { pid } => Some(pid),
            State::Pending | State::Waiting { .. } | State::Ended { .. } => None,
        }
    }

    /// Sends a signal; nothing happens when it is not running.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            send(pid, signal);
        }
    }

    /// Asks it to end, kills it when it does not, and returns when it is gone.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        let mut state = self.state.clone();
        // An error means that the supervisor is gone, and the program with it.
        let _ = state
            .wait_for(|state| matches!(state, State::Ended { .. }))
            .await;
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.supervisor.abort();
        self.signal(Signal::KILL);
    }
}

async fn supervise(
    name: String,
    invocation: Invocation,
    log: PathBuf,
    restart: Restart,
    state: watch::Sender<State>,
    mut stopping: watch::Receiver<bool>,
) {
    let mut delay = match restart {
        Restart::Never => Duration::ZERO,
        Restart::Always { first, .. } => first,
    };
    loop {
        let started = Instant::now();
        let reason = match run(&invocation, &log, &state, &mut stopping).await {
            Ok(status) => exit_reason(status, &log),
            Err(error) => format!("could not start: {error:#}"),
        };
        let Restart::Always { first, cap } = restart else {
            state.send_replace(State::Ended { reason });
            return;
        };
        if *stopping.borrow() {
            state.send_replace(State::Ended { reason });
            return;
        }
        if started.elapsed() > cap {
            delay = first;
        }
        tracing::debug!(%name, %reason, ?delay, "Restarting a program");
        state.send_replace(State::Waiting {
            reason: reason.clone(),
        });
        tokio::select! {
            () = sleep(delay) => {}
            _ = stopping.wait_for(|stop| *stop) => {
                state.send_replace(State::Ended { reason });
                return;
            }
        }
        delay = (delay * 2).min(cap);
    }
}

async fn run(
    invocation: &Invocation,
    log: &Path,
    state: &watch::Sender<State>,
    stopping: &mut watch::Receiver<bool>,
) -> Result<ExitStatus> {
    let mut child = launch::spawn(invocation.command(log)?).await?;
    let pid = child.id().context("the program has no process id")?;
    state.send_replace(State::Running { pid });
    tokio::select! {
        status = child.wait() => return status.context("wait for the exit"),
        _ = stopping.wait_for(|stop| *stop) => {}
    }
    send(pid, Signal::TERM);
    if let Ok(status) = timeout(GRACE, child.wait()).await {
        return status.context("wait for the exit");
    }
    child.kill().await.context("kill")?;
    child.wait().await.context("wait for the exit")
}

fn send(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It may have exited in the meantime, which is what signals are for here.
        let _ = kill_process(pid, signal);
    }
}

fn exit_reason(status: ExitStatus, log: &Path) -> String {
    let last = tail(log, 4096).unwrap_or_default();
    let last = last
        .lines()
        .rev()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or("no output");
    format!("ended with {status}: {last}")
}

/// The last `limit` bytes of a file, from the first full line on.
pub(crate) fn tail(path: &Path, limit: u64) -> Result<String> {
    let context = || format!("read {}", path.display());
    let mut file = File::open(path).with_context(context)?;
    let length = fs::metadata(path).with_context(context)?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(limit)))
        .with_context(context)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).with_context(context)?;
    let text = String::from_utf8_lossy(&bytes);
    match text.split_once('\n') {
        Some((_, rest)) if length > limit => Ok(rest.to_owned()),
        _ => Ok(text.into_owned()),
    }
}
