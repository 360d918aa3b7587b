//! A server in a process of its own, and what the kernel says of it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fmt, fs};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    /// What it says that it listens on.
    pub(crate) address: SocketAddr,
}

impl Program {
    /// Starts a program and returns when the first line of its log that names an `address` is there.
    pub(crate) fn start<A: AsRef<OsStr>>(
        program: &Path,
        args: impl IntoIterator<Item = A>,
        env: &[(&str, &OsStr)],
    ) -> Result<Self> {
        let (log, writer) = std::io::pipe().context("make a pipe")?;
        let mut command = Command::new(program);
        command
            .args(args)
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(writer.try_clone().context("share the pipe")?)
            .stderr(writer);
        let mut child = command
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        // The pipe ends only when no copy of its writing end is left here.
        drop(command);
        let mut log = BufReader::new(log);
        match address(&mut log) {
            Ok(address) => {
                // Whoever does not read makes it wait.
                std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
                Ok(Self { child, address })
            }
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error.context(format!("{} does not serve", program.display())))
            }
        }
    }

    /// The CPU time that it has used.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        cpu(&self.child.id().to_string())
    }

    /// Its memory.
    pub(crate) fn memory(&self) -> Result<Memory> {
        Memory::of(self.child.id())
    }

    /// Asks it to end, and returns how long that took.
    pub(crate) fn terminate(mut self) -> Result<Duration> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let asked = Instant::now();
        kill_process(pid.context("it has no process id")?, Signal::TERM).context("signal")?;
        let status = self.child.wait().context("wait for the exit")?;
        if !status.success() {
            bail!("it ended with {status}");
        }
        Ok(asked.elapsed())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Memory of a process in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// Resident, including the pages of the binary.
    pub(crate) resident: u64,
    /// Of that, what is not backed by a file: heap and stacks.
    pub(crate) anonymous: u64,
    /// The most that was ever resident.
    pub(crate) peak: u64,
}

impl Memory {
    /// That of a process.
    pub(crate) fn of(process: u32) -> Result<Self> {
        let path = format!("/proc/{process}/status");
        let status = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        let kib = |name: &str| -> Result<u64> {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .and_then(|value| value.trim().strip_suffix(" kB")?.parse().ok())
                .with_context(|| format!("{path} has no {name}"))
        };
        Ok(Self {
            resident: kib("VmRSS")? * 1024,
            anonymous: kib("RssAnon")? * 1024,
            peak: kib("VmHWM")? * 1024,
        })
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [resident, anonymous, peak] = [self.resident, self.anonymous, self.peak].map(|bytes| {
            let hundredths = bytes * 100 / (1 << 20);
            format!("{}.{:02}", hundredths / 100, hundredths % 100)
        });
        f.pad(&format!("{resident} MiB (heap {anonymous}, peak {peak})"))
    }
}

/// The CPU time of a process, or of `self`, in nanoseconds and without the granularity of ticks: what its threads used.
pub(crate) fn cpu(process: &str) -> Result<Duration> {
    let tasks = format!("/proc/{process}/task");
    let mut nanoseconds = 0;
    for task in fs::read_dir(&tasks).with_context(|| format!("read {tasks}"))? {
        let path = task?.path().join("schedstat");
        // A thread may have ended in the meantime.
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        let used = text.split_whitespace().next().unwrap_or_default();
        nanoseconds += used
            .parse::<u64>()
            .with_context(|| format!("read {}", path.display()))?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}

fn address(log: &mut impl BufRead) -> Result<SocketAddr> {
    let mut seen = String::new();
    loop {
        let begin = seen.len();
        if log.read_line(&mut seen).context("read its log")? == 0 {
            bail!("it ended: {}", seen.trim_end());
        }
        let line: serde_json::Value = serde_json::from_str(&seen[begin..]).unwrap_or_default();
        if let Some(address) = line["address"].as_str() {
            return address
                .parse()
                .with_context(|| format!("read address {address}"));
        }
    }
}
