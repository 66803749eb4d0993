//! Kinds that are data alone: ConfigMap, Secret, ServiceAccount, Namespace, Event, Lease.

use serde_json::Value;

use super::field::{Faults, Path};
use super::json::{entries, get, text};
use super::metadata::{finalizers, metadata};
use super::{Subject, not_negative};
use crate::rules::names;

/// What a ConfigMap or Secret may hold in all, in bytes.
const DATA_LIMIT: usize = 1 << 20;

/// `v1` ConfigMap.
pub fn config_map(subject: Subject<'_>, faults: &mut Faults) {
    let object = subject.object;
    metadata(object, names::dns_subdomain, faults);
    let root = Path::Root;
    let data = root.field("data");
    let mut size = keys(object, "data", faults);
    for (key, _) in entries(object, "binaryData") {
        if get(object, "data").get(key).is_some() {
            faults.invalid(
                &data.key(key),
                &Value::from(key),
                "duplicate of key present in binaryData",
            );
        }
    }
    // Base64 takes four characters for three bytes.
    size += keys(object, "binaryData", faults) / 4 * 3;
    if size > DATA_LIMIT {
        faults.too_long(&Path::Root.field(""), DATA_LIMIT);
    }
    frozen(subject, &["data", "binaryData"], faults);
}

/// Checks the keys of a map; the size of its values.
fn keys(object: &Value, field: &str, faults: &mut Faults) -> usize {
    let root = Path::Root;
    let path = root.field(field);
    let mut size = 0;
    for (key, value) in entries(object, field) {
        faults.invalid_text(&path.key(key), key, &names::config_key(key));
        size += value.as_str().map_or(0, str::len);
    }
    size
}

/// Once `immutable` is true, neither it nor the data change.
fn frozen(subject: Subject<'_>, fields: &[&str], faults: &mut Faults) {
    let Some(old) = subject.old else { return };
    if get(old, "immutable").as_bool() != Some(true) {
        return;
    }
    let root = Path::Root;
    if get(subject.object, "immutable").as_bool() != Some(true) {
        faults.forbidden(
            &root.field("immutable"),
            "field is immutable when `immutable` is set",
        );
    }
    for field in fields {
        if get(old, field) != get(subject.object, field) {
            faults.forbidden(
                &root.field(field),
                "field is immutable when `immutable` is set",
            );
        }
    }
}

/// `v1` Secret.
pub fn secret(subject: Subject<'_>, faults: &mut Faults) {
    let object = subject.object;
    metadata(object, names::dns_subdomain, faults);
    let root = Path::Root;
    let data = root.field("data");
    let size = keys(object, "data", faults) / 4 * 3;
    if size > DATA_LIMIT {
        faults.too_long(&data, DATA_LIMIT);
    }
    super::secret_type::needs(object, &data, faults);
    if let Some(old) = subject.old
        && get(old, "type") != get(object, "type")
    {
        faults.invalid(&root.field("type"), get(object, "type"), super::IMMUTABLE);
    }
    frozen(subject, &["data"], faults);
}

/// `v1` ServiceAccount.
pub fn service_account(subject: Subject<'_>, faults: &mut Faults) {
    metadata(subject.object, names::dns_subdomain, faults);
}

/// `v1` Namespace.
pub fn namespace(subject: Subject<'_>, faults: &mut Faults) {
    metadata(subject.object, names::dns_label, faults);
    let root = Path::Root;
    let path = root.field("spec");
    finalizers(
        get(subject.object, "spec"),
        &path.field("finalizers"),
        faults,
    );
}

/// `v1` Event.
pub fn event(subject: Subject<'_>, faults: &mut Faults) {
    let object = subject.object;
    metadata(object, names::dns_subdomain, faults);
    let root = Path::Root;
    let path = root.field("involvedObject");
    let involved = text(get(object, "involvedObject"), "namespace");
    let own = text(get(object, "metadata"), "namespace");
    // Events about objects of cluster scope live in the namespace `default`.
    if involved != own && !(involved.is_empty() && own == "default") {
        faults.invalid(
            &path.field("namespace"),
            &Value::from(involved),
            "does not match event.namespace",
        );
    }
    super::one_of(
        &root.field("type"),
        text(object, "type"),
        &["Normal", "Warning"],
        faults,
    );
}

/// `coordination.k8s.io/v1` Lease.
pub fn lease(subject: Subject<'_>, faults: &mut Faults) {
    let object = subject.object;
    metadata(object, names::dns_subdomain, faults);
    let root = Path::Root;
    let path = root.field("spec");
    let spec = get(object, "spec");
    let seconds = get(spec, "leaseDurationSeconds");
    if seconds.as_i64().is_some_and(|seconds| seconds <= 0) {
        faults.invalid(
            &path.field("leaseDurationSeconds"),
            seconds,
            "must be greater than 0",
        );
    }
    not_negative(
        &path.field("leaseTransitions"),
        get(spec, "leaseTransitions"),
        faults,
    );
    if get(spec, "holderIdentity").as_str() == Some("") {
        faults.invalid(
            &path.field("holderIdentity"),
            &Value::from(""),
            "must not be empty",
        );
    }
}
