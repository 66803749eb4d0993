//! The writes under way.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::messages::store::{KeyValue, OperationResult};
use crate::objects::key::ObjectKey;

use super::decision::Attempt;
use super::input::{Seen, Write, WriteId};
use super::lease::Lease;

/// Everything that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State<V, C> {
    pub(super) pending: BTreeMap<WriteId, Pending<V, C>>,
    /// The writes of one object, in the order in which they came; the first one is under way. They wait for each
    /// other, so that none loses to another of this server.
    pub(super) lanes: BTreeMap<ObjectKey, VecDeque<WriteId>>,
    /// The newest revision of which the store's answers have told.
    pub(super) heard: u64,
    /// Objects of which a write was given up since the store last answered: what the cache has of them may be older.
    pub(super) unsettled: BTreeSet<ObjectKey>,
    pub(super) lease: Lease,
}

/// One write.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pending<V, C> {
    pub(super) write: Write<C>,
    pub(super) uid: String,
    pub(super) random: u64,
    pub(super) object: Seen<V>,
    pub(super) namespace: Seen<V>,
    /// Whether both were read from the store after the write was submitted.
    pub(super) confirmed: bool,
    /// How often it was decided.
    pub(super) attempts: u32,
    /// How many leases were asked for because of it.
    pub(super) leases: u32,
    pub(super) asked: Asked<V>,
}

/// What the store was asked for a write.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Asked<V> {
    /// Nothing: it waits for the writes before it, or for a lease.
    Nothing,
    /// To read the object and its namespace.
    Read,
    /// To write.
    Write(Attempt<V>),
    /// What became of a write whose answer was lost.
    Fate(Doubt<V>),
    /// To write, as before: it had not been carried out.
    WriteAgain {
        /// What was sent, and sent again.
        attempt: Attempt<V>,
        /// Whether what was sent before never will be.
        over: bool,
    },
}

impl<V> Asked<V> {
    /// Whether something that was sent before may have been carried out, or may be yet, if there is no answer to this.
    pub(super) fn leaves_open(&self) -> bool {
        match self {
            Asked::Nothing | Asked::Read | Asked::Write(_) => false,
            Asked::Fate(_) => true,
            Asked::WriteAgain { over, .. } => !over,
        }
    }
}

/// A write whose answer was lost.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Doubt<V> {
    /// What was sent.
    pub(super) attempt: Attempt<V>,
    /// Whether other writes of this server to the object wait until it is known.
    pub(super) alone: bool,
    /// Whether what has not been carried out by now never will.
    pub(super) over: bool,
}

impl<V, C> State<V, C> {
    /// How many writes are under way, waiting ones included.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }
}

impl<V, C> Pending<V, C> {
    /// Takes in what the store read: the object, and its namespace if it has one.
    pub(super) fn see(&mut self, results: Vec<OperationResult<V>>) {
        let mut read = results.into_iter().map(|result| match result {
            OperationResult::Range(range) => range.items.into_iter().next(),
            OperationResult::Put | OperationResult::Deleted { .. } => None,
        });
        self.object = read.next().flatten().map_or(Seen::Absent, seen);
        if let Some(namespace) = read.next() {
            self.namespace = namespace.map_or(Seen::Absent, seen);
        }
        self.confirmed = true;
    }
}

fn seen<V>(found: KeyValue<V>) -> Seen<V> {
    match found.value {
        Some(value) => Seen::Present {
            revision: found.mod_revision,
            value,
        },
        None => Seen::Absent,
    }
}
