#![doc = include_str!("README.md")]

mod input;
mod output;
mod state;
mod step;

pub use input::{Input, Outcome};
pub use output::Output;
pub use state::{Added, Backoff, Queue, State, Timer};
pub use step::Workqueue;
