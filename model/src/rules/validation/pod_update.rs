//! What an update of a pod may change (`ValidatePodUpdate`).

use serde_json::Value;

use super::field::{Faults, Path};
use super::json::{get, items, text};

const ALLOWED: &str = "pod updates may not change fields other than `spec.containers[*].image`,\
                       `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only \
                       additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set \
                       to 1 if it was previously negative)";

/// Checks that an update changes nothing but images, the deadline and additional tolerations.
pub(super) fn pod_update(old: &Value, new: &Value, faults: &mut Faults) {
    let root = Path::Root;
    let path = root.field("spec");
    let (old, new) = (get(old, "spec"), get(new, "spec"));
    for list in ["containers", "initContainers"] {
        if items(old, list).len() != items(new, list).len() {
            faults.forbidden(
                &path.field(list),
                "pod updates may not add or remove containers",
            );
            return;
        }
    }
    deadline(old, new, &path, faults);
    let tolerations = items(new, "tolerations");
    for toleration in items(old, "tolerations") {
        let kept = tolerations
            .iter()
            .any(|one| same_but_seconds(one, toleration));
        if !kept {
            faults.forbidden(
                &path.field("tolerations"),
                "existing toleration can not be modified except its tolerationSeconds",
            );
            break;
        }
    }
    if comparable(old, new) != *new {
        faults.forbidden(&path, ALLOWED);
    }
}

/// A deadline may be set and brought forward.
fn deadline(old: &Value, new: &Value, path: &Path<'_>, faults: &mut Faults) {
    let path = path.field("activeDeadlineSeconds");
    let (before, after) = (
        get(old, "activeDeadlineSeconds"),
        get(new, "activeDeadlineSeconds"),
    );
    match (before.as_i64(), after.as_i64()) {
        (Some(before), Some(after_seconds)) if after_seconds > before => {
            faults.invalid(&path, after, "must be less than or equal to previous value");
        }
        (Some(_), None) => faults.invalid(
            &path,
            after,
            "must not update from a positive integer to nil value",
        ),
        _ => {}
    }
}

fn same_but_seconds(one: &Value, other: &Value) -> bool {
    ["key", "operator", "value", "effect"]
        .iter()
        .all(|field| text(one, field) == text(other, field))
}

/// The old spec with what may change as it is in the new one.
fn comparable(old: &Value, new: &Value) -> Value {
    let mut old = old.clone();
    for field in ["activeDeadlineSeconds", "tolerations"] {
        set(&mut old, field, new.get(field));
    }
    for list in ["containers", "initContainers"] {
        let images: Vec<Option<Value>> = items(new, list)
            .iter()
            .map(|one| one.get("image").cloned())
            .collect();
        if let Some(containers) = old.get_mut(list).and_then(Value::as_array_mut) {
            for (container, image) in containers.iter_mut().zip(images) {
                set(container, "image", image.as_ref());
            }
        }
    }
    old
}

fn set(object: &mut Value, field: &str, value: Option<&Value>) {
    if let Some(fields) = object.as_object_mut() {
        match value {
            Some(value) => fields.insert(field.to_owned(), value.clone()),
            None => fields.remove(field),
        };
    }
}
