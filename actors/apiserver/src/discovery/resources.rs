//! The resources of one group and version.

use model::objects::kinds::{KINDS, Kind, Subresource};
use serde_json::{Value, json};

/// Verbs of a kind's objects, in the order in which Kubernetes lists them.
const VERBS: &[&str] = &[
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];

/// What can be done with a subresource, and of which kind its bodies are.
#[derive(Debug)]
pub struct Served {
    /// API group of its bodies; empty for the core group.
    pub group: &'static str,
    /// Version of its bodies; empty if they are of the resource's own kind.
    pub version: &'static str,
    /// Kind of its bodies; empty for the resource's own.
    pub kind: &'static str,
    /// The verbs.
    pub verbs: &'static [&'static str],
}

/// What can be done with a subresource.
pub fn served(subresource: Subresource) -> Served {
    let (group, version, kind, verbs): (_, _, _, &[&str]) = match subresource {
        Subresource::Status => ("", "", "", &["get", "patch", "update"]),
        Subresource::Finalize => ("", "", "", &["update"]),
        Subresource::Scale => ("autoscaling", "v1", "Scale", &["get", "patch", "update"]),
        Subresource::Binding => ("", "", "Binding", &["create"]),
        Subresource::Log => ("", "", "", &["get"]),
        Subresource::Exec => ("", "", "PodExecOptions", &["create", "get"]),
    };
    Served {
        group,
        version,
        kind,
        verbs,
    }
}

/// The verbs of a kind's objects. Namespaces are deleted one by one, for each takes its contents with it.
pub fn verbs(kind: &Kind) -> Vec<&'static str> {
    let all = VERBS.iter().copied();
    all.filter(|verb| *verb != "deletecollection" || kind.plural != "namespaces")
        .collect()
}

/// The subresources of a kind in the order of their names.
pub fn subresources(kind: &Kind) -> Vec<Subresource> {
    let mut all = kind.subresources.to_vec();
    all.sort_by_key(|sub| sub.as_str());
    all
}

/// `APIResourceList` of a group and version; `None` if it is not served.
pub(super) fn list(group: &str, version: &str) -> Option<Value> {
    let mut resources = Vec::new();
    for kind in KINDS
        .iter()
        .filter(|kind| kind.group == group && kind.version == version)
    {
        resources.push(object(kind));
        for sub in subresources(kind) {
            resources.push(part(kind, sub));
        }
    }
    let first = KINDS
        .iter()
        .find(|kind| kind.group == group && kind.version == version)?;
    if group.is_empty() {
        resources.push(json!({
            "name": "bindings", "singularName": "binding", "namespaced": true, "kind": "Binding", "verbs": ["create"],
        }));
    }
    resources.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
    Some(json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": first.api_version(),
        "resources": resources,
    }))
}

fn object(kind: &Kind) -> Value {
    let mut value = json!({
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": verbs(kind),
    });
    if !kind.short_names.is_empty() {
        value["shortNames"] = kind.short_names.into();
    }
    if !kind.categories.is_empty() {
        value["categories"] = kind.categories.into();
    }
    value
}

fn part(kind: &Kind, sub: Subresource) -> Value {
    let served = served(sub);
    let mut value = json!({
        "name": format!("{}/{}", kind.plural, sub.as_str()),
        "singularName": "",
        "namespaced": kind.namespaced,
        "kind": if served.kind.is_empty() { kind.kind } else { served.kind },
        "verbs": served.verbs,
    });
    if !served.version.is_empty() {
        value["group"] = served.group.into();
        value["version"] = served.version.into();
    }
    value
}
