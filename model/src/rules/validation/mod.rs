//! Whether an object is valid, kind by kind, in the rules and words of Kubernetes (`pkg/apis/*/validation`).
//!
//! Objects arrive decoded by their schema and defaulted, so a value has the shape its field wants, or is absent.

mod container;
mod data;
pub mod field;
mod json;
mod metadata;
mod node;
mod pod;
mod pod_update;
mod probe;
mod secret_type;
mod volume;
mod workload;

use serde_json::Value;

use crate::objects::kinds::Subresource;

pub use data::{config_map, event, lease, namespace, secret, service_account};
pub use field::{Faults, Path};
pub use metadata::{ANNOTATIONS_LIMIT, NameRule, metadata};
pub use node::node;
pub use pod::pod;
pub use workload::replica_set;

/// What is to be judged.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The object as it would be stored.
    pub object: &'a Value,
    /// What it replaces; `None` for a create.
    pub old: Option<&'a Value>,
    /// The part that is written; `None` for the object itself.
    pub subresource: Option<Subresource>,
}

/// The rules of a kind.
pub type Rule = fn(Subject<'_>, &mut Faults);

/// What Kubernetes says of a field that may not change.
const IMMUTABLE: &str = "field is immutable";

/// Checks that a field of `parent` is as it was.
fn unchanged(subject: Subject<'_>, parent: &str, name: &str, faults: &mut Faults) {
    let Some(old) = subject.old else { return };
    let (old, new) = (
        json::get(json::get(old, parent), name),
        json::get(json::get(subject.object, parent), name),
    );
    if old != new {
        let root = Path::Root;
        let at = root.field(parent);
        let at = if parent.is_empty() {
            root.field(name)
        } else {
            at.field(name)
        };
        faults.invalid(&at, new, IMMUTABLE);
    }
}

/// Checks that a value is one of those that are known, where it is set.
fn one_of(path: &Path<'_>, value: &str, known: &[&str], faults: &mut Faults) {
    if !value.is_empty() && !known.contains(&value) {
        faults.not_supported(path, value, known);
    }
}

/// Checks that a number is not negative.
fn not_negative(path: &Path<'_>, value: &Value, faults: &mut Faults) {
    if value.as_i64().is_some_and(|number| number < 0) {
        faults.invalid(path, value, "must be greater than or equal to 0");
    }
}
