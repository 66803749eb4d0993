//! What a reflector is told.

use bincode::{Decode, Encode};

use crate::objects::key::ObjectKey;

/// One object of a list, or of an event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Item<V> {
    /// What names it.
    pub key: ObjectKey,
    /// The revision of its last write; for a deletion, the revision of the deletion.
    pub revision: u64,
    /// What it is: a body in production, a number under model checking.
    pub value: V,
}

/// One event of a watch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Event<V> {
    /// `ADDED` or `MODIFIED`: for a copy they are the same.
    Applied(Item<V>),
    /// `DELETED`, with the object's last state.
    Deleted(Item<V>),
}

/// How a watch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum WatchEnd {
    /// The connection broke, or the watch could not be opened.
    Disconnected,
    /// The server ended it, as it does after a while.
    Closed,
    /// 410: the revision has left the server's window.
    Gone,
    /// 429: this client did not read fast enough and was cut off.
    Lagging,
}

/// What can happen to a reflector.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Input<V> {
    /// The list that was asked for.
    Listed {
        /// Its revision.
        revision: u64,
        /// Every object.
        items: Vec<Item<V>>,
    },
    /// The list could not be had.
    ListFailed,
    /// Events of the watch, in order; a revision is never split over two batches.
    Events(Vec<Event<V>>),
    /// Every event up to this revision has been sent.
    Bookmark(u64),
    /// The watch is over.
    WatchEnded(WatchEnd),
    /// The wait before the next attempt is over.
    Retry,
}
