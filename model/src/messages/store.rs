//! The API server to the store, and nobody else: etcd's operations without etcd's encoding.
//!
//! A [`StoreRequest`] is an ask, answered by a [`StoreResponse`]; a [`WatchRequest`] opens a stream of
//! [`WatchFrame`]s. All are generic over the value: a machine under checking takes `u8`, production takes
//! [`Bytes`](crate::objects::bytes::Bytes), and on the wire a [`Segment`] stands in a value's place while the
//! values themselves follow the header as raw bytes ([`Wire`] does both directions).
//!
//! What an operation means is etcd's: <https://etcd.io/docs/v3.6/learning/api/>. Where this differs, the item
//! says so.

mod error;
mod range;
mod segment;

use std::sync::Arc;

use bincode::{Decode, Encode};

pub use error::StoreError;
pub use range::KeyRange;
pub use segment::{Segment, SegmentError, Wire};

/// A key: text without further meaning to the store, ordered by its bytes, such as `/registry/core/pods/a/b`.
pub type Key = Arc<str>;

/// Names a lease; chosen by who asks for it, at random, never 0. As a key's lease, 0 means none.
pub type LeaseId = u64;

/// A key with its value, as of some revision.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct KeyValue<V> {
    /// The key.
    pub key: Key,
    /// The revision that created it.
    pub create_revision: u64,
    /// The revision that wrote it last: Kubernetes' resourceVersion.
    pub mod_revision: u64,
    /// How often it was written since it was created; 1 for a new key.
    pub version: u64,
    /// The lease it goes with, or 0.
    pub lease: LeaseId,
    /// Its value; `None` in answers that were asked for keys only.
    pub value: Option<V>,
}

/// What can be asked of the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum StoreRequest<V> {
    /// Read keys, at the newest durable revision or at an older one that is kept.
    Range(RangeRequest),
    /// Compare, then carry out one of two lists of operations, all of it at one revision.
    Transaction(Transaction<V>),
    /// Make a lease, which ends after its time to live unless it is kept alive.
    LeaseGrant {
        /// Its name, not in use.
        lease: LeaseId,
        /// Its time to live, in seconds, at least 1.
        ttl_seconds: u32,
    },
    /// Start a lease's time to live anew.
    LeaseKeepAlive {
        /// The lease.
        lease: LeaseId,
    },
    /// End a lease and delete the keys that go with it.
    LeaseRevoke {
        /// The lease.
        lease: LeaseId,
    },
    /// Forget what was before a revision: ranges below it and watches from before it are refused from then on.
    Compact {
        /// That revision.
        revision: u64,
    },
    /// Have every watch told how far it is. The answer carries the newest durable revision R, and each watch
    /// is sent a frame whose revision is R or later: what a consistent read from a cache waits for (KEP-2340).
    Progress,
    /// Sizes and revisions.
    Status,
}

/// Which keys to read, and how much of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct RangeRequest {
    /// The keys.
    pub range: KeyRange,
    /// As of which revision; `None` for the newest.
    pub revision: Option<u64>,
    /// At most so many keys; 0 for as many as an answer holds.
    pub limit: u32,
    /// Leave the values out.
    pub keys_only: bool,
    /// Leave the keys out too: only the count matters.
    pub count_only: bool,
}

impl RangeRequest {
    /// Everything in `range` as of now.
    pub fn now(range: KeyRange) -> Self {
        RangeRequest {
            range,
            revision: None,
            limit: 0,
            keys_only: false,
            count_only: false,
        }
    }
}

/// Compares and the operations that depend on them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Transaction<V> {
    /// All must hold for `success` to be carried out.
    pub compares: Vec<Compare<V>>,
    /// Carried out if all compares hold.
    pub success: Vec<Operation<V>>,
    /// Carried out otherwise.
    pub failure: Vec<Operation<V>>,
}

/// A question about one key. A key that does not exist has revisions and version 0 and no value; any
/// question about its value fails.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Compare<V> {
    /// The key.
    pub key: Key,
    /// What to look at, and what it is compared with.
    pub operand: Operand<V>,
    /// How the key's side (left) and the given side (right) must relate.
    pub relation: Relation,
}

/// What a compare looks at.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Operand<V> {
    /// The revision that created the key; 0 if it does not exist.
    CreateRevision(u64),
    /// The revision that wrote the key last; 0 if it does not exist.
    ModRevision(u64),
    /// The number of writes since its creation; 0 if it does not exist.
    Version(u64),
    /// The lease it goes with.
    Lease(LeaseId),
    /// Its value.
    Value(V),
}

/// How two sides of a compare must relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Relation {
    /// They are the same.
    Equal,
    /// They differ.
    NotEqual,
    /// The key's side is less.
    Less,
    /// The key's side is greater.
    Greater,
}

