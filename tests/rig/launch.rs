//! Starts programs that die with the program that uses the rig, even when that one is killed.
//!
//! On Linux a process can ask for a signal at its parent's death, but only for itself, and std offers no safe place between
//! fork and exec. So a child first runs this very binary, which makes the request in [`init`] and then becomes the wanted
//! program. The request is tied to the parent's *thread*: all children are started from one thread that never ends.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{OnceLock, mpsc};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// The program name under which the binary finds itself started as a launcher.
const LAUNCHER: &str = "xplatform-rig-launcher";

/// The status of shells for a command that could not be run.
const CANNOT_RUN: i32 = 127;

static INITIALISED: AtomicBool = AtomicBool::new(false);

/// Must be the first statement of `main` in every program that uses the rig.
///
/// Returns at once, unless the binary was started to become one of the rig's children: then it never returns.
pub fn init() {
    let mut args = std::env::args_os();
    if args.next().as_deref() == Some(OsStr::new(LAUNCHER)) {
        let Err(error) = turn_into(args);
        report(&format!("{LAUNCHER}: {error:#}\n"));
        exit(CANNOT_RUN);
    }
    INITIALISED.store(true, Ordering::Relaxed);
}

/// Becomes the program that `args` name, after binding its life to the parent's.
fn turn_into(mut args: impl Iterator<Item = OsString>) -> Result<std::convert::Infallible> {
    let parent = args.next().context("the parent's process id is missing")?;
    let program = args.next().context("the program is missing")?;
    set_parent_process_death_signal(Some(Signal::KILL))
        .context("ask for a signal at the parent's death")?;
    // The parent may have died before the request was made.
    let current = getppid().map_or(0, Pid::as_raw_pid);
    if parent.to_str() != Some(current.to_string().as_str()) {
        bail!("the parent is gone");
    }
    let error = std::process::Command::new(&program).args(args).exec();
    Err(error).with_context(|| format!("run {}", program.display()))
}

#[expect(
    clippy::print_stderr,
    reason = "the only way out for a child that could not become its program"
)]
fn report(message: &str) {
    eprint!("{message}");
}

/// A command that runs `program` bound to the life of this process. Pass it to [`spawn`].
pub(crate) fn command(program: &Path) -> Command {
    // Not current_exe(): that path may meanwhile name a newer build, or nothing.
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0(LAUNCHER)
        .arg(std::process::id().to_string())
        .arg(program)
        .kill_on_drop(true);
    command
}

type Request = (Command, Handle, oneshot::Sender<io::Result<Child>>);

/// Starts a command made by [`command`].
pub(crate) async fn spawn(command: Command) -> Result<Child> {
    static SPAWNER: OnceLock<mpsc::Sender<Request>> = OnceLock::new();
    if !INITIALISED.load(Ordering::Relaxed) {
        bail!("rig::launch::init() must be the first statement of main");
    }
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, requests) = mpsc::channel::<Request>();
        std::thread::spawn(move || {
            for (mut command, runtime, answer) in requests {
                let _entered = runtime.enter();
                // The asker may have gone; dropping the child then ends it.
                let _ = answer.send(command.spawn());
            }
        });
        sender
    });
    let (answer, child) = oneshot::channel();
    spawner
        .send((command, Handle::current(), answer))
        .ok()
        .context("the spawning thread is gone")?;
    Ok(child.await.context("the spawning thread is gone")??)
}
