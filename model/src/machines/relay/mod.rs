#![doc = include_str!("README.md")]

mod ask;
mod history;
mod input;
mod output;
mod state;
mod step;
mod watch;

use std::marker::PhantomData;

use bincode::{Decode, Encode};

pub use input::{Attachment, CallError, Input, Timer};
pub use output::Output;
pub use state::State;

pub use super::store::{AskId, Limits, Value, WatchId};

/// The machine: a store's front over values `V`, with the store itself elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Relay<V> {
    limits: Limits,
    values: PhantomData<V>,
}

impl<V> Relay<V> {
    /// A relay that keeps to these limits, as far as they are its own and not its engine's: what waits, what is sent,
    /// what is kept of history.
    pub fn new(limits: Limits) -> Self {
        Relay {
            limits,
            values: PhantomData,
        }
    }
}
