//! The metadata that the API server itself keeps, in an object's JSON.
//!
//! [`read`] takes it out of a body, [`write`] puts it back; what is not listed here stays as it is.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::objects::status::{Reason, Status};

/// The fields of `metadata` that no client writes alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SystemMeta {
    /// Unique among the objects of its resource and namespace at a time; empty if it is to be generated.
    #[serde(deserialize_with = "nullable")]
    pub name: String,
    /// What a generated name begins with.
    #[serde(deserialize_with = "nullable")]
    pub generate_name: String,
    /// Empty for objects of cluster scope.
    #[serde(deserialize_with = "nullable")]
    pub namespace: String,
    /// Unique in space and time.
    #[serde(deserialize_with = "nullable")]
    pub uid: String,
    /// The revision of the last write, in decimal; never stored.
    #[serde(deserialize_with = "nullable")]
    pub resource_version: String,
    /// Counts changes of what was asked for (`spec`); 0 for kinds that do not count.
    #[serde(deserialize_with = "nullable")]
    pub generation: i64,
    /// RFC 3339, in UTC, by the second.
    pub creation_timestamp: Option<String>,
    /// When a deletion ends; set by the first delete.
    pub deletion_timestamp: Option<String>,
    /// How long that deletion may take, in seconds.
    pub deletion_grace_period_seconds: Option<i64>,
    /// Who must act before the object may go.
    #[serde(deserialize_with = "nullable")]
    pub finalizers: Vec<String>,
}

impl SystemMeta {
    /// Whether a deletion was asked for.
    pub fn deleting(&self) -> bool {
        self.deletion_timestamp.is_some()
    }
}

fn nullable<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + Default,
    D: serde::Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Takes the metadata out of an object.
///
/// # Errors
/// 400 if the object or its metadata is not made as `ObjectMeta` is.
pub fn read(object: &Value) -> Result<SystemMeta, Status> {
    match object.get("metadata") {
        None | Some(Value::Null) => Ok(SystemMeta::default()),
        Some(metadata) => SystemMeta::deserialize(metadata)
            .map_err(|error| Status::new(Reason::BadRequest, format!("metadata: {error}"))),
    }
}

/// Puts the metadata into an object. Empty fields are left out, as Kubernetes writes them.
pub fn write(object: &mut Value, meta: &SystemMeta) {
    let Value::Object(fields) = object else {
        return;
    };
    let metadata = fields
        .entry("metadata")
        .or_insert_with(|| Value::Object(Map::new()));
    if !metadata.is_object() {
        *metadata = Value::Object(Map::new());
    }
    let Value::Object(metadata) = metadata else {
        return;
    };
    let texts = [
        ("name", &meta.name),
        ("generateName", &meta.generate_name),
        ("namespace", &meta.namespace),
        ("uid", &meta.uid),
        ("resourceVersion", &meta.resource_version),
    ];
    for (field, text) in texts {
        set(
            metadata,
            field,
            (!text.is_empty()).then(|| text.clone().into()),
        );
    }
    let generation = (meta.generation != 0).then(|| meta.generation.into());
    set(metadata, "generation", generation);
    let created = meta.creation_timestamp.clone();
    set(metadata, "creationTimestamp", created.map(Value::from));
    let deleted = meta.deletion_timestamp.clone();
    set(metadata, "deletionTimestamp", deleted.map(Value::from));
    let grace = meta.deletion_grace_period_seconds.map(Value::from);
    set(metadata, "deletionGracePeriodSeconds", grace);
    let finalizers = (!meta.finalizers.is_empty()).then(|| meta.finalizers.clone().into());
    set(metadata, "finalizers", finalizers);
}

fn set(metadata: &mut Map<String, Value>, field: &str, value: Option<Value>) {
    match value {
        Some(value) => {
            metadata.insert(field.to_owned(), value);
        }
        None => {
            metadata.remove(field);
        }
    }
}
