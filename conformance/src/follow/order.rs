//! When what was read may be judged: after everything that can have led to it.
//!
//! A record is in its file before any message that it causes leaves its process. So when all files have been read once
//! more after a record was read, everything that led to it has been read too; and all of that stands before it in the
//! order of [`crate::timeline`]. Moments are let go in that order, up to the first one that was read in the latest pass.
//! One that comes later though it stands earlier happened beside the others, not before them.
//!
//! The one exception is a commit: it stands at its revision, which others may hear of from the store's watch before the
//! API server has noted the store's answer. What stands after a revision that the store has made waits for the commit,
//! or until it is known whose it was ([`super::open`]), or that this will not be known.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::open::OpenWrites;
use crate::timeline::{Moment, rank};

/// The place of a moment in the order: revision, rank of the machine, process, machine, start, record, action in it.
type Position = (u64, u8, String, String, u64, u64, usize);

/// Beyond the number of any action in a record: what nobody recorded comes after what its place tells.
const CONCLUDED: usize = usize::MAX / 2;

/// Moments that have been read and not been let go.
#[derive(Debug, Default)]
pub(super) struct Order {
    pass: u64,
    waiting: BTreeMap<Position, (u64, Moment)>,
    open: OpenWrites,
    /// How many moments were concluded from others.
    concluded: usize,
}

impl Order {
    /// All files are about to be read once more.
    pub(super) fn begin_pass(&mut self) {
        let concluded = self.open.begin_pass();
        self.conclude(concluded);
        self.pass += 1;
    }

    /// Nothing more is written, and everything was read.
    pub(super) fn end(&mut self) {
        let concluded = self.open.end();
        self.conclude(concluded);
    }

    fn conclude(&mut self, moments: Vec<Moment>) {
        for moment in moments {
            self.concluded += 1;
            self.put(CONCLUDED + self.concluded, moment);
        }
    }

    /// A moment was read; it is action `index` of its record.
    pub(super) fn add(&mut self, index: usize, moment: Moment) {
        if self.open.read(&moment) {
            self.put(index, moment);
        }
    }

    fn put(&mut self, index: usize, moment: Moment) {
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

    /// Another start of an API server speaks.
    pub(super) fn server_started(&mut self, server: &Rc<str>, start: u64) {
        self.open.server_started(server, start);
    }

    /// The next moment that may be judged.
    pub(super) fn next(&mut self) -> Option<Moment> {
        let first = self.waiting.first_entry()?;
        let (revision, pass) = (first.key().0, first.get().0);
        let due = pass < self.pass;
        (due && !self.open.waits_for(revision)).then(|| first.remove().1)
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
