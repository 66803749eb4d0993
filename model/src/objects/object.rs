//! An object as the API server hands it out: its key, the revision of its last write, its whole body.

use serde::de::DeserializeOwned;

use crate::objects::bytes::Bytes;
use crate::objects::key::ObjectKey;

/// An object at a revision. The body is its JSON with `metadata.resourceVersion` in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Object {
    /// What names it.
    pub key: ObjectKey,
    /// The store revision of its last write.
    pub revision: u64,
    /// The whole object as JSON.
    pub body: Bytes,
}

impl Object {
    /// Parses a view of the body. A view skips the fields it does not name.
    pub fn view<V: DeserializeOwned>(&self) -> Result<V, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }
}
