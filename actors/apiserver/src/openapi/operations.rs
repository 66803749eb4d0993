//! The operations of a group and version: what clients look up is their kind, their parameters, and which
//! patches they take.

use model::objects::kinds::{Kind, Subresource};
use serde_json::{Map, Value, json};

use super::schemas::{REFERENCE, definition, gvk};
use crate::kinds::rows;

/// Patches that are taken.
const PATCHES: [&str; 3] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];

/// Every path of a group and version.
pub(super) fn paths(group: &str, version: &str) -> Map<String, Value> {
    let mut paths = Map::new();
    let root = match group {
        "" => format!("/api/{version}"),
        group => format!("/apis/{group}/{version}"),
    };
    for row in rows()
        .iter()
        .filter(|row| row.kind.group == group && row.kind.version == version)
    {
        let kind = row.kind;
        let collection = if kind.namespaced {
            paths.insert(format!("{root}/{}", kind.plural), everywhere(kind));
            format!("{root}/namespaces/{{namespace}}/{}", kind.plural)
        } else {
            format!("{root}/{}", kind.plural)
        };
        paths.insert(collection.clone(), self::collection(kind));
        paths.insert(format!("{collection}/{{name}}"), object(kind));
        for sub in kind.subresources {
            paths.insert(
                format!("{collection}/{{name}}/{}", sub.as_str()),
                part(kind, *sub),
            );
        }
    }
    paths
}

fn everywhere(kind: &Kind) -> Value {
    json!({ "get": read(kind, "list", &list_name(kind)), "parameters": list_parameters() })
}

fn collection(kind: &Kind) -> Value {
    let name = definition(kind);
    let mut path = json!({
        "get": read(kind, "list", &list_name(kind)),
        "post": write(kind, "post", &name, &["application/json"]),
        "parameters": place(kind, false),
    });
    if let Some(parameters) = path["get"].as_object_mut() {
        parameters.insert("parameters".to_owned(), list_parameters());
    }
    if kind.plural != "namespaces" {
        path["delete"] = operation(kind, "deletecollection", status(), Value::Null);
    }
    path
}

fn object(kind: &Kind) -> Value {
    let name = definition(kind);
    let options = body(
        &format!("{REFERENCE}io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"),
        &["application/json"],
    );
    json!({
        "get": read(kind, "get", &name),
        "put": write(kind, "put", &name, &["application/json"]),
        "patch": write(kind, "patch", &name, &PATCHES),
        "delete": operation(kind, "delete", status(), options),
        "parameters": place(kind, true),
    })
}

fn part(kind: &Kind, sub: Subresource) -> Value {
    let name = match sub {
        Subresource::Scale => "io.k8s.api.autoscaling.v1.Scale".to_owned(),
        Subresource::Binding => "io.k8s.api.core.v1.Binding".to_owned(),
        _ => definition(kind),
    };
    let mut path = match sub {
        Subresource::Status | Subresource::Scale => json!({
            "get": read(kind, "get", &name),
            "put": write(kind, "put", &name, &["application/json"]),
            "patch": write(kind, "patch", &name, &PATCHES),
        }),
        Subresource::Finalize => json!({ "put": write(kind, "put", &name, &["application/json"]) }),
        Subresource::Binding => {
            json!({ "post": write(kind, "post", &name, &["application/json"]) })
        }
        Subresource::Log => json!({ "get": operation(kind, "get", text(), Value::Null) }),
        Subresource::Exec => json!({
            "get": operation(kind, "connect", text(), Value::Null),
            "post": operation(kind, "connect", text(), Value::Null),
        }),
    };
    path["parameters"] = place(kind, true);
    path
}

fn read(kind: &Kind, action: &str, schema: &str) -> Value {
    operation(kind, action, answer(schema), Value::Null)
}

