//! The metadata that the system itself reads: ObjectMeta of `meta/v1`, less what nobody here interprets.

use std::collections::BTreeMap;

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// A view of `metadata`. Fields that are not listed stay in the body and survive every write.
#[derive(
    Clone,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Encode,
    Decode,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "camelCase", default)]
pub struct Meta {
    /// Unique among the objects of its resource and namespace at a time.
    pub name: String,
    /// Empty for objects of cluster scope.
    pub namespace: String,
    /// Unique in space and time; a second object of the same name has another.
    pub uid: String,
    /// The store revision of the last write, in decimal. Empty where none was read.
    pub resource_version: String,
    /// Counts changes of what was asked for (`spec`).
    pub generation: i64,
    /// RFC 3339, in UTC, by the second.
    pub creation_timestamp: Option<String>,
    /// When a graceful deletion ends; set once, by the first delete.
    pub deletion_timestamp: Option<String>,
    /// How long that deletion may take, in seconds; may only become shorter.
    pub deletion_grace_period_seconds: Option<i64>,
    /// What selectors match.
    pub labels: BTreeMap<String, String>,
    /// Free text by key.
    pub annotations: BTreeMap<String, String>,
    /// Whose dependents this object is; the garbage collector follows them.
    pub owner_references: Vec<OwnerReference>,
    /// Who must act before the object may go.
    pub finalizers: Vec<String>,
}

impl Meta {
    /// The owner reference with `controller: true`, if any. There is at most one.
    pub fn controller(&self) -> Option<&OwnerReference> {
        self.owner_references.iter().find(|owner| owner.controller)
    }

    /// Whether a deletion was asked for.
    pub fn deleting(&self) -> bool {
        self.deletion_timestamp.is_some()
    }
}

/// Names an owner in the same namespace (or of cluster scope).
#[derive(
    Clone,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Encode,
    Decode,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "camelCase", default)]
pub struct OwnerReference {
    /// API version of the owner.
    pub api_version: String,
    /// Kind of the owner.
    pub kind: String,
    /// Name of the owner.
    pub name: String,
    /// UID of the owner: a new owner of the same name is another one.
    pub uid: String,
    /// Whether the owner manages this object.
    pub controller: bool,
    /// Whether a foreground deletion of the owner waits for this object.
    pub block_owner_deletion: bool,
}

#[derive(Deserialize)]
struct WithMeta {
    #[serde(default)]
    metadata: Meta,
}

/// Reads the metadata of a whole object's JSON.
pub fn read(body: &[u8]) -> Result<Meta, serde_json::Error> {
    Ok(serde_json::from_slice::<WithMeta>(body)?.metadata)
}
