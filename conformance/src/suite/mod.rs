#![doc = include_str!("README.md")]

pub mod judge;
pub mod observed;
pub mod pods;
pub mod store;
pub mod streams;
mod told;
pub mod truth;
mod verdict;
mod window;

use serde::Serialize;

pub use judge::judge;
pub use verdict::{Breach, Found, Outcome, Promised, Verdict};

/// The guarantees, with their numbers in the watch specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guarantee {
    /// 1: events arrive in the order of their revisions.
    Ordered = 1,
    /// 2: no event arrives twice.
    Unique = 2,
    /// 3: no event is missing between the first and the last revision that a watch covers.
    Reliable = 3,
    /// 4: a revision is never split. In Kubernetes a revision changes one object, so no two events of a watch share one.
    Atomic = 4,
    /// 5: a watch resumes after the last received revision.
    Resumable = 5,
    /// 6: after a bookmark at r nothing up to r is still to come.
    Bookmarkable = 6,
    /// 7: every event matches the request.
    Filter = 7,
    /// 8: ADDED is for what was not there before, MODIFIED and DELETED for what was.
    IsCreate = 8,
    /// 9: DELETED carries the last state.
    PreviousState = 9,
    /// 10: a list at r and a watch from r leave no gap and repeat nothing.
    ListThenWatch = 10,
    /// 11: 410 only for what has left the window, and a new list then succeeds.
    Gone = 11,
    /// 12: initial events end only when they are as fresh as asked.
    InitialEvents = 12,
    /// 13: a watch starts strictly after its revision.
    StartsAfter = 13,
    /// 14: a client never goes back in time.
    Monotonic = 14,
    /// 15: a slow watcher is closed, never thinned.
    NeverThinned = 15,
    /// 16: a consistent list has every write acknowledged before it began.
    ConsistentList = 16,
    /// 17: what leaves a selector is DELETED, what enters it is ADDED.
    Selector = 17,
}

impl Guarantee {
    /// Every guarantee, by number.
    pub const ALL: [Guarantee; 17] = [
        Guarantee::Ordered,
        Guarantee::Unique,
        Guarantee::Reliable,
        Guarantee::Atomic,
        Guarantee::Resumable,
        Guarantee::Bookmarkable,
        Guarantee::Filter,
        Guarantee::IsCreate,
        Guarantee::PreviousState,
        Guarantee::ListThenWatch,
        Guarantee::Gone,
        Guarantee::InitialEvents,
        Guarantee::StartsAfter,
        Guarantee::Monotonic,
        Guarantee::NeverThinned,
        Guarantee::ConsistentList,
        Guarantee::Selector,
    ];
}

impl Promised for Guarantee {
    fn says(self) -> &'static str {
        match self {
            Guarantee::Ordered => "events arrive in the order of their revisions",
            Guarantee::Unique => "no event arrives twice",
            Guarantee::Reliable => "no event is missing",
            Guarantee::Atomic => "a revision is never split",
            Guarantee::Resumable => "a watch resumes after the last received revision",
            Guarantee::Bookmarkable => "after a bookmark nothing before it is still to come",
            Guarantee::Filter => "every event matches the request",
            Guarantee::IsCreate => "ADDED, MODIFIED and DELETED agree with what was there",
            Guarantee::PreviousState => "DELETED carries the last state",
            Guarantee::ListThenWatch => "a list and a watch from it leave no gap",
            Guarantee::Gone => "410 only for what has left the window",
            Guarantee::InitialEvents => "initial events end as fresh as asked",
            Guarantee::StartsAfter => "a watch starts strictly after its revision",
            Guarantee::Monotonic => "a client never goes back in time",
            Guarantee::NeverThinned => "a slow watcher is closed, never thinned",
            Guarantee::ConsistentList => "a consistent list has every acknowledged write",
            Guarantee::Selector => "a selector's watcher sees objects enter and leave",
        }
    }

    fn source(self) -> String {
        (self as u8).to_string()
    }
}
