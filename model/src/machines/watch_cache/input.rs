//! What can happen to a watch cache.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

use bincode::{Decode, Encode};

use crate::rules::resource_version::ReadAt;

use super::Timer;

/// A store key.
pub type Key = Arc<str>;
/// Names a read or the opening of a watch; chosen by the shell, never used twice.
pub type RequestId = u64;
/// Counts the attempts to follow the store; what an earlier attempt brings is ignored.
pub type Epoch = u64;

/// A cached object: moved without being looked into, but for what is asked here.
pub trait Cached: Clone + Debug + Eq + Hash {
    /// What a list or watch selects by.
    type Filter: Clone + Debug + Eq + Hash;

    /// Whether the object is selected.
    fn matches(&self, filter: &Self::Filter) -> bool;

    /// The value that watches of this resource are grouped by: a pod's node. Empty where there is none.
    fn group(&self) -> &str;

    /// The group that a filter is confined to, if it is.
    fn group_of(filter: &Self::Filter) -> Option<&str>;

    /// Whether a filter selects everything.
    fn is_everything(filter: &Self::Filter) -> bool;

    /// The object as it is told to watchers it leaves at `revision`: the same state, that revision.
    fn restamped(&self, revision: u64) -> Self;

    /// About how much memory it takes, in bytes.
    fn size(&self) -> usize;
}

/// One input.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[bincode(
    encode_bounds = "V: Cached + Encode, V::Filter: Encode",
    decode_context = "()",
    decode_bounds = "V: Cached + Decode<()>, V::Filter: Decode<()>",
    borrow_decode_bounds = "V: Cached + ::bincode::BorrowDecode<'__de, ()>, V::Filter: ::bincode::BorrowDecode<'__de, ()>"
)]
pub enum Input<V: Cached> {
    /// A part of the list of all objects.
    Listed {
        /// The attempt that asked for it.
        epoch: Epoch,
        /// The revision of the whole list.
        revision: u64,
        /// Objects in the order of keys.
        items: Vec<Listed<V>>,
        /// Whether there are more after the last one.
        more: bool,
    },
    /// Changes of the store, or (empty) its progress.
    Fed {
        /// The attempt they belong to.
        epoch: Epoch,
        /// Every change up to this revision has been fed.
        revision: u64,
        /// Changes in the order of revisions; a revision is never split over two inputs.
        changes: Vec<Fed<V>>,
    },
    /// The store no longer has the revision to list at or to follow from.
    Expired {
        /// The attempt.
        epoch: Epoch,
    },
    /// The connection, or the stream on it, has ended.
    Lost {
        /// The attempt.
        epoch: Epoch,
    },
    /// The store told its newest durable revision.
    Progressed {
        /// Which question it answers.
        query: u64,
        /// The revision.
        revision: u64,
    },
    /// The question was not answered.
    QueryLost {
        /// Which question.
        query: u64,
    },
    /// An object or a list is asked for.
    Read {
        /// To be answered once under this name.
        request: RequestId,
        /// How fresh.
        at: ReadAt,
        /// What.
        read: Read<V::Filter>,
    },
    /// A watch is asked for. Its name is that of its request.
    Watch {
        /// The watch.
        request: RequestId,
        /// What it sees.
        watch: Watch<V::Filter>,
    },
    /// A watch's client took changes that were handed to it.
    Taken {
        /// The watch.
        watcher: RequestId,
        /// How many changes.
        changes: u32,
    },
    /// A watch's time will soon be over: it is told how far it is, so that its client resumes from there.
    Ending {
        /// The watch.
        watcher: RequestId,
    },
    /// Nobody waits for this read or listens to this watch any more.
    Dropped {
        /// The read or watch.
        request: RequestId,
    },
    /// A timer has fired.
    Fired(Timer),
}

/// An object of a list.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Listed<V> {
    /// Its key.
    pub key: Key,
    /// The revision of its last write.
    pub revision: u64,
    /// The object.
    pub value: V,
}

/// One change in the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Fed<V> {
    /// The key.
    pub key: Key,
    /// The revision of the change.
    pub revision: u64,
    /// The object as written; `None` if it was deleted.
    pub value: Option<V>,
}

/// What a read wants.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Read<F> {
    /// One object.
    Get(Key),
    /// Objects whose keys begin with a prefix.
    List {
        /// The prefix, ending in `/`; or a whole key.
        prefix: Key,
        /// Which of them.
        filter: F,
        /// At most so many; 0 for all.
        limit: u64,
        /// Only those after this key: where the part before ended.
        after: Option<Key>,
    },
}

/// What a watch sees.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Watch<F> {
    /// Keys that begin with this, ending in `/`; or a whole key.
    pub prefix: Key,
    /// Which of them.
    pub filter: F,
    /// From where on.
    pub start: Start,
    /// Whether it wants bookmarks.
    pub bookmarks: bool,
}

/// Where a watch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Start {
    /// Strictly after a revision.
    After(u64),
    /// With the present objects.
    Initial {
        /// How fresh these must be.
        at: ReadAt,
        /// Whether a bookmark ends them.
        bookmark: bool,
    },
}