fn write(kind: &Kind, action: &str, schema: &str, media: &[&str]) -> Value {
    let patch = format!("{REFERENCE}io.k8s.apimachinery.pkg.apis.meta.v1.Patch");
    let taken = format!("{REFERENCE}{schema}");
    let body = body(if action == "patch" { &patch } else { &taken }, media);
    let mut operation = operation(kind, action, answer(schema), body);
    operation["parameters"] = json!([
        parameter(
            "dryRun",
            "When present, indicates that modifications should not be persisted. Valid values are: All"
        ),
        parameter(
            "fieldManager",
            "The name of the actor or entity that is making these changes."
        ),
        parameter(
            "fieldValidation",
            "Instructs the server on how to handle objects in the request containing unknown or duplicate fields. \
             Valid values are: Ignore, Warn, Strict."
        ),
    ]);
    operation
}

fn operation(kind: &Kind, action: &str, answer: Value, body: Value) -> Value {
    let mut operation = json!({
        "tags": [tag(kind)],
        "responses": { "200": answer, "401": { "description": "Unauthorized" } },
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": gvk(kind),
    });
    if !body.is_null() {
        operation["requestBody"] = body;
    }
    operation
}

/// `core_v1`, `apps_v1`.
fn tag(kind: &Kind) -> String {
    let group = kind
        .group
        .split('.')
        .next()
        .filter(|group| !group.is_empty())
        .unwrap_or("core");
    format!("{group}_{}", kind.version)
}

fn answer(schema: &str) -> Value {
    json!({
        "description": "OK",
        "content": { "application/json": { "schema": { "$ref": format!("{REFERENCE}{schema}") } } },
    })
}

fn status() -> Value {
    answer("io.k8s.apimachinery.pkg.apis.meta.v1.Status")
}

fn text() -> Value {
    json!({ "description": "OK", "content": { "text/plain": { "schema": { "type": "string" } } } })
}

fn body(reference: &str, media: &[&str]) -> Value {
    let content: Map<String, Value> = media
        .iter()
        .map(|media| {
            (
                (*media).to_owned(),
                json!({ "schema": { "$ref": reference } }),
            )
        })
        .collect();
    json!({ "content": content, "required": true })
}

fn list_name(kind: &Kind) -> String {
    format!("{}List", definition(kind))
}

/// The parameters that stand in a path.
fn place(kind: &Kind, named: bool) -> Value {
    let in_path = |name: &str| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } });
    let mut all = Vec::new();
    if named {
        all.push(in_path("name"));
    }
    if kind.namespaced {
        all.push(in_path("namespace"));
    }
    Value::Array(all)
}

fn list_parameters() -> Value {
    let all = [
        (
            "allowWatchBookmarks",
            "allowWatchBookmarks requests watch events with type \"BOOKMARK\".",
        ),
        (
            "continue",
            "The continue option should be set when retrieving more results from the server.",
        ),
        (
            "fieldSelector",
            "A selector to restrict the list of returned objects by their fields. Defaults to everything.",
        ),
        (
            "labelSelector",
            "A selector to restrict the list of returned objects by their labels. Defaults to everything.",
        ),
        (
            "limit",
            "limit is a maximum number of responses to return for a list call.",
        ),
        (
            "resourceVersion",
            "resourceVersion sets a constraint on what resource versions a request may be served from.",
        ),
        (
            "resourceVersionMatch",
            "resourceVersionMatch determines how resourceVersion is applied to list calls.",
        ),
        (
            "sendInitialEvents",
            "`sendInitialEvents=true` may be set together with `watch=true`.",
        ),
        ("timeoutSeconds", "Timeout for the list/watch call."),
        (
            "watch",
            "Watch for changes to the described resources and return them as a stream of notifications.",
        ),
    ];
    all.iter()
        .map(|(name, description)| parameter(name, description))
        .collect()
}

fn parameter(name: &str, description: &str) -> Value {
    json!({ "name": name, "in": "query", "description": description, "schema": { "type": "string", "uniqueItems": true } })
}
