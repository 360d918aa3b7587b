//! One line for each tool that is built.

use std::io::{IsTerminal, Write, stderr};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::Result;

/// Writes to the standard error: on a terminal a line is renewed in place, elsewhere it is written at start and end.
pub(super) struct Progress {
    total: usize,
    current: usize,
    terminal: bool,
}

impl Progress {
    pub(super) fn new(total: usize) -> Self {
        Self {
            total,
            current: 0,
            terminal: stderr().is_terminal(),
        }
    }

    /// Counts one that need not be built any more.
    pub(super) fn skip(&mut self) {
        self.current += 1;
    }

    /// Runs `build` and shows its line meanwhile.
    pub(super) fn step(
        &mut self,
        name: &str,
        version: &str,
        build: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        self.current += 1;
        let label = format!("[{}/{}] {name:<24} {version:<10}", self.current, self.total);
        let started = Instant::now();
        if !self.terminal {
            note(&format!("{label} building"));
            build()?;
            note(&format!(
                "{label} built in {} s",
                started.elapsed().as_secs()
            ));
            return Ok(());
        }
        let (done, waiting) = channel::<()>();
        std::thread::scope(|scope| {
            let label = &label;
            let ticker = scope.spawn(move || {
                loop {
                    let _ = write!(
                        stderr(),
                        "\r{label} building {:>4} s",
                        started.elapsed().as_secs()
                    );
                    let _ = stderr().flush();
                    if waiting.recv_timeout(Duration::from_secs(1))
                        != Err(RecvTimeoutError::Timeout)
                    {
                        return;
                    }
                }
            });
            let result = build();
            drop(done);
            let _ = ticker.join();
            let end = if result.is_ok() {
                "built in"
            } else {
                "failed after"
            };
            let _ = writeln!(
                stderr(),
                "\r{label} {end} {} s    ",
                started.elapsed().as_secs()
            );
            result
        })
    }
}

/// Writes a line.
pub(super) fn note(message: &str) {
    // A display that cannot be written is no reason to fail.
    let _ = writeln!(stderr(), "{message}");
}
