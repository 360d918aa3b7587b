//! What the sandbox shows: steps with their times, and the tree of the claim, redrawn in place on a terminal and printed
//! again on each change elsewhere.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::Result;
use rig::tree::Node;

/// Longest message beside an object; the actionable part of a message is at its end.
const MESSAGE: usize = 64;

/// Where the sandbox shows what it does.
#[derive(Debug)]
pub(crate) struct Screen {
    terminal: bool,
    /// Lines of the last drawing, which the next one replaces.
    drawn: usize,
    last: String,
}

impl Screen {
    pub(crate) fn new(terminal: bool) -> Self {
        Self {
            terminal,
            drawn: 0,
            last: String::new(),
        }
    }

    /// Prints a line. A drawing above it stays.
    pub(crate) fn line(&mut self, line: &str) {
        self.drawn = 0;
        let _ = writeln!(std::io::stdout(), "{line}");
    }

    /// Names a step, does it and says how long it took.
    pub(crate) async fn step<T>(
        &mut self,
        name: &str,
        step: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let started = Instant::now();
        self.line(name);
        let done = step.await?;
        self.line(&format!(
            "  done in {:.1} s",
            started.elapsed().as_secs_f64()
        ));
        Ok(done)
    }

    /// Draws the tree over its last drawing.
    pub(crate) fn draw(&mut self, root: &Node, elapsed: Duration) {
        let text = render(root);
        if !self.terminal {
            if text != self.last {
                self.line(&format!("after {:.1} s\n{text}", elapsed.as_secs_f64()));
            }
            self.last = text;
            return;
        }
        let mut out = String::new();
        if self.drawn > 0 {
            let _ = write!(out, "\x1b[{}A", self.drawn);
        }
        for line in text.lines() {
            let _ = writeln!(out, "\x1b[2K{line}");
        }
        let _ = writeln!(out, "\x1b[2K{:.1} s\x1b[0J", elapsed.as_secs_f64());
        self.drawn = text.lines().count() + 1;
        let _ = std::io::stdout().write_all(out.as_bytes());
        let _ = std::io::stdout().flush();
    }
}

fn render(root: &Node) -> String {
    let nodes = root.flattened();
    let name =
        |depth: usize, node: &Node| format!("{}{}/{}", "  ".repeat(depth), node.kind, node.name);
    let width = nodes
        .iter()
        .map(|(depth, node)| name(*depth, node).len())
        .max()
        .unwrap_or(0);
    let mut text = format!("{:width$}  SYNCED  READY  MESSAGE\n", "NAME");
    for (depth, node) in nodes {
        let state = |state: &Option<String>| state.clone().unwrap_or_else(|| "-".to_owned());
        let line = format!(
            "{:width$}  {:6}  {:5}  {}",
            name(depth, node),
            state(&node.synced),
            state(&node.ready),
            end_of(&node.message),
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn end_of(message: &str) -> String {
    let message = message.replace('\n', " ");
    let length = message.chars().count();
    if length <= MESSAGE {
        return message;
    }
    format!(
        "…{}",
        message
            .chars()
            .skip(length - MESSAGE + 1)
            .collect::<String>()
    )
}
