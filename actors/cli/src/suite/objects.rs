//! The objects of a session: config maps of its own namespace, each holding one number.

use anyhow::Context;
use bytes::Bytes;
use conformance::suite::observed::Content;
use serde_json::{Value, json};

/// The label by which the suite's selector chooses.
const LABEL: &str = "plimsoll.dev/selected";

/// The query that asks for what the selector matches; empty for everything.
pub(super) fn selector(selected: bool) -> &'static str {
    if selected {
        "&labelSelector=plimsoll.dev%2Fselected%3Dyes"
    } else {
        ""
    }
}

/// The path of a session's objects.
pub(super) fn path(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/configmaps")
}

/// An object's body. It names no `resourceVersion`, so an update replaces whatever is there.
pub(super) fn body(name: &str, content: Content) -> Bytes {
    let selected = if content.selected { "yes" } else { "no" };
    let object = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": name, "labels": { LABEL: selected } },
        "data": { "value": content.value.to_string() },
    });
    Bytes::from(object.to_string())
}

/// The name, revision and content of an object of the session; `Ok(None)` for one that is not the suite's, such as the
/// cluster's certificate that Kubernetes puts into each namespace.
pub(super) fn read(object: &Value) -> anyhow::Result<Option<(String, u64, Content)>> {
    let revision = revision(object)?;
    let name = object["metadata"]["name"]
        .as_str()
        .context("an object without a name")?;
    let Some(value) = object["data"]["value"].as_str() else {
        return Ok(None);
    };
    let content = Content {
        value: value.parse().context("an object's value is no number")?,
        selected: object["metadata"]["labels"][LABEL] == "yes",
    };
    Ok(Some((name.to_owned(), revision, content)))
}

/// `metadata.resourceVersion` as a number: since v1.35 Kubernetes promises that it is one.
pub(super) fn revision(object: &Value) -> anyhow::Result<u64> {
    let text = object["metadata"]["resourceVersion"]
        .as_str()
        .context("an object without resourceVersion")?;
    text.parse()
        .with_context(|| format!("resourceVersion {text} is no number"))
}
