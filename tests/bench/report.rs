//! The table of figures that a bench prints.

use std::io::Write;
use std::time::Duration;

use anyhow::Result;

use crate::program::Memory;

/// Figures by what they are of.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<[String; 4]>,
}

impl Table {
    pub(crate) fn row(&mut self, of: &str, figure: &str, value: String, aim: &str) {
        self.rows
            .push([of.to_owned(), figure.to_owned(), value, aim.to_owned()]);
    }

    pub(crate) fn memory(&mut self, of: &str, when: &str, memory: Memory, aim: &str) {
        self.row(of, &format!("memory {when}"), memory.to_string(), aim);
    }

    pub(crate) fn print(&self) -> Result<()> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "\n{:<18} {:<38} {:<40} aim", "", "figure", "value")?;
        for [of, figure, value, aim] in &self.rows {
            writeln!(out, "{of:<18} {figure:<38} {value:<40} {aim}")?;
        }
        Ok(())
    }
}

pub(crate) fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
