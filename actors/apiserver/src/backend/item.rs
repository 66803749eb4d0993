//! An object as the cache holds and serves it.

use std::sync::Arc;

use model::objects::bytes::Bytes;
use model::objects::key::ObjectKey;

/// An object with `metadata.resourceVersion` in its body. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Item {
    path: Arc<str>,
    revision: u64,
    body: Bytes,
}

impl Item {
    /// What names it.
    pub fn key(&self) -> Option<ObjectKey> {
        ObjectKey::parse(&self.path)
    }

    /// The revision of its last write; for a deleted object that of the deletion.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The whole object as JSON. Every list and watch serves these same bytes.
    pub fn body(&self) -> &Bytes {
        &self.body
    }
}
