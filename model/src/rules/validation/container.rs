//! `v1` Container.

use std::collections::BTreeSet;

use serde_json::Value;

use super::field::{Faults, Path};
use super::json::{entries, get, items, text};
use super::probe::{PORT_RULE, port_name, probes};
use super::volume::no_way_back;
use crate::rules::names;
use crate::rules::quantity::Quantity;

/// What the containers of a pod must not have twice, as far as it was seen.
#[derive(Default)]
pub(super) struct Seen<'a> {
    names: BTreeSet<&'a str>,
    host_ports: BTreeSet<(&'a str, &'a str, i64)>,
}

/// Checks one of a pod's lists of containers.
pub(super) fn containers<'a>(
    spec: &'a Value,
    list: &str,
    path: &Path<'_>,
    volumes: &BTreeSet<&str>,
    seen: &mut Seen<'a>,
    faults: &mut Faults,
) {
    let path = path.field(list);
    let all = items(spec, list);
    if all.is_empty() && list == "containers" {
        faults.required(&path, "");
    }
    for (index, container) in all.iter().enumerate() {
        let at = path.index(index);
        let name = text(container, "name");
        if name.is_empty() {
            faults.required(&at.field("name"), "");
        } else {
            faults.invalid_text(&at.field("name"), name, &names::dns_label(name));
            if !seen.names.insert(name) {
                faults.duplicate(&at.field("name"), &Value::from(name));
            }
        }
        image(container, &at, faults);
        ports(container, &at, seen, faults);
        environment(container, &at, faults);
        mounts(container, &at, volumes, faults);
        resources(container, &at, faults);
        probes(container, &at, faults);
        if list == "initContainers" && text(container, "restartPolicy") != "Always" {
            for field in [
                "lifecycle",
                "livenessProbe",
                "readinessProbe",
                "startupProbe",
            ] {
                if get(container, field).is_object() {
                    let detail = "may not be set for init containers without restartPolicy=Always";
                    faults.forbidden(&at.field(field), detail);
                }
            }
        }
    }
}

fn image(container: &Value, at: &Path<'_>, faults: &mut Faults) {
    let image = text(container, "image");
    if image.is_empty() {
        faults.required(&at.field("image"), "");
    } else if image.trim() != image {
        let detail = "must not have leading or trailing whitespace";
        faults.invalid(&at.field("image"), &Value::from(image), detail);
    }
    let policies = ["Always", "IfNotPresent", "Never"];
    super::one_of(
        &at.field("imagePullPolicy"),
        text(container, "imagePullPolicy"),
        &policies,
        faults,
    );
    let policies = ["FallbackToLogsOnError", "File"];
    let policy = text(container, "terminationMessagePolicy");
    super::one_of(
        &at.field("terminationMessagePolicy"),
        policy,
        &policies,
        faults,
    );
}

fn ports<'a>(container: &'a Value, at: &Path<'_>, seen: &mut Seen<'a>, faults: &mut Faults) {
    let path = at.field("ports");
    let mut names = BTreeSet::new();
    for (index, port) in items(container, "ports").iter().enumerate() {
        let at = path.index(index);
        let name = text(port, "name");
        if !name.is_empty() {
            faults.invalid_text(&at.field("name"), name, &port_name(name));
            if !names.insert(name) {
                faults.duplicate(&at.field("name"), &Value::from(name));
            }
        }
        match get(port, "containerPort").as_i64().unwrap_or_default() {
            0 => faults.required(&at.field("containerPort"), ""),
            number => in_range(number, &at.field("containerPort"), faults),
        }
        let protocol = text(port, "protocol");
        super::one_of(
            &at.field("protocol"),
            protocol,
            &["SCTP", "TCP", "UDP"],
            faults,
        );
        if let Some(number) = get(port, "hostPort").as_i64().filter(|number| *number != 0) {
            in_range(number, &at.field("hostPort"), faults);
            if !seen
                .host_ports
                .insert((protocol, text(port, "hostIP"), number))
            {
                let shown = format!("{}/{protocol}", number);
                faults.duplicate(&at.field("hostPort"), &Value::from(shown));
            }
        }
    }
}

fn in_range(number: i64, at: &Path<'_>, faults: &mut Faults) {
    if !(1..=65_535).contains(&number) {
        faults.invalid(at, &Value::from(number), PORT_RULE);
    }
}

