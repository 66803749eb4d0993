//! What can happen to the scheduler.

use bincode::{Decode, Encode};

use crate::machines::reflector::Delivery;
use crate::machines::scheduler::view::{NodeView, PodView};
use crate::objects::key::ObjectKey;
use crate::objects::status::Reason;

/// What became of a binding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Binding {
    /// Persisted.
    Done,
    /// Refused, and why.
    Refused(Reason, String),
    /// The connection broke: persisted or not, nobody knows.
    Lost,
}

/// What can happen to the scheduler.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Input {
    /// Step 4: pods changed.
    Pods(Delivery<PodView>),
    /// Nodes changed.
    Nodes(Delivery<NodeView>),
    /// A binding was answered: the pod, its UID, the answer.
    Bound(ObjectKey, String, Binding),
    /// A pod's back-off is over.
    Cooled(ObjectKey),
    /// A pod has been unschedulable for long.
    Stale(ObjectKey),
    /// A binding without an answer is due to be asked for again.
    Rebind(ObjectKey),
    /// Go on with what a step left over.
    More,
    /// Nothing was seen of a binding that nobody knows about.
    Expired(ObjectKey),
}
