#![doc = include_str!("README.md")]

mod expectations;
mod input;
mod output;
mod reconcile;
mod state;
mod step;

pub use expectations::Expectations;
pub use input::{Answer, Input};
pub use output::{Ask, Event, EventType, Output};
pub use reconcile::{Context, Next, Reconcile, Wakes};
pub use state::{Controller, State, Timer};
