//! What the relay knows.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::history::History;
use super::{AskId, WatchId};
use crate::messages::store::{KeyRange, StoreRequest, WatchRequest};

/// What the relay knows. None of it has to survive: all of it is the engine's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State<V> {
    /// Why the engine's events are not followed; `None` while they are.
    pub(super) away: Option<Away<V>>,
    /// The newest events.
    pub(super) history: History<V>,
    /// The newest revision that the engine has told of. Events up to it may still be under way.
    pub(super) told: u64,
    /// What the engine was asked and has not answered.
    pub(super) calls: BTreeMap<AskId, Called>,
    pub(super) watches: BTreeMap<WatchId, Watch>,
    /// Watches that have room for more than the last step could send.
    pub(super) rest: BTreeSet<WatchId>,
    /// Whether the timer of the mark is set.
    pub(super) marking: bool,
}

impl<V> State<V> {
    /// Whether the engine's events are not followed.
    pub fn is_away(&self) -> bool {
        self.away.is_some()
    }
}

/// The engine is away.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Away<V> {
    pub(super) reason: String,
    /// What waits for it to be back; `None` once it has been away for too long for anyone to wait.
    pub(super) held: Option<VecDeque<(AskId, StoreRequest<V>)>>,
}

/// What a call is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Called {
    /// A range of these keys.
    Range(KeyRange),
    /// A write, or something else that may have been done when its answer is lost.
    Write,
    /// A transaction, of which it is told apart whether it wrote.
    Transaction,
    /// The newest revision, for whoever asked for progress.
    Progress,
    /// The newest revision, for a watch that begins after one that nobody was told of here.
    Watch(WatchRequest),
    /// A compaction to this revision.
    Compact(u64),
    /// Sizes.
    Status,
    /// What nobody waits for any more.
    Nobody,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Watch {
    pub(super) range: KeyRange,
    pub(super) previous: bool,
    /// Every event up to this revision has been sent.
    pub(super) position: u64,
    /// Frames that the receiver has not taken.
    pub(super) under_way: u32,
    /// It is to be told when it has every event up to this revision.
    pub(super) progress: Option<u64>,
}
