//! The schemas of a group and version, with the extensions by which Kubernetes' clients read them.

use k8s_openapi::api::autoscaling::v1::Scale;
use k8s_openapi::api::core::v1::Binding;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{DeleteOptions, ListMeta, Status};
use model::objects::kinds::{Kind, Subresource};
use model::rules::patch;
use serde_json::{Map, Value, json};

use crate::kinds::rows;
use crate::schema;

/// What references begin with.
pub(super) const REFERENCE: &str = "#/components/schemas/";

/// Every schema that the objects of a group and version refer to.
pub(super) fn of_group(group: &str, version: &str) -> Map<String, Value> {
    let mut generator = schema::generator();
    let own: Vec<_> = rows()
        .iter()
        .filter(|row| row.kind.group == group && row.kind.version == version)
        .collect();
    for row in &own {
        (row.rules.publish)(&mut generator);
        if row.kind.subresources.contains(&Subresource::Scale) {
            generator.subschema_for::<Scale>();
        }
        if row.kind.subresources.contains(&Subresource::Binding) {
            generator.subschema_for::<Binding>();
        }
    }
    generator.subschema_for::<DeleteOptions>();
    generator.subschema_for::<ListMeta>();
    generator.subschema_for::<Status>();
    let mut schemas = generator.take_definitions(true);
    let patch = json!({
        "description": "Patch is provided to give a concrete name and type to the Kubernetes PATCH request body.",
        "type": "object",
    });
    schemas.insert(
        "io.k8s.apimachinery.pkg.apis.meta.v1.Patch".to_owned(),
        patch,
    );
    for (name, schema) in &mut schemas {
        complete(name, schema);
    }
    for row in own {
        let name = definition(row.kind);
        if let Some(schema) = schemas.get_mut(&name) {
            schema["x-kubernetes-group-version-kind"] = json!([gvk(row.kind)]);
        }
        schemas.insert(format!("{name}List"), list(row.kind, &name));
    }
    for (name, kind) in [
        (
            "io.k8s.api.autoscaling.v1.Scale",
            json!({ "group": "autoscaling", "version": "v1", "kind": "Scale" }),
        ),
        (
            "io.k8s.api.core.v1.Binding",
            json!({ "group": "", "version": "v1", "kind": "Binding" }),
        ),
    ] {
        if let Some(schema) = schemas.get_mut(name) {
            schema["x-kubernetes-group-version-kind"] = json!([kind]);
        }
    }
    schemas
}

/// The definition of a kind, as in `io.k8s.api.core.v1.Pod`.
pub(super) fn definition(kind: &Kind) -> String {
    patch::definition(kind)
}

/// Group, version and kind as the extension has them.
pub(super) fn gvk(kind: &Kind) -> Value {
    json!({ "group": kind.group, "version": kind.version, "kind": kind.kind })
}

/// Brings a schema into the form that Kubernetes publishes.
fn complete(name: &str, schema: &mut Value) {
    let short = name.rsplit('.').next().unwrap_or_default();
    match short {
        "IntOrString" => {
            schema["format"] = "int-or-string".into();
            schema["oneOf"] = json!([{ "type": "integer" }, { "type": "string" }]);
        }
        "Quantity" => schema["oneOf"] = json!([{ "type": "string" }, { "type": "number" }]),
        _ => {}
    }
    if let Some(fields) = schema.as_object_mut() {
        fields.remove("x-kubernetes-int-or-string");
        // `k8s-openapi` requires the metadata of every object; Kubernetes does not.
        if let Some(required) = fields.get_mut("required").and_then(Value::as_array_mut) {
            required.retain(|field| field != "metadata");
            if required.is_empty() {
                fields.remove("required");
            }
        }
    }
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else {
        return;
    };
    for (field, property) in properties {
        if let Some(row) = patch::field(name, field) {
            merged(property, row.list);
        }
    }
}

/// How lists are merged, from the table by which the server merges them.
fn merged(property: &mut Value, list: patch::ListType) {
    if let Some(strategy) = list.strategy() {
        property["x-kubernetes-patch-strategy"] = strategy.into();
    }
    if let Some(key) = list.merge_key() {
        property["x-kubernetes-patch-merge-key"] = key.into();
    }
}

fn list(kind: &Kind, name: &str) -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    json!({
        "description": format!("{0}List is a list of {0} objects.", kind.kind),
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": text("APIVersion defines the versioned schema of this representation of an object."),
            "kind": text("Kind is a string value representing the REST resource this object represents."),
            "metadata": { "allOf": [{ "$ref": format!("{REFERENCE}io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta") }] },
            "items": { "type": "array", "description": "The objects.", "items": { "allOf": [{ "$ref": format!("{REFERENCE}{name}") }] } },
        },
        "x-kubernetes-group-version-kind": [{ "group": kind.group, "version": kind.version, "kind": format!("{}List", kind.kind) }],
    })
}
