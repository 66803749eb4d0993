//! What the store does to the world.

use super::durable::Record;
use super::input::{AskId, WatchId};
use crate::messages::store::{StoreResponse, WatchFrame};

/// What the store does to the world.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output<V> {
    /// Answer a request.
    Answer {
        /// Whose.
        to: AskId,
        /// The answer.
        response: StoreResponse<V>,
    },
    /// Send a watch its next frame. After [`WatchFrame::Cancelled`] the watch is gone.
    Frame {
        /// The watch.
        watch: WatchId,
        /// The frame.
        frame: WatchFrame<V>,
    },
    /// Write these records in one atomic, durable commit, in this order, and then say
    /// [`Input::Persisted`](super::Input::Persisted). There is never more than one under way.
    Persist {
        /// The newest revision among the records, or the one before if they make none.
        through: u64,
        /// What to write.
        records: Vec<Record<V>>,
    },
    /// The store cannot go on and has told everyone who waited.
    Stop {
        /// Why.
        reason: String,
    },
}
