//! What the user sees while a specification is explored.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use specs::graph::Progress;

/// Between two lines where standard error is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// The display of an exploration: a spinner on a terminal, a line now and then elsewhere. On standard error.
pub(super) struct Exploring {
    bar: ProgressBar,
    began: Instant,
    next_line: Instant,
}

impl Exploring {
    pub(super) fn begin() -> Self {
        let began = Instant::now();
        Exploring {
            bar: ProgressBar::new_spinner(),
            began,
            next_line: began + LINE_EVERY,
        }
    }

    /// How far it is.
    pub(super) fn tell(&mut self, progress: Progress) {
        let seconds = self.began.elapsed().as_secs();
        let Progress {
            depth,
            looked_at,
            met,
        } = progress;
        let line = format!("{seconds} s: depth {depth}, {looked_at} of {met} states looked at");
        if self.bar.is_hidden() && Instant::now() >= self.next_line {
            self.next_line += LINE_EVERY;
            eprintln!("  {line}");
        }
        self.bar.set_message(line);
    }
}

impl Drop for Exploring {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
