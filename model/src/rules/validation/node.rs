//! `v1` Node.

use serde_json::Value;

use super::Subject;
use super::field::{Faults, Path};
use super::json::{entries, get, items, text};
use super::metadata::metadata;
use crate::rules::names;
use crate::rules::quantity::Quantity;

/// `v1` Node.
pub fn node(subject: Subject<'_>, faults: &mut Faults) {
    let object = subject.object;
    metadata(object, names::dns_subdomain, faults);
    let root = Path::Root;
    let path = root.field("spec");
    let spec = get(object, "spec");
    taints(spec, &path.field("taints"), faults);
    if let Some(old) = subject.old {
        for field in ["podCIDR", "providerID"] {
            let (before, after) = (text(get(old, "spec"), field), text(spec, field));
            if !before.is_empty() && before != after {
                let detail = "node updates may only change labels, taints, or capacity (or configSource, if the \
                              DynamicKubeletConfig feature gate is enabled)";
                faults.forbidden(&path.field(field), detail);
            }
        }
    }
    let path = root.field("status");
    for field in ["capacity", "allocatable"] {
        let path = path.field(field);
        for (name, amount) in entries(get(object, "status"), field) {
            let amount = amount.as_str().unwrap_or_default();
            if Quantity::parse(amount).is_ok_and(|amount| amount.is_negative()) {
                faults.invalid(
                    &path.key(name),
                    &Value::from(amount),
                    "must be greater than or equal to 0",
                );
            }
        }
    }
}

fn taints(spec: &Value, path: &Path<'_>, faults: &mut Faults) {
    let all = items(spec, "taints");
    for (index, taint) in all.iter().enumerate() {
        let at = path.index(index);
        let (key, value, effect) = (
            text(taint, "key"),
            text(taint, "value"),
            text(taint, "effect"),
        );
        if key.is_empty() {
            faults.required(&at.field("key"), "taint key is required");
        } else {
            faults.invalid_text(&at.field("key"), key, &names::qualified_name(key));
        }
        faults.invalid_text(&at.field("value"), value, &names::label_value(value));
        let effects = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
        if effect.is_empty() {
            faults.required(&at.field("effect"), "");
        }
        super::one_of(&at.field("effect"), effect, &effects, faults);
        let twice = all[..index]
            .iter()
            .any(|other| text(other, "key") == key && text(other, "effect") == effect);
        if twice {
            faults.duplicate(&at, taint);
        }
    }
}
