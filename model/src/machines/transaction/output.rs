//! What a write does.

use crate::messages::store::{LeaseId, Transaction};
use crate::objects::key::ObjectKey;
use crate::objects::status::Status;

use super::input::WriteId;

/// One output.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output<V> {
    /// Ask the store.
    Ask {
        /// For which write.
        id: WriteId,
        /// What.
        transaction: Transaction<V>,
    },
    /// Ask the store for a lease, and then say [`Input::Granted`](super::Input::Granted).
    Grant {
        /// Its name.
        lease: LeaseId,
        /// Its time to live, in seconds.
        ttl_seconds: u32,
    },
    /// Answer the client. The write is over.
    Answer {
        /// Which write.
        id: WriteId,
        /// What became of it.
        result: Result<Written<V>, Status>,
    },
}

/// What became of a write.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Written<V> {
    /// Which object; its name may have been generated.
    pub key: ObjectKey,
    /// How.
    pub outcome: Outcome,
    /// The revision of the object's last write; for a deletion that of the deletion, for a dry run that of
    /// the current object (0 for a create).
    pub revision: u64,
    /// The object as it is now stored; for a deletion its last state.
    pub value: V,
}

/// How a write ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A new object: 201.
    Created,
    /// The object was written: 200.
    Updated,
    /// The object is as asked already; nothing was written: 200.
    Unchanged,
    /// The object is being deleted and stays until its grace is over and its finalizers are gone: 200 with the
    /// object.
    Deleting,
    /// The object is gone: 200, with `Status: Success` for a delete. An update that took the last finalizer of
    /// an object that was being deleted ends so too: 200 with the object.
    Deleted,
}
