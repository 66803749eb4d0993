//! Bodies of writes, held against the schema of their kind.

use std::sync::OnceLock;

use k8s_openapi::api::core::v1::Binding as BindingBody;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::DeleteOptions as DeleteOptionsBody;
use model::machines::transaction::Binding;
use model::messages::api::{DeleteOptions, Propagation};
use model::objects::kinds::Subresource;
use model::objects::status::{Reason, Status};
use serde_json::Value;

use crate::http::path::Place;
use crate::schema::{self, Tree, decode};
use crate::strategy::{FieldValidation, scale_tree, strict, unhandled};

/// A body that its schema has accepted.
#[derive(Debug)]
pub struct Accepted {
    /// The object.
    pub object: Value,
    /// What the client is told: fields that were dropped.
    pub warnings: Vec<String>,
}

/// Reads the body of a create or an update at a place.
///
/// # Errors
/// 400 in Kubernetes' words.
pub fn accept(place: &Place, body: &[u8], validation: FieldValidation) -> Result<Accepted, Status> {
    let (tree, api_version, kind) = match place.subresource {
        Some(Subresource::Scale) => (scale_tree(), "autoscaling/v1".to_owned(), "Scale"),
        Some(Subresource::Binding) => (binding_tree(), "v1".to_owned(), "Binding"),
        _ => (
            place.row.tree(),
            place.row.kind.api_version(),
            place.row.kind.kind,
        ),
    };
    read(tree, &api_version, kind, body, validation)
}

fn read(
    tree: &Tree,
    api_version: &str,
    kind: &str,
    body: &[u8],
    validation: FieldValidation,
) -> Result<Accepted, Status> {
    let version = api_version.rsplit('/').next().unwrap_or_default();
    if body.is_empty() {
        return Err(unhandled(version, kind, "the request has no body"));
    }
    let decoded = decode::from_slice(tree, body).map_err(|error| match error {
        decode::DecodeError::Syntax(why) => Status::new(
            Reason::BadRequest,
            format!(
                "the object provided is unrecognized (must be of type {kind}): {}",
                decode::DecodeError::Syntax(why)
            ),
        ),
        decode::DecodeError::Shape(why) => unhandled(version, kind, &why),
    })?;
    let mut object = decoded.value;
    complete(&mut object, "apiVersion", api_version, |found| {
        format!(
            "the API version in the data ({found}) does not match the expected API version ({api_version})"
        )
    })?;
    complete(&mut object, "kind", kind, |found| {
        format!(
            "{found} in version {version:?} cannot be handled as a {kind}: the kind of the body is not that of the path"
        )
    })?;
    let warnings = match validation {
        FieldValidation::Strict if !decoded.faults.is_empty() => {
            let inner = strict(&decoded.faults).message;
            return Err(unhandled(version, kind, &inner));
        }
        FieldValidation::Ignore => Vec::new(),
        _ => decoded.faults,
    };
    Ok(Accepted { object, warnings })
}

/// Sets a field that is not there; one that is there must be as expected.
fn complete(
    object: &mut Value,
    field: &str,
    expected: &str,
    mismatch: impl FnOnce(&str) -> String,
) -> Result<(), Status> {
    match object.get(field).and_then(Value::as_str) {
        Some(found) if found == expected => Ok(()),
        None | Some("") => {
            object[field] = expected.into();
            Ok(())
        }
        Some(found) => Err(Status::new(Reason::BadRequest, mismatch(found))),
    }
}

/// What the body of `pods/binding` says.
///
/// # Errors
/// 422 for a target that is no node.
pub(super) fn binding(object: &Value) -> Result<Binding, Status> {
    let target = &object["target"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let kind = text(&target["kind"]);
    let name = text(&object["metadata"]["name"]);
    let invalid = |fault: String| {
        Status::new(
            Reason::Invalid,
            format!("Binding {name:?} is invalid: {fault}"),
        )
    };
    if !kind.is_empty() && kind != "Node" {
        return Err(invalid(format!(
            "target.kind: Unsupported value: {kind:?}: supported values: \"Node\", \"<empty>\""
        )));
    }
    let node = text(&target["name"]);
    if node.is_empty() {
        return Err(invalid("target.name: Required value".to_owned()));
    }
    Ok(Binding {
        node,
        uid: text(&object["metadata"]["uid"]),
        resource_version: text(&object["metadata"]["resourceVersion"]),
    })
}

/// Reads the body of a delete; an empty one says nothing.
///
/// # Errors
/// 400 for a body that is no DeleteOptions, 422 for options that contradict each other.
pub fn delete_options(body: &[u8]) -> Result<DeleteOptions, Status> {
    static TREE: OnceLock<Tree> = OnceLock::new();
    if body.is_empty() {
        return Ok(DeleteOptions::default());
    }
    let tree = TREE.get_or_init(schema::compile::<DeleteOptionsBody>);
    let decoded = decode::from_slice(tree, body)
        .map_err(|error| unhandled("v1", "DeleteOptions", &error.to_string()))?;
    let value = decoded.value;
    let kind = value["kind"].as_str().unwrap_or("DeleteOptions");
    if kind != "DeleteOptions" {
        return Err(unhandled(
            "v1",
            "DeleteOptions",
            &format!("the body is of kind {kind:?}"),
        ));
    }
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let orphan = value["orphanDependents"].as_bool();
    let propagation = propagation(value["propagationPolicy"].as_str().unwrap_or_default())?;
    if orphan.is_some() && propagation.is_some() {
        return Err(invalid(
            "propagationPolicy: Invalid value: orphanDependents and deletionPropagation cannot be both set",
        ));
    }
    Ok(DeleteOptions {
        grace_period_seconds: grace(value["gracePeriodSeconds"].as_i64()),
        uid: text(&value["preconditions"]["uid"]),
        resource_version: text(&value["preconditions"]["resourceVersion"]),
        propagation: propagation.or(orphan.map(|orphan| {
            if orphan {
                Propagation::Orphan
            } else {
                Propagation::Background
            }
        })),
        dry_run: value["dryRun"]
            .as_array()
            .is_some_and(|all| !all.is_empty()),
    })
}

/// Reads a propagation policy; empty for the kind's default.
///
/// # Errors
/// 422 for a policy that there is not.
pub fn propagation(text: &str) -> Result<Option<Propagation>, Status> {
    Ok(Some(match text {
        "" => return Ok(None),
        "Orphan" => Propagation::Orphan,
        "Background" => Propagation::Background,
        "Foreground" => Propagation::Foreground,
        other => {
            return Err(invalid(&format!(
                "propagationPolicy: Unsupported value: {other:?}: supported values: \"Background\", \
                 \"Foreground\", \"Orphan\", \"<nil>\""
            )));
        }
    }))
}

/// A negative grace period stands for one second, as in Kubernetes.
pub fn grace(seconds: Option<i64>) -> Option<i64> {
    seconds.map(|seconds| if seconds < 0 { 1 } else { seconds })
}

fn invalid(fault: &str) -> Status {
    Status::new(
        Reason::Invalid,
        format!("DeleteOptions.meta.k8s.io \"\" is invalid: {fault}"),
    )
}

fn binding_tree() -> &'static Tree {
    static TREE: OnceLock<Tree> = OnceLock::new();
    TREE.get_or_init(schema::compile::<BindingBody>)
}
