//! What the relay does to the world.

use super::{AskId, WatchId};
use crate::messages::store::{StoreRequest, StoreResponse, WatchFrame};

/// What the relay does to the world.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output<V> {
    /// Have the engine carry this out, and then say [`Input::Called`](super::Input::Called).
    /// [`Progress`](StoreRequest::Progress) asks for its newest revision.
    Call {
        /// The name of the call.
        call: AskId,
        /// What to carry out.
        request: StoreRequest<V>,
    },
    /// Write the mark: a key beside the store's own, whose event comes after all that were before it.
    Mark,
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
}
