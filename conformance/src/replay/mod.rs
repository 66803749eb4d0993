//! Running machines again from what they were given: a shell that smuggles anything else into a step is found.
//!
//! A record of inputs (`model::trace::inputs` is its format) has the machine with its configuration, what it found on
//! disk and every input, with the time of the step. The same machine of `model` is given all that again, and everything
//! must come again: whether the step moved, its record in the trace with every action, what it asked of its driver, and
//! the state, where a digest of it was recorded.

mod file;
mod machines;
mod run;

use std::path::{Path, PathBuf};

use model::trace::Header;

use crate::trace::ReadError;

/// A machine that was run again.
#[derive(Debug)]
pub struct Replayed {
    /// Which start of which machine.
    pub header: Header,
    /// How many steps came out as they are recorded.
    pub steps: u64,
    /// After how many of them the whole state was compared.
    pub states: u64,
    /// Why there are no more.
    pub end: End,
    /// The first step that came out otherwise.
    pub difference: Option<Difference>,
}

/// How a record of inputs ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The machine's end.
    Closed,
    /// It reached its limit; what the machine did afterwards is not replayed.
    Limit,
    /// The process ended inside this step.
    Unfinished,
    /// It just ends: the process was killed, or goes on.
    Open,
}

/// A step that came out otherwise than it is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which step; the start is 0.
    pub step: u64,
    /// The record that it left in the trace, if it left one.
    pub record: Option<u64>,
    /// What differs: `the actions`, `the state`, ….
    pub what: &'static str,
    /// As recorded.
    pub recorded: String,
    /// As it came out.
    pub replayed: String,
    /// What the step was given.
    pub given: String,
}

/// Why a machine cannot be run again.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The record of inputs, or the trace beside it, cannot be read.
    #[error(transparent)]
    File(#[from] ReadError),
    /// Nothing is known of such a machine.
    #[error("{path}: no machine is called {machine}")]
    Machine {
        /// The file.
        path: PathBuf,
        /// The name.
        machine: String,
    },
}

/// Runs the machine of a record of inputs again. The trace beside it, if it is there, has to be what comes out.
///
/// # Errors
/// If the files cannot be read as what they are. A difference is no error: it is in the answer.
pub fn replay(path: &Path) -> Result<Replayed, ReplayError> {
    let bytes = file::load(path)?;
    let (frames, header) = file::Frames::begin(path, &bytes)?;
    let trace = path.with_extension("trace");
    let trace = match trace.exists() {
        true => Some(crate::trace::read(&trace)?),
        false => None,
    };
    machines::again(frames, header, trace)
}
