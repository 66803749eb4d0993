//! A store as its clients can see it: what writers, readers and watchers of an etcd, or of this project's own store,
//! observed, held against etcd's promises.
//!
//! Black box, and pure: nothing is known but requests, answers, events and when the client saw them. A store tells a
//! revision with every answer; those revisions are the order in which it claims that everything happened, so that
//! linearizability is checked along them in one pass: does the claimed order explain every answer, and does it agree
//! with what came before what on the client's clock.
//!
//! - [`observed`]: what is written down.
//! - [`history`]: what must have happened, as far as answers and events tell.
//! - [`judge()`]: one function a promise.

pub mod history;
pub mod judge;
mod linear;
pub mod observed;
mod past;

use serde::Serialize;

pub use judge::judge;

use super::Promised;

/// What a store promises. The first nine are those of watches in etcd's documentation and its robustness tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Promise {
    /// 1: events come by revision, and inside one in the order of its transaction.
    Ordered = 1,
    /// 2: no event comes twice.
    Unique = 2,
    /// 3: no event is missing, and none tells of what was not written.
    Reliable = 3,
    /// 4: a revision is never split over two messages.
    Atomic = 4,
    /// 5: a watch goes on strictly after the revision it was given, with the next event.
    Resumable = 5,
    /// 6: a message at r says that every event up to r has come.
    Bookmarkable = 6,
    /// 7: every event is of the keys that were asked for.
    Filter = 7,
    /// 8: version and creation of what an event carries agree with the state before.
    IsCreate = 8,
    /// 9: the previous state that an event carries is the one before.
    PrevKv = 9,
    /// 10: transactions are linearizable: compares saw the state before, in an order that agrees with time.
    Transactions = 10,
    /// 11: ranges are linearizable: every write acknowledged before, nothing begun after, as of one revision.
    Ranges = 11,
    /// 12: what is compacted stays refused.
    Compaction = 12,
    /// 13: a key goes with its lease, and not before its time.
    Leases = 13,
}

impl Promise {
    /// Every promise, by number.
    pub const ALL: [Promise; 13] = [
        Promise::Ordered,
        Promise::Unique,
        Promise::Reliable,
        Promise::Atomic,
        Promise::Resumable,
        Promise::Bookmarkable,
        Promise::Filter,
        Promise::IsCreate,
        Promise::PrevKv,
        Promise::Transactions,
        Promise::Ranges,
        Promise::Compaction,
        Promise::Leases,
    ];
}

impl Promised for Promise {
    fn says(self) -> &'static str {
        match self {
            Promise::Ordered => "events come by revision, and in the order of a transaction",
            Promise::Unique => "no event comes twice",
            Promise::Reliable => "no event is missing or made up",
            Promise::Atomic => "a revision is never split",
            Promise::Resumable => "a watch goes on right after its revision",
            Promise::Bookmarkable => "after a message at r nothing up to r is still to come",
            Promise::Filter => "every event is of the keys asked for",
            Promise::IsCreate => "version and creation agree with what was there",
            Promise::PrevKv => "the previous state is the one before",
            Promise::Transactions => "transactions are linearizable",
            Promise::Ranges => "ranges are linearizable",
            Promise::Compaction => "what is compacted stays refused",
            Promise::Leases => "a key goes with its lease, and not before its time",
        }
    }

    fn source(self) -> String {
        (self as u8).to_string()
    }
}
