//! What a reflector asks for and hands out.

use crate::machines::reflector::input::Item;

/// A change to the receiver's copy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Delivery<V> {
    /// These are all objects there are; what is not among them is gone.
    Replace {
        /// The revision at which that is so.
        revision: u64,
        /// The objects.
        items: Vec<Item<V>>,
    },
    /// This object came or changed.
    Apply(Item<V>),
    /// This object went; with its last state and the revision of the deletion.
    Delete(Item<V>),
}

/// What a reflector wants of the world.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Output<V> {
    /// List everything, consistently. Answered by `Listed` or `ListFailed`.
    List,
    /// Watch everything after this revision. Answered by `Events`, `Bookmark` and at last `WatchEnded`.
    Watch {
        /// That revision.
        after: u64,
    },
    /// Hand this to the receiver, in this order.
    Deliver(Delivery<V>),
}
