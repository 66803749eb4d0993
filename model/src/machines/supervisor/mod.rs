#![doc = include_str!("README.md")]

mod input;
mod output;
mod state;
mod step;

use bincode::{Decode, Encode};

pub use input::{Ending, Input, Timer};
pub use output::Output;
pub use state::{Condition, PartState, Phase, State};

/// One component to look after.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Part {
    /// Its name, unique in a plan: `store`, `node-1.kubelet`.
    pub name: String,
    /// Its place in the order of stopping: everything of rank 0 is down before rank 1 is asked to stop.
    pub stop_rank: u8,
    /// How long it may take to stop before it is killed, in milliseconds.
    pub stop_ms: u64,
}

/// The machine: a plan, the same for a whole run.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Supervisor {
    /// The components.
    pub parts: Vec<Part>,
}

/// Wait before the first restart, in milliseconds: long enough for a port to be free again.
pub const BACKOFF_MS: u64 = 10;
/// Factor from one wait to the next.
pub const BACKOFF_FACTOR: u64 = 4;
/// Longest wait between two starts, in milliseconds.
pub const BACKOFF_MS_MAX: u64 = 10_000;
/// A component that served so long is healthy again: its back-off starts from the beginning. Milliseconds.
pub const HEALTHY_MS: u64 = 30_000;
/// So many deaths before a component has served even once end the run.
pub const EARLY_DEATHS_MAX: u32 = 3;
/// What is left of a part's time to stop once someone is in a hurry, in milliseconds.
pub const HURRIED_STOP_MS: u64 = 3_000;
