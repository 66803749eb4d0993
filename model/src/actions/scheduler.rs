//! What the scheduler does, in the words of the create-pod specification.

use bincode::{Decode, Encode};

use crate::objects::key::ObjectKey;

/// One thing that the scheduler did.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum SchedulerAction {
    /// A pod without a node waits to be placed.
    Queued {
        /// The pod.
        pod: ObjectKey,
        /// Its UID.
        uid: String,
    },
    /// The pod no longer concerns the scheduler: gone, finished, or being deleted before it was placed.
    Dropped {
        /// The pod.
        pod: ObjectKey,
        /// Its UID.
        uid: String,
    },
    /// Step 5: a node was chosen; its room counts as taken from here on, and the binding is asked for.
    Assumed {
        /// The pod.
        pod: ObjectKey,
        /// Its UID.
        uid: String,
        /// The node.
        node: String,
    },
    /// The API server has persisted the binding (step 6).
    Bound {
        /// The pod.
        pod: ObjectKey,
        /// Its UID.
        uid: String,
        /// The node.
        node: String,
    },
    /// The informer shows the pod on a node, whoever placed it.
    Confirmed {
        /// The pod.
        pod: ObjectKey,
        /// Its UID.
        uid: String,
        /// The node.
        node: String,
    },
    /// The binding was refused, or never confirmed: the room is free again.
    Forgotten {
        /// The pod.
        pod: ObjectKey,
        /// Its UID.
        uid: String,
        /// The node.
        node: String,
    },
    /// No answer to the binding: it may have been persisted. The room stays taken and it is asked for again.
    BindingLost {
        /// The pod.
        pod: ObjectKey,
        /// Its UID.
        uid: String,
        /// The node.
        node: String,
    },
    /// No node has room for the pod.
    Unschedulable {
        /// The pod.
        pod: ObjectKey,
        /// Its UID.
        uid: String,
        /// Why, as the condition says it.
        message: String,
    },
    /// Something has changed that may make the pod fit.
    Woken {
        /// The pod.
        pod: ObjectKey,
    },
    /// A node came, changed or went.
    NodeSeen {
        /// The node.
        node: String,
        /// Whether it is there.
        present: bool,
    },
}
