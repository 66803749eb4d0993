//! What the backend counts, for `/metrics`.

use std::cell::Cell;

/// Counts since the start.
#[derive(Debug, Default)]
pub struct Counters {
    pub(super) reads: Cell<u64>,
    pub(super) writes: Cell<u64>,
    pub(super) delivered: Cell<u64>,
}

/// The counts at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Reads of one object or of a list, those of the write path included.
    pub reads: u64,
    /// Writes that were asked for.
    pub writes: u64,
    /// Changes that were handed to watches.
    pub delivered: u64,
    /// Watches that are open.
    pub watches_open: u64,
    /// Writes that are under way.
    pub writes_open: u64,
}

impl Counters {
    pub(super) fn add(&self, which: impl Fn(&Self) -> &Cell<u64>, count: u64) {
        let counter = which(self);
        counter.set(counter.get() + count);
    }

    pub(super) fn read(&self) -> Counted {
        Counted {
            reads: self.reads.get(),
            writes: self.writes.get(),
            delivered: self.delivered.get(),
            watches_open: 0,
            writes_open: 0,
        }
    }
}
