//! What the store knows.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::durable::Record;
use super::input::{AskId, WatchId};
use super::keys::Keys;
use super::watch::Watches;
use crate::messages::store::{Key, LeaseId, StoreResponse};

/// What the store knows.
///
/// `compacted ≤ durable ≤ revision`. What is newer than `durable` has been decided, so that the next
/// transaction sees it, and is shown to nobody.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State<V> {
    pub(super) keys: Keys<V>,
    /// What each revision after `compacted` changed.
    pub(super) log: VecDeque<Revision>,
    /// Bytes in `log`.
    pub(super) history_bytes: u64,
    pub(super) revision: u64,
    pub(super) durable: u64,
    pub(super) compacted: u64,
    pub(super) leases: BTreeMap<LeaseId, Lease>,
    /// Counts the lives of all leases, around 256: a timer of an earlier life is late, be it that of a lease of the same
    /// name that has ended since.
    pub(super) lives: u8,
    pub(super) watches: Watches,
    /// What the next commit will hold.
    pub(super) gathering: Batch<V>,
    /// The commit under way: its newest revision, and who waits for it.
    pub(super) committing: Option<(u64, Vec<Waiting<V>>)>,
    /// Why the store answers nothing any more.
    pub(super) failed: Option<String>,
}

/// An answer that waits for a commit.
pub(super) type Waiting<V> = (AskId, StoreResponse<V>);

/// The keys that a revision changed, in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Revision {
    pub(super) keys: Vec<Key>,
    pub(super) bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Lease {
    pub(super) ttl_seconds: u32,
    /// Which life this is; each grant and each keep-alive begins one.
    pub(super) life: u8,
    pub(super) keys: BTreeSet<Key>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Batch<V> {
    pub(super) records: Vec<Record<V>>,
    pub(super) waiting: Vec<Waiting<V>>,
    /// Bytes of changes in `records`.
    pub(super) bytes: u64,
}

impl<V> Batch<V> {
    pub(super) fn new() -> Self {
        Batch {
            records: Vec::new(),
            waiting: Vec::new(),
            bytes: 0,
        }
    }
}

impl<V> State<V> {
    /// The newest durable revision: the newest that anyone outside can know of.
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// The oldest revision that can be read, and watched from after.
    pub fn compacted(&self) -> u64 {
        self.compacted
    }

    /// Why the store answers nothing any more, if so.
    pub fn failed(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    /// Whether a commit is under way.
    pub fn is_committing(&self) -> bool {
        self.committing.is_some()
    }

    /// Requests that wait for the disk.
    pub fn waiting(&self) -> usize {
        let under_way = self
            .committing
            .as_ref()
            .map_or(0, |(_, waiting)| waiting.len());
        under_way + self.gathering.waiting.len()
    }

    /// The watches there are, with whether each has been sent everything that is durable.
    pub fn watches(&self) -> impl Iterator<Item = (WatchId, bool)> + '_ {
        self.watches.positions()
    }

    /// What a revision inside the history changed.
    pub(super) fn changed(&self, revision: u64) -> &[Key] {
        let index = revision
            .checked_sub(self.compacted + 1)
            .and_then(|index| usize::try_from(index).ok());
        index
            .and_then(|index| self.log.get(index))
            .map_or(&[], |revision| &revision.keys)
    }
}
