//! What can happen to the store.

use bincode::{Decode, Encode};

use crate::messages::store::{LeaseId, StoreRequest, WatchRequest};

/// Names a request until it is answered; chosen by the shell, used once.
pub type AskId = u64;

/// Names a watch until it ends; chosen by the shell, used once.
pub type WatchId = u64;

/// What can happen to the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Input<V> {
    /// A request has arrived.
    Ask {
        /// Whom to answer.
        from: AskId,
        /// What is asked.
        request: StoreRequest<V>,
    },
    /// A watch was opened.
    Watch {
        /// Its name from here on.
        watch: WatchId,
        /// What is watched.
        request: WatchRequest,
    },
    /// The receiver of a watch has taken a frame, so there is room for another.
    Taken {
        /// The watch.
        watch: WatchId,
    },
    /// The receiver of a watch has gone.
    Unwatch {
        /// The watch.
        watch: WatchId,
    },
    /// The commit under way is on disk, fsync included.
    Persisted {
        /// The revision that [`Output::Persist`](super::Output::Persist) named.
        through: u64,
    },
    /// The commit under way failed; what of it is on disk is unknown.
    PersistFailed {
        /// What the disk said.
        reason: String,
    },
    /// The rest of what one step could not send to watches is due.
    SendRest,
    /// A lease was not kept alive for its time to live.
    LeaseRanOut {
        /// The lease.
        lease: LeaseId,
        /// Which of its lives: a keep-alive that was decided before this fired has begun another.
        life: u8,
    },
}

/// The store's timers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// Watches wait for the next step.
    SendRest,
    /// A lease's time to live.
    Lease {
        /// The lease.
        lease: LeaseId,
        /// Which of its lives.
        life: u8,
    },
}
