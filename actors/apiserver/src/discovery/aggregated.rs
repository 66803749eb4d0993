//! Aggregated discovery: every group, version and resource in one document (`apidiscovery.k8s.io/v2`).

use model::objects::kinds::{KINDS, Kind, Subresource};
use serde_json::{Value, json};

use super::resources::{served, subresources, verbs};
use crate::http::path::group_versions;

/// The core group, or all others.
pub(super) fn groups(core: bool) -> Value {
    let mut items: Vec<Value> = Vec::new();
    for (group, version) in group_versions() {
        if group.is_empty() != core {
            continue;
        }
        let version = versioned(group, version);
        match items
            .iter_mut()
            .find(|item| item["metadata"]["name"] == group)
        {
            Some(item) => {
                if let Some(versions) = item["versions"].as_array_mut() {
                    versions.push(version);
                }
            }
            None if core => items.push(json!({ "metadata": {}, "versions": [version] })),
            None => items.push(json!({ "metadata": { "name": group }, "versions": [version] })),
        }
    }
    json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    })
}

fn versioned(group: &str, version: &str) -> Value {
    let kinds = KINDS
        .iter()
        .filter(|kind| kind.group == group && kind.version == version);
    let mut resources: Vec<Value> = kinds.map(resource).collect();
    if group.is_empty() {
        resources.push(json!({
            "resource": "bindings",
            "responseKind": { "group": "", "version": "v1", "kind": "Binding" },
            "scope": "Namespaced",
            "singularResource": "binding",
            "verbs": ["create"],
        }));
    }
    resources.sort_by(|a, b| a["resource"].as_str().cmp(&b["resource"].as_str()));
    json!({ "version": version, "freshness": "Current", "resources": resources })
}

fn resource(kind: &Kind) -> Value {
    let mut value = json!({
        "resource": kind.plural,
        "responseKind": { "group": kind.group, "version": kind.version, "kind": kind.kind },
        "scope": if kind.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": kind.singular,
        "verbs": verbs(kind),
    });
    if !kind.short_names.is_empty() {
        value["shortNames"] = kind.short_names.into();
    }
    if !kind.categories.is_empty() {
        value["categories"] = kind.categories.into();
    }
    let parts: Vec<Value> = subresources(kind)
        .into_iter()
        .map(|sub| part(kind, sub))
        .collect();
    if !parts.is_empty() {
        value["subresources"] = parts.into();
    }
    value
}

fn part(kind: &Kind, sub: Subresource) -> Value {
    let served = served(sub);
    let body = match (served.kind, served.version) {
        ("", _) => json!({ "group": kind.group, "version": kind.version, "kind": kind.kind }),
        (name, "") => json!({ "group": kind.group, "version": kind.version, "kind": name }),
        (name, version) => json!({ "group": served.group, "version": version, "kind": name }),
    };
    json!({ "subresource": sub.as_str(), "responseKind": body, "verbs": served.verbs })
}
