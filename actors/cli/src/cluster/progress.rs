//! What the user sees while a cluster starts: a spinner on a terminal, plain lines elsewhere. On standard error, so that
//! standard output holds what is worth keeping.

use std::cell::Cell;
use std::io::{IsTerminal, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A line on standard error. That nobody reads it any more (a closed terminal, `| head`) must not end a cluster.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The display of a start.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    ended: Cell<bool>,
}

impl Progress {
    /// Begins, for so many components.
    pub fn begin(components: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(components as u64);
            if let Ok(style) = ProgressStyle::with_template("{spinner} {pos}/{len} {msg}") {
                bar.set_style(style);
            }
            bar.set_message("starting");
            bar
        });
        Progress {
            bar,
            ended: Cell::new(false),
        }
    }

    /// A component serves, so long after the beginning.
    pub fn part_ready(&self, part: &str, after: Duration) {
        match &self.bar {
            Some(bar) if bar.is_finished() => say(&format!("{part} serves again")),
            Some(bar) => {
                bar.set_message(format!("{part} is ready"));
                bar.inc(1);
            }
            None if self.ended.get() => say(&format!("{part} serves again")),
            None => say(&format!("{part} is ready after {} ms", after.as_millis())),
        }
    }

    /// Something the user should read now.
    pub fn line(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| say(line)),
            None => say(line),
        }
    }

    /// The start is over.
    pub fn end(&self) {
        self.ended.set(true);
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
