//! `autoscaling/v1` Scale: the size of a workload, whatever its kind.

use std::sync::OnceLock;

use k8s_openapi::api::autoscaling::v1::Scale;
use model::objects::key::ObjectKey;
use model::objects::status::{Reason, Status};
use model::rules::selector::LabelSelector;
use serde_json::{Value, json};

use super::change::{Change, patched, refuse_faults, unhandled};
use super::{FieldValidation, internal};
use crate::schema::{self, Tree, decode};

/// The OpenAPI definition of a Scale.
pub(super) const DEFINITION: &str = "io.k8s.api.autoscaling.v1.Scale";

/// The schema of a Scale.
pub fn tree() -> &'static Tree {
    static TREE: OnceLock<Tree> = OnceLock::new();
    TREE.get_or_init(schema::compile::<Scale>)
}

/// The Scale of a workload.
pub fn of_object(object: &Value) -> Value {
    let metadata = &object["metadata"];
    let mut own = json!({});
    for field in [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
    ] {
        if let Some(value) = metadata.get(field) {
            own[field] = value.clone();
        }
    }
    let mut status =
        json!({ "replicas": object["status"]["replicas"].as_i64().unwrap_or_default() });
    let selector = serde_json::from_value::<LabelSelector>(object["spec"]["selector"].clone());
    if let Some(selector) = selector.ok().and_then(|selector| selector.selector().ok()) {
        status["selector"] = selector.to_string().into();
    }
    json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": own,
        "spec": { "replicas": object["spec"]["replicas"].as_i64().unwrap_or_default() },
        "status": status,
    })
}

/// The workload with the size that a Scale, or a patch of its Scale, asks for.
pub(super) fn update(key: &ObjectKey, current: &Value, change: &Change) -> Result<Value, Status> {
    let scale = match change {
        Change::Whole(scale) => (**scale).clone(),
        Change::Patch {
            patch,
            body,
            validation,
        } => {
            let patched = patched(DEFINITION, *patch, body, &of_object(current))?;
            let decoded = decode::from_value(tree(), patched)
                .map_err(|error| unhandled("v1", "Scale", &error.to_string()))?;
            if *validation == FieldValidation::Strict {
                refuse_faults(body, decoded.faults)?;
            }
            decoded.value
        }
    };
    let replicas = scale["spec"]["replicas"].as_i64().unwrap_or_default();
    if replicas < 0 {
        return Err(negative(key, replicas));
    }
    let mut draft = current.clone();
    let Some(spec) = draft["spec"].as_object_mut() else {
        return Err(internal(key, "a workload without spec"));
    };
    spec.insert("replicas".to_owned(), replicas.into());
    draft["metadata"]["resourceVersion"] = scale["metadata"]["resourceVersion"].clone();
    Ok(draft)
}

fn negative(key: &ObjectKey, replicas: i64) -> Status {
    let message = format!(
        "Scale.autoscaling {:?} is invalid: spec.replicas: Invalid value: {replicas}: must be greater than or \
         equal to 0",
        key.name
    );
    Status::about(Reason::Invalid, key, message)
}
