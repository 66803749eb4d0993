#![doc = include_str!("README.md")]

mod bind;
mod create;
mod decision;
mod deletion;
mod doubt;
mod failures;
mod input;
mod lease;
mod output;
mod state;
mod step;
mod strategy;
mod update;

pub use deletion::{FOREGROUND, ORPHAN};
pub use input::{Binding, Input, Seen, Timer, Write, WriteId, WriteVerb};
pub use output::{Outcome, Output, Written};
pub use state::State;
pub use step::{Transactions, WRITES_LIMIT};
pub use strategy::{Context, Strategy};
