//! What the collector reads of any object.

use bincode::{Decode, Encode};
use serde::Deserialize;

use crate::objects::meta::{Meta, OwnerReference};

/// The finalizer that waits for dependents to be gone.
pub(super) const FOREGROUND: &str = "foregroundDeletion";
/// The finalizer that waits for dependents to have lost their reference.
pub(super) const ORPHAN: &str = "orphan";

/// A node of the graph.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Deserialize,
)]
#[serde(from = "Body")]
pub struct NodeView {
    /// Its UID.
    pub uid: String,
    /// The revision of its last write, as text.
    pub resource_version: String,
    /// Its owners.
    pub owners: Vec<OwnerReference>,
    /// Who must act before it may go.
    pub finalizers: Vec<String>,
    /// Whether a deletion was asked for.
    pub deleting: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    metadata: Meta,
}

impl From<Body> for NodeView {
    fn from(body: Body) -> Self {
        let deleting = body.metadata.deleting();
        NodeView {
            uid: body.metadata.uid,
            resource_version: body.metadata.resource_version,
            owners: body.metadata.owner_references,
            finalizers: body.metadata.finalizers,
            deleting,
        }
    }
}

impl NodeView {
    /// Being deleted in the foreground: its dependents go first.
    pub fn waits_for_dependents(&self) -> bool {
        self.deleting && self.finalizers.iter().any(|it| it == FOREGROUND)
    }

    /// Being deleted, leaving its dependents behind.
    pub fn leaves_orphans(&self) -> bool {
        self.deleting && self.finalizers.iter().any(|it| it == ORPHAN)
    }

    /// Whether it keeps an owner with this UID from going in the foreground.
    pub fn blocks(&self, owner: &str) -> bool {
        self.owners
            .iter()
            .any(|it| it.uid == owner && it.block_owner_deletion)
    }
}