/// One operation of a transaction. No key may be put twice, or be put and deleted, in one list.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Operation<V> {
    /// Write a key.
    Put {
        /// The key.
        key: Key,
        /// Its value from this revision on.
        value: V,
        /// The lease it goes with from this revision on, or 0.
        lease: LeaseId,
    },
    /// Delete the keys of a range that exist.
    Delete {
        /// The range.
        range: KeyRange,
        /// Answer with what was deleted.
        previous: bool,
    },
    /// Read, seeing the operations before it.
    Range(RangeRequest),
}

/// The answer to a [`StoreRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum StoreResponse<V> {
    /// To a `Range`.
    Range(RangeResponse<V>),
    /// To a `Transaction`.
    Transaction {
        /// The revision it made, or the newest one if it wrote nothing.
        revision: u64,
        /// Whether all compares held.
        succeeded: bool,
        /// What became of each operation of the list that was carried out.
        results: Vec<OperationResult<V>>,
    },
    /// To `LeaseGrant` and `LeaseKeepAlive`.
    Lease {
        /// The lease.
        lease: LeaseId,
        /// Its time to live from now, in seconds.
        ttl_seconds: u32,
    },
    /// To `LeaseRevoke` and `Compact`: done. To `Progress`: under way.
    Done {
        /// The newest revision.
        revision: u64,
    },
    /// To `Status`.
    Status(StoreStatus),
    /// Not done, and why.
    Failed(StoreError),
}

impl<V> StoreResponse<V> {
    /// The revision that the answer tells of, if it tells of one.
    pub fn revision(&self) -> Option<u64> {
        match self {
            StoreResponse::Range(range) => Some(range.revision),
            StoreResponse::Transaction { revision, .. } | StoreResponse::Done { revision } => {
                Some(*revision)
            }
            StoreResponse::Status(status) => Some(status.revision),
            StoreResponse::Lease { .. } | StoreResponse::Failed(_) => None,
        }
    }
}

/// Keys as of one revision.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct RangeResponse<V> {
    /// The revision they are as of: to read the rest at, to watch from after.
    pub revision: u64,
    /// In the order of keys.
    pub items: Vec<KeyValue<V>>,
    /// Whether the answer stops early, because of the request's limit or because it would be too long to send
    /// (etcd has only the former). The rest follows the last key, at this revision.
    pub more: bool,
    /// How many keys are in the range, sent or not.
    pub count: u64,
}

/// What became of an [`Operation`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum OperationResult<V> {
    /// Written.
    Put,
    /// Deleted.
    Deleted {
        /// How many keys.
        count: u64,
        /// What they were, if it was asked for.
        previous: Vec<KeyValue<V>>,
    },
    /// Read.
    Range(RangeResponse<V>),
}

/// Sizes and revisions of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct StoreStatus {
    /// The newest durable revision.
    pub revision: u64,
    /// History before this revision is forgotten.
    pub compacted: u64,
    /// Keys that exist.
    pub keys: u64,
    /// Bytes of these keys and their values.
    pub live_bytes: u64,
    /// Bytes of the revisions that are kept for ranges and watches.
    pub history_bytes: u64,
    /// Leases.
    pub leases: u64,
    /// Watches.
    pub watches: u64,
}

/// Opens a watch.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct WatchRequest {
    /// Which keys.
    pub range: KeyRange,
    /// Events strictly after this revision; `None` for those after the newest. It may not be before the last
    /// compaction, nor later than the newest revision (etcd would wait for the latter; here it can only be a
    /// revision of another store).
    pub after: Option<u64>,
    /// Whether events carry what the key was before.
    pub previous: bool,
}

/// One frame of a watch.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum WatchFrame<V> {
    /// The first frame: what follows are the events after `after`.
    Started {
        /// The revision after which events follow.
        after: u64,
    },
    /// Events, in the order of revisions and inside one in that of its transaction. A revision is never split.
    Events {
        /// Every event up to this revision has been sent.
        revision: u64,
        /// The events.
        events: Vec<Event<V>>,
    },
    /// No event, but: every event up to this revision has been sent.
    Progress {
        /// That revision.
        revision: u64,
    },
    /// The last frame.
    Cancelled(StoreError),
}

/// One change of one key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Event<V> {
    /// Written. It was created if `version` is 1.
    Put {
        /// As written.
        now: KeyValue<V>,
        /// As it was before, if it existed and the watch asked for it.
        previous: Option<KeyValue<V>>,
    },
    /// Deleted.
    Deleted {
        /// The key.
        key: Key,
        /// The revision of the deletion.
        revision: u64,
        /// As it was before, if the watch asked for it.
        previous: Option<KeyValue<V>>,
    },
}

impl<V> Event<V> {
    /// The key that changed.
    pub fn key(&self) -> &Key {
        match self {
            Event::Put { now, .. } => &now.key,
            Event::Deleted { key, .. } => key,
        }
    }

    /// The revision that changed it.
    pub fn revision(&self) -> u64 {
        match self {
            Event::Put { now, .. } => now.mod_revision,
            Event::Deleted { revision, .. } => *revision,
        }
    }
}
