//! An object as the API server hands it out: its key, the revision of its last write, its whole body.

use bincode::{Decode, Encode};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::objects::bytes::Bytes;
use crate::objects::key::ObjectKey;

/// An object at a revision. The body is its JSON with `metadata.resourceVersion` in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Object {
    /// What names it.
    pub key: ObjectKey,
    /// The store revision of its last write.
    pub revision: u64,
    /// The whole object as JSON.
    pub body: Bytes,
}

impl Object {
    /// Parses a view of the body. A view skips the fields it does not name; a field that is `null` is as good as
    /// absent, as everywhere in Kubernetes.
    pub fn view<V: DeserializeOwned>(&self) -> Result<V, serde_json::Error> {
        serde_json::from_slice(&self.body).or_else(|error| {
            let Ok(mut body) = serde_json::from_slice::<Value>(&self.body) else {
                return Err(error);
            };
            drop_nulls(&mut body);
            serde_json::from_str(&body.to_string())
        })
    }
}

/// Takes away every field that is `null`. The depth is bounded, for the body was parsed.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}
