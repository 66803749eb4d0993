//! Fields that a client leaves out, filled in as Kubernetes fills them (`pkg/apis/*/v1/defaults.go`).
//!
//! Each function takes an object that its schema has accepted; what has another shape all the same is left
//! alone. Defaulting twice changes nothing.

mod container;
mod image;
mod pod;
mod volume;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

pub use pod::{admit_pod, pod, pod_template};

/// The fields of an object, or of a struct inside one.
pub(crate) type Fields = Map<String, Value>;

/// Sets a field that is not there.
pub(crate) fn set(fields: &mut Fields, name: &str, value: impl Into<Value>) {
    if !fields.contains_key(name) {
        fields.insert(name.to_owned(), value.into());
    }
}

/// A struct inside a struct, if it is there.
pub(crate) fn inner<'a>(fields: &'a mut Fields, name: &str) -> Option<&'a mut Fields> {
    fields.get_mut(name)?.as_object_mut()
}

/// A struct inside a struct, made if it is not there.
pub(crate) fn made<'a>(fields: &'a mut Fields, name: &str) -> Option<&'a mut Fields> {
    set(fields, name, Map::new());
    inner(fields, name)
}

/// The structs of a list, if it is there.
pub(crate) fn each<'a>(fields: &'a mut Fields, name: &str) -> impl Iterator<Item = &'a mut Fields> {
    let list = fields.get_mut(name).and_then(Value::as_array_mut);
    list.into_iter().flatten().filter_map(Value::as_object_mut)
}

/// No defaults.
pub fn none(_: &mut Fields) {}

/// `apps/v1` ReplicaSet.
pub fn replica_set(object: &mut Fields) {
    if let Some(spec) = made(object, "spec") {
        set(spec, "replicas", 1);
        if let Some(template) = inner(spec, "template") {
            pod_template(template);
        }
    }
}

/// `v1` Namespace: its finalizer, and the label by which selectors know it.
pub fn namespace(object: &mut Fields) {
    let name = object
        .get("metadata")
        .and_then(|meta| meta.get("name"))
        .cloned();
    if let (Some(name), Some(metadata)) = (name, inner(object, "metadata"))
        && let Some(labels) = made(metadata, "labels")
    {
        labels.insert("kubernetes.io/metadata.name".to_owned(), name);
    }
    if let Some(status) = made(object, "status") {
        set(status, "phase", "Active");
    }
}

/// What a new namespace is given beside its defaults: the finalizer of the namespace controller.
pub fn admit_namespace(object: &mut Fields) {
    object.insert("spec".to_owned(), json!({ "finalizers": ["kubernetes"] }));
    object.insert("status".to_owned(), json!({ "phase": "Active" }));
}

/// `v1` Secret: its type, and text in `stringData` moved to `data`.
pub fn secret(object: &mut Fields) {
    set(object, "type", "Opaque");
    if let Some(Value::Object(texts)) = object.remove("stringData")
        && !texts.is_empty()
        && let Some(data) = made(object, "data")
    {
        for (key, text) in texts {
            let encoded = STANDARD.encode(text.as_str().unwrap_or_default());
            data.insert(key, encoded.into());
        }
    }
}

/// `v1` Node: what it can give is what it has, unless it says otherwise.
pub fn node(object: &mut Fields) {
    if let Some(status) = inner(object, "status")
        && let Some(capacity) = status.get("capacity").cloned()
    {
        set(status, "allocatable", capacity);
    }
}

/// A ReplicaSet begins without replicas.
pub fn admit_replica_set(object: &mut Fields) {
    object.insert("status".to_owned(), json!({ "replicas": 0 }));
}
