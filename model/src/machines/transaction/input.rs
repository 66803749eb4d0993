//! What can happen to a write.

use bincode::{Decode, Encode};

use crate::messages::api::DeleteOptions;
use crate::messages::store::{LeaseId, StoreResponse};
use crate::objects::key::ObjectKey;
use crate::objects::kinds::Subresource;

/// Names a write; chosen by the shell, never used twice.
pub type WriteId = u64;

/// One input.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Input<V, C> {
    /// A write is asked for. It is answered exactly once.
    Submit {
        /// The write.
        id: WriteId,
        /// What is asked.
        write: Write<C>,
        /// The object as the cache has it.
        object: Seen<V>,
        /// Its namespace as the cache has it.
        namespace: Seen<V>,
        /// The UID of an object that this creates.
        uid: String,
        /// What generated names are made of.
        random: u64,
    },
    /// The store answered what was asked for a write.
    Stored {
        /// The write.
        id: WriteId,
        /// The answer.
        response: StoreResponse<V>,
    },
    /// The store was not asked: there is no connection.
    Unsent {
        /// The write.
        id: WriteId,
    },
    /// The connection was lost before the store's answer came.
    Lost {
        /// The write.
        id: WriteId,
    },
    /// The store has answered the question for a lease, or there will be no answer.
    Granted {
        /// The lease.
        lease: LeaseId,
        /// The answer; `None` if the connection gave none.
        answer: Option<StoreResponse<V>>,
    },
    /// The lease that objects go with has been used for as long as it may be.
    LeaseUsed,
}

/// The machine's timers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// How long one lease is used.
    Lease,
}

/// An object as someone has seen it, possibly out of date.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Seen<V> {
    /// It did not exist.
    Absent,
    /// It existed.
    Present {
        /// The revision of its last write.
        revision: u64,
        /// As stored, or as served with its `resourceVersion`.
        value: V,
    },
}

impl<V> Seen<V> {
    /// The revision of its last write; 0 if it did not exist.
    pub fn revision(&self) -> u64 {
        match self {
            Seen::Absent => 0,
            Seen::Present { revision, .. } => *revision,
        }
    }
}

/// A write as a client asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Write<C> {
    /// Which object. The name is empty for a create whose body names the object or has it generated.
    pub key: ObjectKey,
    /// What to do.
    pub verb: WriteVerb<C>,
    /// Decide and answer, but do not write.
    pub dry_run: bool,
}

/// The verbs that write.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum WriteVerb<C> {
    /// A new object.
    Create(C),
    /// The object, or a part of it, replaced.
    Update(Option<Subresource>, C),
    /// The object, or a part of it, changed. Never creates it.
    Patch(Option<Subresource>, C),
    /// The object deleted, gracefully where its kind knows grace.
    Delete(DeleteOptions),
    /// A pod assigned to a node, once.
    Bind(Binding),
}

impl<C> WriteVerb<C> {
    /// The verb's name.
    pub fn name(&self) -> &'static str {
        match self {
            WriteVerb::Create(_) => "create",
            WriteVerb::Update(..) => "update",
            WriteVerb::Patch(..) => "patch",
            WriteVerb::Delete(_) => "delete",
            WriteVerb::Bind(_) => "bind",
        }
    }
}

/// The body of `pods/binding`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Binding {
    /// The node.
    pub node: String,
    /// Only a pod with this UID; empty for any.
    pub uid: String,
    /// Only a pod at this resourceVersion; empty for any.
    pub resource_version: String,
}
