//! OpenAPI documents.

use apiserver::openapi::document;
use serde_json::Value;

fn read(path: &str) -> Value {
    serde_json::from_slice(&document(path).expect("served")).expect("JSON")
}

#[test]
fn index() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&read("/openapi/v3")).expect("JSON"));
}

#[test]
fn groups_are_served() {
    let index = read("/openapi/v3");
    let paths = index["paths"].as_object().expect("paths");
    for entry in paths.values() {
        let address = entry["serverRelativeURL"].as_str().expect("an address");
        let (path, _) = address.split_once('?').expect("a hash");
        assert_eq!(read(path)["openapi"], "3.0.0", "{path}");
    }
    assert!(document("/openapi/v3/apis/batch/v1").is_none());
    assert!(document("/openapi/v2").is_none());
}

/// What of the document is ours rather than `k8s-openapi`'s: operations, and the extensions of schemas.
#[test]
fn operations() {
    let document = read("/openapi/v3/apis/apps/v1");
    insta::assert_snapshot!(serde_json::to_string_pretty(&document["paths"]).expect("JSON"));
}

#[test]
fn extensions() {
    let mut lines = Vec::new();
    for path in [
        "/openapi/v3/api/v1",
        "/openapi/v3/apis/apps/v1",
        "/openapi/v3/apis/coordination.k8s.io/v1",
    ] {
        let document = read(path);
        for (name, schema) in document["components"]["schemas"]
            .as_object()
            .expect("schemas")
        {
            for (extension, value) in extensions_of(schema) {
                lines.push(format!("{name}: {extension} {value}"));
            }
            for (field, property) in schema["properties"].as_object().into_iter().flatten() {
                for (extension, value) in extensions_of(property) {
                    lines.push(format!("{name}.{field}: {extension} {value}"));
                }
            }
        }
    }
    lines.sort();
    lines.dedup();
    insta::assert_snapshot!(lines.join("\n"));
}

fn extensions_of(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let fields = schema.as_object().into_iter().flatten();
    fields.filter(|(name, _)| name.starts_with("x-kubernetes"))
}

/// Every reference leads to a schema of the same document.
#[test]
fn references_resolve() {
    for path in [
        "/openapi/v3/api/v1",
        "/openapi/v3/apis/apps/v1",
        "/openapi/v3/apis/coordination.k8s.io/v1",
    ] {
        let document = read(path);
        let mut references = Vec::new();
        collect(&document, &mut references);
        assert!(references.len() > 20, "{path}");
        for reference in references {
            let name = reference.trim_start_matches("#/components/schemas/");
            assert!(
                document["components"]["schemas"][name].is_object(),
                "{path}: {reference}"
            );
        }
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(reference) if name == "$ref" => references.push(reference.to_owned()),
                    _ => collect(value, references),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        _ => {}
    }
}
