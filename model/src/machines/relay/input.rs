//! What can happen to the relay.

use bincode::{Decode, Encode};

use super::{AskId, WatchId};
use crate::messages::store::{Event, StoreRequest, StoreResponse, WatchRequest};

/// How the engine's history was taken up: everything that happened to the keys after one revision and up to another.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Attachment<V> {
    /// The revision after which the events are.
    pub after: u64,
    /// The revision up to which they are all.
    pub revision: u64,
    /// The events, in order, each with what its key was before if the engine still knows.
    pub events: Vec<Event<V>>,
}

/// Why the engine gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum CallError {
    /// It was not asked, or has certainly done nothing.
    Unsent {
        /// Why.
        reason: String,
    },
    /// It was asked and may have done it.
    Lost {
        /// What is known of it.
        reason: String,
    },
}

/// What can happen to the relay.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Input<V> {
    /// A request has arrived.
    Ask {
        /// Whom to answer.
        from: AskId,
        /// What is asked.
        request: StoreRequest<V>,
    },
    /// The engine has answered a call, or will not.
    Called {
        /// The name of the call.
        call: AskId,
        /// Its answer.
        answer: Result<StoreResponse<V>, CallError>,
    },
    /// The engine's events are followed, after they were not.
    Attached(Attachment<V>),
    /// More events; none if the engine only told how far it is.
    Fed {
        /// Every event up to this revision has come.
        revision: u64,
        /// The events, in order, whole revisions.
        events: Vec<Event<V>>,
    },
    /// The engine's events are not followed any more, or still not.
    Detached {
        /// Why.
        reason: String,
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
    /// The rest of what one step could not send to watches is due.
    SendRest,
    /// A watch that is to be told how far it is has waited for the events to come that far.
    MarkDue,
    /// What was asked while the engine was away has waited long enough.
    GiveUp,
}

/// The relay's timers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// Watches wait for the next step.
    SendRest,
    /// Watches wait to be told how far they are.
    Mark,
    /// Asks wait for the engine to be back.
    GiveUp,
}
