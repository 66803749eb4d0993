//! Why the store refuses.

use bincode::{Decode, Encode};

use super::{Key, LeaseId};

/// Why a request was not carried out, or a watch ended. Nothing was changed, except that after
/// [`Failed`](StoreError::Failed) and [`Unknown`](StoreError::Unknown) it is not known whether a write survives.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, thiserror::Error)]
pub enum StoreError {
    /// The revision asked for is forgotten: list again (Kubernetes: 410 `Expired`).
    #[error("revision is compacted: history begins at revision {compacted}")]
    Compacted {
        /// The oldest revision that can be read, and watched from after.
        compacted: u64,
    },
    /// The watch did not take its events for so long that they left the history.
    #[error("the watcher stayed behind: history begins at revision {compacted}")]
    Behind {
        /// The oldest revision that can be watched from after.
        compacted: u64,
    },
    /// The revision asked for does not exist yet.
    #[error("revision {revision} is in the future: the newest is {newest}")]
    FutureRevision {
        /// What was asked for.
        revision: u64,
        /// The newest durable revision.
        newest: u64,
    },
    /// A key is empty or too long.
    #[error("a key has {length} bytes: 1 to {limit} are allowed")]
    KeyLength {
        /// Bytes of the key.
        length: u64,
        /// At most so many.
        limit: u64,
    },
    /// Keys and values of a request are too large together.
    #[error("the request has {bytes} bytes of keys and values: at most {limit} are allowed")]
    RequestTooLarge {
        /// Bytes of keys and values.
        bytes: u64,
        /// At most so many.
        limit: u64,
    },
    /// A transaction has too many compares or operations.
    #[error(
        "a transaction has {count} compares or operations in a list: at most {limit} are allowed"
    )]
    TooManyOperations {
        /// The longest of its lists.
        count: u64,
        /// At most so many.
        limit: u64,
    },
    /// A transaction would change more than one revision may hold.
    #[error(
        "the transaction changes {keys} keys of {bytes} bytes, old and new: at most {keys_limit} keys and {bytes_limit} bytes are allowed in a revision"
    )]
    TooMuchChanged {
        /// Keys that it would change.
        keys: u64,
        /// Bytes of their old and new values.
        bytes: u64,
        /// At most so many keys.
        keys_limit: u64,
        /// At most so many bytes.
        bytes_limit: u64,
    },
    /// A key is put twice, or put and deleted, by one list of operations.
    #[error("key {key} is written twice by one transaction")]
    DuplicateKey {
        /// The key.
        key: Key,
    },
    /// There is no such lease.
    #[error("lease {lease:016x} does not exist: it has expired, was revoked or never granted")]
    LeaseNotFound {
        /// Its name.
        lease: LeaseId,
    },
    /// There is such a lease already.
    #[error("lease {lease:016x} exists already")]
    LeaseExists {
        /// Its name.
        lease: LeaseId,
    },
    /// A lease was to be named 0 or to live for no time.
    #[error("a lease needs a name other than 0 and a time to live of at least a second")]
    LeaseInvalid,
    /// There are as many leases as there may be.
    #[error("there are {limit} leases: no more are allowed")]
    TooManyLeases {
        /// At most so many.
        limit: u64,
    },
    /// As many keys go with the lease as may.
    #[error("{limit} keys go with lease {lease:016x}: no more are allowed")]
    LeaseFull {
        /// Its name.
        lease: LeaseId,
        /// At most so many.
        limit: u64,
    },
    /// There are as many watches as there may be.
    #[error("there are {limit} watches: no more are allowed")]
    TooManyWatches {
        /// At most so many.
        limit: u64,
    },
    /// As many requests wait for the disk as may: try again.
    #[error("too much waits for the disk: no more is taken until some of it is answered")]
    Busy,
    /// What exists has reached the size that the store may have: delete something.
    #[error("the store holds {bytes} bytes, as many as it may: delete something")]
    NoSpace {
        /// Bytes of keys and values that exist.
        bytes: u64,
    },
    /// The store has failed and answers nothing until it is started again.
    #[error("the store has failed: {reason}")]
    Failed {
        /// What its disk said.
        reason: String,
    },
    /// The engine behind the store is not reached, or will not: nothing was changed.
    #[error("the store's engine is not available: {reason}")]
    Unavailable {
        /// Why.
        reason: String,
    },
    /// The engine behind the store was asked for a write and gave no answer: it may have been carried out, or still be.
    #[error("the outcome of the write is not known: {reason}")]
    Unknown {
        /// What is known of it.
        reason: String,
    },
}
