//! What the transaction machine asks about objects: everything that differs from kind to kind.

use std::fmt::Debug;
use std::hash::Hash;

use crate::machine::Now;
use crate::objects::key::ObjectKey;
use crate::objects::kinds::Subresource;
use crate::objects::status::Status;
use crate::rules::object_meta::SystemMeta;

/// What a hook may know beside the objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context<'a> {
    /// Which object. Its name is empty while a name is still to be generated.
    pub key: &'a ObjectKey,
    /// The part that is written; `None` for the object itself.
    pub subresource: Option<Subresource>,
    /// The time of the step.
    pub now: Now,
}

/// The schema work of a write, as pure and deterministic functions: a write that loses a race is decided
/// again, from the same change and another current object.
///
/// The machine keeps the fields of [`SystemMeta`] right by itself; a strategy never stamps them.
pub trait Strategy {
    /// An object as the store keeps it: canonical bytes without `resourceVersion`.
    type Value: Clone + Debug + Eq + Hash;
    /// What a client asks for: a whole object, a patch, or whatever the strategy can apply.
    type Change: Clone + Debug + Eq + Hash;
    /// An object taken apart, to be changed. Equal drafts encode to equal values.
    type Draft: Clone + PartialEq;

    /// Takes a stored object apart. The draft carries `revision` as its `resourceVersion`, whether or not the
    /// value does.
    fn decode(
        &self,
        key: &ObjectKey,
        value: &Self::Value,
        revision: u64,
    ) -> Result<Self::Draft, Status>;

    /// Puts an object together, without its `resourceVersion`.
    fn encode(&self, key: &ObjectKey, draft: &Self::Draft) -> Result<Self::Value, Status>;

    /// What an object takes, in bytes.
    fn size(&self, value: &Self::Value) -> u64;

    /// Reads the metadata that the machine keeps.
    fn meta(&self, draft: &Self::Draft) -> Result<SystemMeta, Status>;

    /// Writes the metadata that the machine keeps.
    fn set_meta(&self, draft: &mut Self::Draft, meta: &SystemMeta);

    /// The object that a create asks for: decoded, defaulted, cleared of what a create may not set
    /// (`PrepareForCreate`). Its name may still be missing, to be generated.
    fn create(&self, context: Context<'_>, change: &Self::Change) -> Result<Self::Draft, Status>;

    /// The object that an update or patch of `current` asks for, with the parts that the subresource does not
    /// write taken from `current` (`PrepareForUpdate`). The `resourceVersion` in it is the client's: absent or
    /// empty if any will do. A patch is applied to `current` with its `resourceVersion` in place.
    fn update(
        &self,
        context: Context<'_>,
        current: &Self::Draft,
        change: &Self::Change,
    ) -> Result<Self::Draft, Status>;

    /// Whether an object that is about to be written is valid; `old` is what it replaces. Names, namespaces,
    /// UIDs and the other fields of [`SystemMeta`] have been compared by the machine already.
    fn validate(
        &self,
        context: Context<'_>,
        draft: &Self::Draft,
        old: Option<&Self::Draft>,
    ) -> Result<(), Status>;

    /// Whether objects of this kind count changes in `metadata.generation`.
    fn counts_generations(&self, key: &ObjectKey) -> bool;

    /// Whether what was asked for (`spec`, mostly) differs, so that the generation grows.
    fn spec_changed(&self, key: &ObjectKey, old: &Self::Draft, new: &Self::Draft) -> bool;

    /// Whether an update of an absent object creates it (`AllowCreateOnUpdate`).
    fn creates_on_update(&self, key: &ObjectKey) -> bool;

    /// Whether an update may leave out the `resourceVersion` (`AllowUnconditionalUpdate`).
    fn updates_unconditionally(&self, key: &ObjectKey) -> bool;

    /// How long the deletion of an object may take, in seconds, when so many were asked for (not negative):
    /// `None` for kinds without graceful deletion, 0 for an object that may go at once.
    fn grace_seconds(
        &self,
        key: &ObjectKey,
        current: &Self::Draft,
        asked: Option<i64>,
    ) -> Option<i64>;

    /// Whether something beside `metadata.finalizers` keeps the object while it is being deleted: a
    /// namespace's `spec.finalizers`.
    fn is_held(&self, key: &ObjectKey, draft: &Self::Draft) -> bool;

    /// Marks an object whose deletion begins, beside its metadata: a namespace's `status.phase`.
    fn begin_deletion(&self, key: &ObjectKey, draft: &mut Self::Draft);

    /// The node that a pod is bound to; `None` if none.
    fn bound_node(&self, draft: &Self::Draft) -> Option<String>;

    /// Binds a pod: `spec.nodeName` and the condition `PodScheduled`.
    fn bind(&self, context: Context<'_>, draft: &mut Self::Draft, node: &str);
}
