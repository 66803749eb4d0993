//! What the write path of the API server says has happened.

use bincode::{Decode, Encode};

use crate::objects::key::ObjectKey;

/// A step of a write.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum TransactionAction {
    /// A write was taken in (step 1 of the path of a pod).
    Submitted {
        /// The write.
        id: u64,
        /// `create`, `update`, `patch`, `delete` or `bind`.
        verb: String,
        /// Which object; without a name while that is still to be told or generated.
        key: ObjectKey,
    },
    /// The write was sent to the store, to hold only if nothing has changed since it was decided. If its answer is lost it
    /// may be sent again, which is no other attempt.
    Attempted {
        /// The write.
        id: u64,
        /// Which object.
        key: ObjectKey,
        /// Its UID.
        uid: String,
        /// The revision that the object must still have; 0 if it must not exist.
        expected: u64,
        /// What it does to the object if it holds.
        effect: Effect,
    },
    /// The objects were read from the store, to confirm a refusal that the cache alone had led to.
    Confirmed {
        /// The write.
        id: u64,
    },
    /// Something had changed: the write is decided again.
    LostRace {
        /// The write.
        id: u64,
    },
    /// The store has written it.
    Committed {
        /// The write.
        id: u64,
        /// Which object.
        key: ObjectKey,
        /// Its UID.
        uid: String,
        /// At which revision.
        revision: u64,
        /// What was done.
        effect: Effect,
    },
    /// The write was answered without being carried out: unchanged, refused, or a dry run.
    Answered {
        /// The write.
        id: u64,
        /// HTTP status code.
        code: u16,
    },
    /// The connection was lost with the write under way: nobody knows whether it was carried out.
    Unknown {
        /// The write.
        id: u64,
    },
    /// The store was asked for a lease, which objects that expire are to go with. Writes of such objects wait for it.
    LeaseAsked {
        /// Its name.
        lease: u64,
        /// Its time to live, in seconds.
        ttl_seconds: u32,
    },
    /// The store has granted it: what waited for it is written, and goes with it.
    LeaseGranted {
        /// Its name.
        lease: u64,
    },
    /// Nothing goes with the lease that does not yet, or does not wait for it: it was used for as long or by as many as
    /// may be, or the store does not have it.
    LeaseLeft {
        /// Its name.
        lease: u64,
    },
}

impl TransactionAction {
    /// The write that it is about; `None` if it is about a lease.
    pub fn write(&self) -> Option<u64> {
        match self {
            TransactionAction::Submitted { id, .. }
            | TransactionAction::Attempted { id, .. }
            | TransactionAction::Confirmed { id }
            | TransactionAction::LostRace { id }
            | TransactionAction::Committed { id, .. }
            | TransactionAction::Answered { id, .. }
            | TransactionAction::Unknown { id } => Some(*id),
            TransactionAction::LeaseAsked { .. }
            | TransactionAction::LeaseGranted { .. }
            | TransactionAction::LeaseLeft { .. } => None,
        }
    }
}

/// What a committed write did to its object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Effect {
    /// Created it.
    Created,
    /// Changed it.
    Updated,
    /// Bound it to a node (step 6 of the path of a pod).
    Bound {
        /// The node.
        node: String,
    },
    /// Marked it as being deleted, or shortened its grace.
    Deleting,
    /// Removed it.
    Deleted,
    /// Created it, bound to a node of its maker's choice (a create with `spec.nodeName`: steps 2 and 6 of the path of a
    /// pod in one).
    Placed {
        /// The node.
        node: String,
    },
}
