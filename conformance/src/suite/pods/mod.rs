//! The life of pods as any client sees it: what was asked for, what watches of pods and nodes brought, held against the
//! create-pod specification's promises. Pure: the driver is elsewhere.

mod judge;
mod observed;

use serde::Serialize;

use super::Promised;

pub use judge::judge;
pub use observed::{Create, Delete, NodeSeen, PodSeen, Replacement, Session};

/// What is promised of pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Promise {
    /// Of creates of one name at a time exactly one succeeds, and what succeeded is there.
    OneAnswer,
    /// `spec.nodeName` is set once in a pod's life.
    BoundOnce,
    /// Phases only go forward.
    Forward,
    /// Never two pods of one name.
    OneOfAName,
    /// A pod is bound to a node that exists.
    NodeExists,
    /// The requests of a node's pods fit into what it allocates.
    NotOvercommitted,
    /// A pod that can run becomes Ready, or says why not.
    ReadyOrWhy,
    /// A pod that fits no node is bound to none, and says why.
    WaitsAndSaysWhy,
    /// A bound pod is told to end before it is gone.
    EndsFirst,
    /// What was deleted goes within its grace.
    GoneInTime,
    /// A `ReplicaSet` replaces what is deleted by another pod.
    Replaced,
}

impl Promise {
    /// Every promise, in the order of a pod's life.
    pub const ALL: [Promise; 11] = [
        Promise::OneAnswer,
        Promise::BoundOnce,
        Promise::Forward,
        Promise::OneOfAName,
        Promise::NodeExists,
        Promise::NotOvercommitted,
        Promise::ReadyOrWhy,
        Promise::WaitsAndSaysWhy,
        Promise::EndsFirst,
        Promise::GoneInTime,
        Promise::Replaced,
    ];
}

impl Promised for Promise {
    fn says(self) -> &'static str {
        match self {
            Promise::OneAnswer => "of creates of one name one succeeds, and is seen",
            Promise::BoundOnce => "nodeName is set once in a pod's life",
            Promise::Forward => "phases only go forward",
            Promise::OneOfAName => "there are never two pods of one name",
            Promise::NodeExists => "a pod is bound to a node that exists",
            Promise::NotOvercommitted => "what the pods of a node request fits into it",
            Promise::ReadyOrWhy => "a pod becomes Ready, or says why not",
            Promise::WaitsAndSaysWhy => "a pod that fits no node waits, and says why",
            Promise::EndsFirst => "a bound pod is told to end before it is gone",
            Promise::GoneInTime => "what was deleted goes within its grace",
            Promise::Replaced => "a ReplicaSet replaces a deleted pod by another",
        }
    }

    fn source(self) -> String {
        "create-pod".to_owned()
    }
}
