//! `v1` Pod.

use serde_json::Value;

use super::container::{Seen, containers};
use super::field::{Faults, Path};
use super::json::{entries, get, items, text};
use super::metadata::metadata;
use super::pod_update::pod_update;
use super::volume::volumes;
use super::{Subject, not_negative, one_of};
use crate::objects::kinds::Subresource;
use crate::rules::names;

/// Longest termination grace that is an `int32` of seconds.
const DEADLINE_MAX: i64 = i32::MAX as i64;

/// `v1` Pod.
pub fn pod(subject: Subject<'_>, faults: &mut Faults) {
    let object = subject.object;
    metadata(object, names::dns_subdomain, faults);
    if subject.subresource == Some(Subresource::Status) {
        return;
    }
    let root = Path::Root;
    pod_spec(get(object, "spec"), &root.field("spec"), faults);
    if let Some(old) = subject.old
        && subject.subresource.is_none()
    {
        pod_update(old, object, faults);
    }
}

/// `PodSpec`, of a pod or of a template.
pub(super) fn pod_spec(spec: &Value, path: &Path<'_>, faults: &mut Faults) {
    let known = volumes(spec, &path.field("volumes"), faults);
    let mut seen = Seen::default();
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        containers(spec, list, path, &known, &mut seen, faults);
    }
    let policies = ["Always", "OnFailure", "Never"];
    match text(spec, "restartPolicy") {
        "" => faults.required(&path.field("restartPolicy"), ""),
        policy => one_of(&path.field("restartPolicy"), policy, &policies, faults),
    }
    let policies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    match text(spec, "dnsPolicy") {
        "" => faults.required(&path.field("dnsPolicy"), ""),
        policy => one_of(&path.field("dnsPolicy"), policy, &policies, faults),
    }
    let policies = ["Never", "PreemptLowerPriority"];
    one_of(
        &path.field("preemptionPolicy"),
        text(spec, "preemptionPolicy"),
        &policies,
        faults,
    );
    not_negative(
        &path.field("terminationGracePeriodSeconds"),
        get(spec, "terminationGracePeriodSeconds"),
        faults,
    );
    let deadline = get(spec, "activeDeadlineSeconds");
    if deadline
        .as_i64()
        .is_some_and(|seconds| !(1..=DEADLINE_MAX).contains(&seconds))
    {
        let detail = format!("must be between 1 and {DEADLINE_MAX}, inclusive");
        faults.invalid(&path.field("activeDeadlineSeconds"), deadline, &detail);
    }
    named(spec, path, faults);
    let selector_path = path.field("nodeSelector");
    for (key, value) in entries(spec, "nodeSelector") {
        faults.invalid_text(&selector_path, key, &names::qualified_name(key));
        let value = value.as_str().unwrap_or_default();
        faults.invalid_text(&selector_path.key(key), value, &names::label_value(value));
    }
    tolerations(spec, &path.field("tolerations"), faults);
}

/// Fields that name something.
fn named(spec: &Value, path: &Path<'_>, faults: &mut Faults) {
    type Rule = fn(&str) -> Vec<String>;
    let rules: [(&str, Rule); 5] = [
        ("serviceAccountName", names::dns_subdomain),
        ("nodeName", names::dns_subdomain),
        ("hostname", names::dns_label),
        ("subdomain", names::dns_label),
        ("runtimeClassName", names::dns_subdomain),
    ];
    for (field, rule) in rules {
        let name = text(spec, field);
        if !name.is_empty() {
            faults.invalid_text(&path.field(field), name, &rule(name));
        }
    }
}

fn tolerations(spec: &Value, path: &Path<'_>, faults: &mut Faults) {
    for (index, toleration) in items(spec, "tolerations").iter().enumerate() {
        let at = path.index(index);
        let (key, operator, value) = (
            text(toleration, "key"),
            text(toleration, "operator"),
            text(toleration, "value"),
        );
        if key.is_empty() && operator != "Exists" {
            let detail = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            faults.invalid(&at.field("operator"), &Value::from(operator), detail);
        }
        if !key.is_empty() {
            faults.invalid_text(&at.field("key"), key, &names::qualified_name(key));
        }
        if operator == "Exists" && !value.is_empty() {
            let detail = "value must be empty when `operator` is 'Exists'";
            faults.invalid(&at.field("operator"), &Value::from(value), detail);
        }
        one_of(
            &at.field("operator"),
            operator,
            &["Equal", "Exists"],
            faults,
        );
        let effects = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
        one_of(
            &at.field("effect"),
            text(toleration, "effect"),
            &effects,
            faults,
        );
        if !get(toleration, "tolerationSeconds").is_null()
            && text(toleration, "effect") != "NoExecute"
        {
            let detail = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            faults.invalid(
                &at.field("effect"),
                &Value::from(text(toleration, "effect")),
                detail,
            );
        }
    }
}