fn environment(container: &Value, at: &Path<'_>, faults: &mut Faults) {
    let path = at.field("env");
    for (index, variable) in items(container, "env").iter().enumerate() {
        let at = path.index(index);
        match text(variable, "name") {
            "" => faults.required(&at.field("name"), ""),
            name => {
                faults.invalid_text(&at.field("name"), name, &names::environment_variable(name))
            }
        }
        let from = get(variable, "valueFrom");
        if !from.is_object() {
            continue;
        }
        let at = at.field("valueFrom");
        if !text(variable, "value").is_empty() {
            faults.invalid(
                &at,
                &Value::from(""),
                "may not be specified when `value` is not empty",
            );
        }
        let sources = [
            "fieldRef",
            "resourceFieldRef",
            "configMapKeyRef",
            "secretKeyRef",
            "fileKeyRef",
        ];
        match sources
            .iter()
            .filter(|source| get(from, source).is_object())
            .count()
        {
            0 => {
                let detail = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, \
                              `secretKeyRef` or `fileKeyRef`";
                faults.invalid(&at, &Value::from(""), detail);
            }
            1 => references(from, &at, faults),
            _ => faults.invalid(
                &at,
                &Value::from(""),
                "may not have more than one field specified at a time",
            ),
        }
    }
}

fn references(from: &Value, at: &Path<'_>, faults: &mut Faults) {
    for source in ["configMapKeyRef", "secretKeyRef"] {
        let reference = get(from, source);
        if !reference.is_object() {
            continue;
        }
        let at = at.field(source);
        if text(reference, "name").is_empty() {
            faults.required(&at.field("name"), "");
        }
        match text(reference, "key") {
            "" => faults.required(&at.field("key"), ""),
            key => faults.invalid_text(&at.field("key"), key, &names::config_key(key)),
        }
    }
    let field = get(from, "fieldRef");
    if field.is_object() && text(field, "fieldPath").is_empty() {
        let at = at.field("fieldRef");
        faults.required(&at.field("fieldPath"), "");
    }
}

fn mounts(container: &Value, at: &Path<'_>, volumes: &BTreeSet<&str>, faults: &mut Faults) {
    let path = at.field("volumeMounts");
    let mut places = BTreeSet::new();
    for (index, mount) in items(container, "volumeMounts").iter().enumerate() {
        let at = path.index(index);
        let name = text(mount, "name");
        if name.is_empty() {
            faults.required(&at.field("name"), "");
        } else if !volumes.contains(name) {
            faults.not_found(&at.field("name"), name);
        }
        let place = text(mount, "mountPath");
        if place.is_empty() {
            faults.required(&at.field("mountPath"), "");
        } else if !places.insert(place) {
            faults.invalid(
                &at.field("mountPath"),
                &Value::from(place),
                "must be unique",
            );
        }
        let sub = text(mount, "subPath");
        if sub.starts_with('/') {
            faults.invalid(
                &at.field("subPath"),
                &Value::from(sub),
                "must be a relative path",
            );
        }
        no_way_back(&at.field("subPath"), sub, faults);
    }
}

/// Amounts are not negative, and no request exceeds its limit.
fn resources(container: &Value, at: &Path<'_>, faults: &mut Faults) {
    let path = at.field("resources");
    let resources = get(container, "resources");
    for list in ["limits", "requests"] {
        let path = path.field(list);
        for (name, amount) in entries(resources, list) {
            let at = path.key(name);
            faults.invalid_text(&at, name, &names::qualified_name(name));
            if !name.contains('/') && !standard(name) {
                let detail = "must be a standard resource type or fully qualified";
                faults.invalid(&at, &Value::from(name), detail);
            }
            let Some(parsed) = amount
                .as_str()
                .and_then(|amount| Quantity::parse(amount).ok())
            else {
                continue;
            };
            if parsed.is_negative() {
                faults.invalid(&at, amount, "must be greater than or equal to 0");
            }
            let limit = get(get(resources, "limits"), name).as_str();
            let limit = limit.and_then(|limit| Quantity::parse(limit).ok());
            if list == "requests"
                && let Some(limit) = limit.filter(|limit| parsed > *limit)
            {
                let detail = format!("must be less than or equal to {name} limit of {limit}");
                faults.invalid(&at, amount, &detail);
            }
        }
    }
}

fn standard(name: &str) -> bool {
    matches!(name, "cpu" | "memory" | "ephemeral-storage" | "storage")
        || name.starts_with("hugepages-")
}
