//! `apps/v1` ReplicaSet.

use std::collections::BTreeMap;

use serde_json::Value;

use super::field::{Faults, Path};
use super::json::{get, items, text};
use super::metadata::{annotations, labels, metadata};
use super::pod::pod_spec;
use super::{Subject, not_negative, unchanged};
use crate::rules::names;
use crate::rules::selector::LabelSelector;

/// `apps/v1` ReplicaSet.
pub fn replica_set(subject: Subject<'_>, faults: &mut Faults) {
    let object = subject.object;
    metadata(object, names::dns_subdomain, faults);
    let root = Path::Root;
    let path = root.field("spec");
    let spec = get(object, "spec");
    not_negative(&path.field("replicas"), get(spec, "replicas"), faults);
    not_negative(
        &path.field("minReadySeconds"),
        get(spec, "minReadySeconds"),
        faults,
    );
    let template_path = path.field("template");
    let template = get(spec, "template");
    selector(spec, template, &path, faults);
    unchanged(subject, "spec", "selector", faults);
    let meta_path = template_path.field("metadata");
    let meta = get(template, "metadata");
    labels(meta, "labels", &meta_path, faults);
    annotations(meta, &meta_path.field("annotations"), faults);
    let spec_path = template_path.field("spec");
    pod_spec(get(template, "spec"), &spec_path, faults);
    super::one_of(
        &spec_path.field("restartPolicy"),
        text(get(template, "spec"), "restartPolicy"),
        &["Always"],
        faults,
    );
    if !get(get(template, "spec"), "activeDeadlineSeconds").is_null() {
        faults.forbidden(
            &spec_path.field("activeDeadlineSeconds"),
            "activeDeadlineSeconds in ReplicaSet is not Supported",
        );
    }
    status(get(object, "status"), &root.field("status"), faults);
}

/// The selector must be there, select something, and select the pods that the template makes.
fn selector(spec: &Value, template: &Value, path: &Path<'_>, faults: &mut Faults) {
    let at = path.field("selector");
    let value = get(spec, "selector");
    if !value.is_object() {
        faults.required(&at, "");
        return;
    }
    labels(value, "matchLabels", &at, faults);
    expressions(value, &at.field("matchExpressions"), faults);
    let parsed: LabelSelector = serde_json::from_value(value.clone()).unwrap_or_default();
    if parsed == LabelSelector::default() {
        faults.invalid(&at, value, "empty selector is invalid for deployment");
        return;
    }
    let own: BTreeMap<String, String> =
        serde_json::from_value(get(get(template, "metadata"), "labels").clone())
            .unwrap_or_default();
    if let Ok(selector) = parsed.selector()
        && !selector.matches(&own)
    {
        let template = path.field("template");
        let template = template.field("metadata");
        faults.invalid(
            &template.field("labels"),
            &Value::from_iter(own),
            "`selector` does not match template `labels`",
        );
    }
}

fn expressions(selector: &Value, path: &Path<'_>, faults: &mut Faults) {
    for (index, one) in items(selector, "matchExpressions").iter().enumerate() {
        let at = path.index(index);
        let values = items(one, "values");
        match text(one, "operator") {
            "In" | "NotIn" if values.is_empty() => {
                faults.required(
                    &at.field("values"),
                    "must be specified when `operator` is 'In' or 'NotIn'",
                );
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                faults.forbidden(&at.field("values"), detail);
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => faults.invalid(
                &at.field("operator"),
                &Value::from(other),
                "not a valid selector operator",
            ),
        }
        let key = text(one, "key");
        faults.invalid_text(&at.field("key"), key, &names::qualified_name(key));
        let values_path = at.field("values");
        for (index, value) in values.iter().filter_map(Value::as_str).enumerate() {
            faults.invalid_text(&values_path.index(index), value, &names::label_value(value));
        }
    }
}

/// What is counted cannot exceed what there is.
fn status(status: &Value, path: &Path<'_>, faults: &mut Faults) {
    let count = |name: &str| get(status, name).as_i64().unwrap_or_default();
    for name in [
        "replicas",
        "fullyLabeledReplicas",
        "readyReplicas",
        "availableReplicas",
        "observedGeneration",
    ] {
        not_negative(&path.field(name), get(status, name), faults);
    }
    for name in ["fullyLabeledReplicas", "readyReplicas", "availableReplicas"] {
        if count(name) > count("replicas") {
            faults.invalid(
                &path.field(name),
                get(status, name),
                "cannot be greater than status.replicas",
            );
        }
    }
    if count("availableReplicas") > count("readyReplicas") {
        let value = get(status, "availableReplicas");
        faults.invalid(
            &path.field("availableReplicas"),
            value,
            "cannot be greater than readyReplicas",
        );
    }
}
