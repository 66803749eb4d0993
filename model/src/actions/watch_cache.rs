//! What a watch cache says has happened.

use std::sync::Arc;

use bincode::{Decode, Encode};

use crate::messages::api::Change;

/// A step of the watch cache, in the words of the watch specification.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum WatchCacheAction {
    /// The objects were read anew, as of a revision; the window begins after it.
    Filled {
        /// That revision.
        revision: u64,
        /// How many objects there are.
        objects: u64,
    },
    /// Every change up to a revision has been taken in.
    Applied {
        /// That revision.
        revision: u64,
        /// What changed, in order. Empty for mere progress.
        changes: Vec<AppliedChange>,
    },
    /// The feed from the store ended; it is opened again after a while.
    FeedLost,
    /// The oldest changes left the window.
    Trimmed {
        /// The revision after which changes are still kept.
        floor: u64,
    },
    /// A read was answered.
    Served {
        /// The read.
        request: u64,
        /// The revision it is as of.
        revision: u64,
        /// How many objects it holds.
        objects: u64,
    },
    /// A read waits until the cache is fresh enough.
    Waits {
        /// The read or watch.
        request: u64,
        /// The revision it waits for; `None` if that is the store's own, which has to be asked first.
        revision: Option<u64>,
    },
    /// A read or the opening of a watch was refused.
    Declined {
        /// The read or watch.
        request: u64,
        /// HTTP status code.
        code: u16,
    },
    /// The store was asked for its revision.
    Queried {
        /// Which question.
        query: u64,
    },
    /// The store told its revision.
    Answered {
        /// Which question.
        query: u64,
        /// The store's newest durable revision when it answered.
        revision: u64,
    },
    /// A watch was opened.
    Opened {
        /// The watch.
        watcher: u64,
        /// The keys it sees begin with this.
        prefix: Arc<str>,
        /// Whether it sees all of them, selecting by nothing else.
        everything: bool,
        /// It sees changes strictly after this revision.
        after: u64,
        /// How many present objects it is given first.
        initial: u64,
    },
    /// Changes were handed to a watch.
    Delivered {
        /// The watch.
        watcher: u64,
        /// The changes, in order: what happened as it sees it, the object, the revision.
        changes: Vec<(Change, Arc<str>, u64)>,
    },
    /// A watch was told how far it is.
    Bookmarked {
        /// The watch.
        watcher: u64,
        /// Every change up to this revision has been handed to it.
        revision: u64,
        /// Whether this ends the initial events.
        initial_events_end: bool,
    },
    /// A watch took what was handed to it.
    Taken {
        /// The watch.
        watcher: u64,
        /// How many changes.
        changes: u32,
    },
    /// A watch ended.
    Closed {
        /// The watch.
        watcher: u64,
        /// HTTP status code of the reason; 0 if the client went.
        code: u16,
    },
}

/// One change that the cache took in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct AppliedChange {
    /// The object.
    pub key: Arc<str>,
    /// Its revision.
    pub revision: u64,
    /// What happened to it.
    pub change: Change,
}
