//! `ObjectMeta` (`ValidateObjectMeta` of `k8s.io/apimachinery`).

use serde_json::Value;

use super::field::{Faults, Path};
use super::json::{entries, get, items, text};
use crate::rules::names;

/// All annotations of an object together, in bytes.
pub const ANNOTATIONS_LIMIT: usize = 256 << 10;

/// A rule for names.
pub type NameRule = fn(&str) -> Vec<String>;

/// Checks `metadata` of an object. Its name follows `rule`.
pub fn metadata(object: &Value, rule: NameRule, faults: &mut Faults) {
    let root = Path::Root;
    let path = root.field("metadata");
    let meta = get(object, "metadata");
    let prefix = text(meta, "generateName");
    if !prefix.is_empty() {
        let wrong = names::prefix_of(rule, prefix);
        faults.invalid_text(&path.field("generateName"), prefix, &wrong);
    }
    match text(meta, "name") {
        "" if prefix.is_empty() => {
            faults.required(&path.field("name"), "name or generateName is required");
        }
        name => faults.invalid_text(&path.field("name"), name, &rule(name)),
    }
    labels(meta, "labels", &path, faults);
    annotations(meta, &path.field("annotations"), faults);
    owners(meta, &path.field("ownerReferences"), faults);
    finalizers(meta, &path.field("finalizers"), faults);
}

/// Finalizers that have no domain, since they are Kubernetes' own.
const STANDARD_FINALIZERS: [&str; 3] = ["foregroundDeletion", "kubernetes", "orphan"];

/// Checks `finalizers` of `parent` at `path` (`ValidateFinalizerName` of `pkg/apis/core/validation`).
pub(super) fn finalizers(parent: &Value, path: &Path<'_>, faults: &mut Faults) {
    for (index, finalizer) in items(parent, "finalizers").iter().enumerate() {
        let name = finalizer.as_str().unwrap_or_default();
        faults.invalid_text(path, name, &names::qualified_name(name));
        if !name.contains('/') && !STANDARD_FINALIZERS.contains(&name) {
            let detail = "name is neither a standard finalizer name nor is it fully qualified";
            faults.invalid(&path.index(index), finalizer, detail);
        }
    }
}

/// Checks labels: `name` of `parent` at `path`.
pub(super) fn labels(parent: &Value, name: &str, path: &Path<'_>, faults: &mut Faults) {
    let at = path.field(name);
    for (key, value) in entries(parent, name) {
        faults.invalid_text(&at, key, &names::qualified_name(key));
        let value = value.as_str().unwrap_or_default();
        faults.invalid_text(&at.key(key), value, &names::label_value(value));
    }
}

pub(super) fn annotations(meta: &Value, path: &Path<'_>, faults: &mut Faults) {
    let mut size = 0;
    for (key, value) in entries(meta, "annotations") {
        faults.invalid_text(path, key, &names::qualified_name(&key.to_lowercase()));
        size += key.len() + value.as_str().unwrap_or_default().len();
    }
    if size > ANNOTATIONS_LIMIT {
        faults.too_long(path, ANNOTATIONS_LIMIT);
    }
}

fn owners(meta: &Value, path: &Path<'_>, faults: &mut Faults) {
    let mut controller: Option<&Value> = None;
    for (index, owner) in items(meta, "ownerReferences").iter().enumerate() {
        let at = path.index(index);
        if text(owner, "apiVersion").is_empty() {
            faults.invalid(
                &at.field("apiVersion"),
                &Value::from(""),
                "version must not be empty",
            );
        }
        for (field, what) in [
            ("kind", "must not be empty"),
            ("name", "must not be empty"),
            ("uid", "must not be empty"),
        ] {
            if text(owner, field).is_empty() {
                faults.invalid(&at.field(field), &Value::from(""), what);
            }
        }
        if get(owner, "controller").as_bool() == Some(true) {
            if let Some(first) = controller {
                let detail = format!(
                    "Only one reference can have Controller set to true. Found \"true\" in references for {} and {}",
                    named(first),
                    named(owner)
                );
                faults.invalid(path, get(meta, "ownerReferences"), &detail);
            }
            controller = Some(owner);
        }
    }
}

fn named(owner: &Value) -> String {
    format!("{}/{}", text(owner, "kind"), text(owner, "name"))
}
