//! What a reflector does, in the words of the watch specification.

use bincode::{Decode, Encode};

use crate::objects::key::ObjectKey;

/// One thing that a reflector did.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum ReflectorAction {
    /// A list at `revision` with `count` objects replaced everything known before.
    Replaced {
        /// The revision of the list.
        revision: u64,
        /// How many objects it has.
        count: u64,
    },
    /// An object came or changed.
    Applied {
        /// Which.
        key: ObjectKey,
        /// The revision of the change.
        revision: u64,
    },
    /// An object went.
    Deleted {
        /// Which.
        key: ObjectKey,
        /// The revision of the deletion.
        revision: u64,
    },
    /// Every event up to `revision` has been seen.
    Advanced {
        /// That revision.
        revision: u64,
    },
    /// An event that had been delivered before came again and was dropped.
    Repeated {
        /// Of which object.
        key: ObjectKey,
        /// The revision of the event.
        revision: u64,
    },
    /// A list older than what had been seen was refused: a client never goes back in time (guarantee 14).
    StaleList {
        /// The revision of the list.
        revision: u64,
        /// What had been seen.
        seen: u64,
    },
    /// A list was asked for.
    Listing,
    /// A watch was asked for.
    Watching {
        /// After which revision.
        after: u64,
    },
    /// The watch ended, or a list failed.
    Interrupted,
}
