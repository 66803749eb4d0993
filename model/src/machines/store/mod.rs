#![doc = include_str!("README.md")]

mod commit;
mod compaction;
mod durable;
mod input;
mod keys;
mod lease;
mod limits;
mod output;
mod range;
mod start;
mod state;
mod step;
mod transaction;
mod value;
mod watch;

use std::marker::PhantomData;

use bincode::{Decode, Encode};

pub use durable::{Change, Durable, Incoherent, Record, Version};
pub use input::{AskId, Input, Timer, WatchId};
pub(super) use keys::header_size;
pub use limits::Limits;
pub use output::Output;
pub use state::State;
pub use value::Value;

/// The machine: etcd's key-value model over values `V`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Store<V> {
    limits: Limits,
    values: PhantomData<V>,
}

impl<V> Store<V> {
    /// A store that keeps to these limits.
    pub fn new(limits: Limits) -> Self {
        Store {
            limits,
            values: PhantomData,
        }
    }
}
