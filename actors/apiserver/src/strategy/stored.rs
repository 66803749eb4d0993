//! An object as the store keeps it.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

/// Metadata that is not stored: the revision is the store's own, and nobody manages fields here.
const NOT_STORED: [&str; 2] = ["managedFields", "resourceVersion"];

/// Serializes an object without the metadata that is not stored.
pub(super) struct Stored<'a>(pub(super) &'a Value);

impl Serialize for Stored<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Value::Object(fields) = self.0 else {
            return self.0.serialize(serializer);
        };
        let mut map = serializer.serialize_map(Some(fields.len()))?;
        for (name, value) in fields {
            match value {
                Value::Object(metadata) if name == "metadata" => {
                    map.serialize_entry(name, &Metadata(metadata))?
                }
                value => map.serialize_entry(name, value)?,
            }
        }
        map.end()
    }
}

struct Metadata<'a>(&'a Map<String, Value>);

impl Serialize for Metadata<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kept = self
            .0
            .iter()
            .filter(|(name, _)| !NOT_STORED.contains(&name.as_str()));
        serializer.collect_map(kept)
    }
}
