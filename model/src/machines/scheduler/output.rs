//! What the scheduler asks for.

use crate::machines::controller::{Ask, Event};
use crate::objects::key::ObjectKey;

/// What the scheduler asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// Step 5: bind this pod. Answered, once, by `Bound` with the same key and UID.
    Bind {
        /// The pod.
        pod: ObjectKey,
        /// Its UID.
        uid: String,
        /// The request: `pods/binding` with the UID, so that a successor of the same name is not bound.
        ask: Ask,
    },
    /// Write the condition that says why a pod has no node. Not answered: a later attempt says it again.
    Report(Ask),
    /// Record an event. Not answered.
    Record(Event),
}
