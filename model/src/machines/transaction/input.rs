//! What can happen to a write.

use crate::messages::api::DeleteOptions;
use crate::objects::key::ObjectKey;
use crate::objects::kinds::Subresource;

/// A write as a client asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Write<C> {
    /// Which object. The name is empty for a create whose body names the object or has it generated.
    pub key: ObjectKey,
    /// What to do.
    pub verb: WriteVerb<C>,
    /// Decide and answer, but do not write.
    pub dry_run: bool,
}

/// The verbs that write.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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

/// The body of `pods/binding`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Binding {
    /// The node.
    pub node: String,
    /// Only a pod with this UID; empty for any.
    pub uid: String,
    /// Only a pod at this resourceVersion; empty for any.
    pub resource_version: String,
}
