//! When what was read may be judged: after everything that can have led to it.
//!
//! A record is in its file before any message that it causes leaves its process. So when all files have been read once
//! more after a record was read, everything that led to it has been read too; and all of that stands before it in the
//! order of [`crate::timeline`]. Moments are let go in that order, up to the first one that was read in the latest pass.
//! One that comes later though it stands earlier happened beside the others, not before them.
//!
//! The one exception is a commit: it stands at its revision, which others may hear of from the store's watch before the
//! API server has noted the store's answer. What stands after a revision that the store has made waits for the commit,
//! unless the API server that asked for it has died, or is silent for very long.

use std::collections::{BTreeMap, BTreeSet};

use model::actions::store::StoreAction;
use model::actions::transaction::TransactionAction;

use crate::said::Said;
use crate::timeline::{Moment, rank};

/// For how many passes a revision's commit is waited for: 30 s at five passes a second.
const WAITED_PASSES: u64 = 150;

/// The place of a moment in the order: revision, rank of the machine, process, machine, start, record, action in it.
type Position = (u64, u8, String, String, u64, u64, usize);

/// Moments that have been read and not been let go.
#[derive(Debug, Default)]
pub(super) struct Order {
    pass: u64,
    waiting: BTreeMap<Position, (u64, Moment)>,
    /// Revisions that the store has made and nobody has committed, with the pass after which nobody waits for them.
    open: BTreeMap<u64, u64>,
    /// Revisions that were committed before the store's own word of them was read.
    early: BTreeSet<u64>,
}

impl Order {
    /// All files are about to be read once more.
    pub(super) fn begin_pass(&mut self) {
        self.pass += 1;
    }

    /// The store has written a revision: it waits for whoever asked for it.
    fn wrote(&mut self, revision: u64) {
        if !self.early.remove(&revision) {
            self.open.insert(revision, self.pass + WAITED_PASSES);
        }
    }

    /// Who asked for a revision says so; its trace may have been read before the store's.
    fn committed(&mut self, revision: u64) {
        if self.open.remove(&revision).is_none() {
            self.early.insert(revision);
        }
    }

    /// A moment was read; it is action `index` of its record.
    pub(super) fn add(&mut self, index: usize, moment: Moment) {
        match &moment.said {
            Said::Store(StoreAction::Wrote { revision, .. }) => self.wrote(*revision),
            Said::Transaction(TransactionAction::Committed { revision, .. }) => {
                self.committed(*revision);
            }
            _ => {}
        }
        let place = &moment.place;
        let position = (
            moment.revision,
            rank(&place.machine),
            place.component.to_string(),
            place.machine.to_string(),
            place.incarnation,
            place.sequence,
            index,
        );
        self.waiting.insert(position, (self.pass, moment));
    }

    /// Another API server has started: what the one before has not said of its commits it will never say.
    pub(super) fn server_started(&mut self) {
        for last in self.open.values_mut() {
            *last = (*last).min(self.pass + 1);
        }
    }

    /// The next moment that may be judged.
    pub(super) fn next(&mut self) -> Option<Moment> {
        let pass = self.pass;
        self.open.retain(|_, last| *last >= pass);
        let first = self.waiting.first_entry()?;
        let revision = first.key().0;
        let due = first.get().0 < pass;
        let waits = self
            .open
            .keys()
            .next()
            .is_some_and(|open| *open <= revision);
        (due && !waits).then(|| first.remove().1)
    }

    /// Nothing more comes: the next of what is left.
    pub(super) fn rest(&mut self) -> Option<Moment> {
        self.waiting.pop_first().map(|(_, (_, moment))| moment)
    }

    /// How many moments wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// When the earliest of them was recorded, in wall-clock milliseconds since the Unix epoch.
    pub(super) fn oldest_ms(&self) -> Option<u64> {
        self.waiting
            .first_key_value()
            .map(|(_, (_, moment))| moment.at_ms)
    }
}
