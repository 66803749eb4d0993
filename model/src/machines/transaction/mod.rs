//! Writes of objects against the store.

mod input;
mod output;
mod strategy;

pub use input::{Binding, Write, WriteVerb};
pub use output::{Outcome, Written};
pub use strategy::{Context, Strategy};
