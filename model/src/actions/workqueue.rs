//! What a workqueue does.

use bincode::{Decode, Encode};

/// One thing that a workqueue did.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum WorkqueueAction<K> {
    /// The key waits for a worker.
    Queued(K),
    /// The key is being worked on, so it is marked and comes again after that.
    Marked(K),
    /// A worker took the key.
    Began(K),
    /// The worker is done, and so is the key.
    Finished(K),
    /// The key comes again after so many milliseconds.
    Delayed(K, u64),
}
