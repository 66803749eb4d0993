//! What a reflector knows.

use std::marker::PhantomData;

use bincode::{Decode, Encode};

/// The machine. `V` is what it moves without looking into it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Reflector<V> {
    /// The first wait after a failure, in milliseconds.
    pub backoff_first_ms: u64,
    /// The longest wait, in milliseconds.
    pub backoff_cap_ms: u64,
    value: PhantomData<fn() -> V>,
}

impl<V> Default for Reflector<V> {
    fn default() -> Self {
        Reflector {
            backoff_first_ms: 100,
            backoff_cap_ms: 30_000,
            value: PhantomData,
        }
    }
}

impl<V> Reflector<V> {
    /// The wait after so many failures in a row.
    pub(super) fn backoff_ms(&self, failures: u32) -> u64 {
        let doubled = self.backoff_first_ms.saturating_mul(1 << failures.min(32));
        doubled.min(self.backoff_cap_ms)
    }
}

/// What a reflector is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// A list is under way.
    Listing,
    /// A watch is under way.
    Watching,
    /// Waiting before the next list.
    WaitingToList,
    /// Waiting before the next watch.
    WaitingToWatch,
}

/// A reflector's state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State {
    /// What it is doing.
    pub phase: Phase,
    /// Everything up to this revision has been delivered; 0 before the first list.
    pub revision: u64,
    /// Failures since the last progress.
    pub failures: u32,
}

/// The reflector's only timer: the wait before the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// Try again.
    Retry,
}
