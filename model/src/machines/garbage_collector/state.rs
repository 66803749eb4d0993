//! What the collector remembers of one look at an object.

use std::collections::BTreeMap;

/// What is known of an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It is there; or it cannot be read, so nobody may say that it is not.
    Solid,
    /// It is there according to a live read, but the view does not show it yet.
    Unseen,
    /// It is being deleted in the foreground: it waits for its dependents to go.
    Waiting,
    /// It is gone: a live read found nothing, or an object with another UID.
    Gone,
}

/// How far a look is.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// It has just begun.
    #[default]
    Fresh,
    /// Owners are being read live; their UIDs, in this order.
    Verifying(Vec<String>),
    /// Dependents are losing their reference.
    Orphaning,
    /// The last write of this look is under way.
    Acting,
}

/// What the collector remembers of one look at an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Session {
    pub(super) stage: Stage,
    /// The object at the beginning: UID and revision. If it changes meanwhile, the look is begun anew.
    pub(super) seen: (String, String),
    pub(super) verdicts: BTreeMap<String, Verdict>,
    pub(super) error: Option<String>,
}
