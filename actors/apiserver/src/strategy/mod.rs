//! The schema work of writes: what the transaction machine asks about objects, answered from the table of kinds.

mod change;
mod pod;
mod scale;
mod stored;

use bincode::{Decode, Encode};
use model::machines::transaction::{Context, Strategy};
use model::objects::bytes::Bytes;
use model::objects::key::ObjectKey;
use model::objects::kinds::Subresource;
use model::objects::status::{Reason, Status};
use model::rules::object_meta::{self, SystemMeta};
use model::rules::validation::{Faults, Subject};
use serde_json::Value;

use self::stored::Stored;
use crate::kinds::{self, Row};

pub use change::{Change, FieldValidation, strict, unhandled};
pub use scale::{of_object as scale_of, tree as scale_tree};

/// Every kind of the table.
#[derive(Clone, Copy, Debug, Default, Encode, Decode)]
pub struct Kinds;

impl Strategy for Kinds {
    type Value = Bytes;
    type Change = Change;
    type Draft = Value;

    fn decode(&self, key: &ObjectKey, value: &Bytes, revision: u64) -> Result<Value, Status> {
        let mut draft: Value = serde_json::from_slice(value).map_err(|error| {
            internal(key, &format!("the stored object cannot be read: {error}"))
        })?;
        if let Some(metadata) = draft.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("resourceVersion".to_owned(), revision.to_string().into());
        }
        Ok(draft)
    }

    fn encode(&self, key: &ObjectKey, draft: &Value) -> Result<Bytes, Status> {
        let bytes = serde_json::to_vec(&Stored(draft))
            .map_err(|error| internal(key, &error.to_string()))?;
        Ok(Bytes::from(bytes))
    }

    fn size(&self, value: &Bytes) -> u64 {
        value.len() as u64
    }

    fn meta(&self, draft: &Value) -> Result<SystemMeta, Status> {
        object_meta::read(draft)
    }

    fn set_meta(&self, draft: &mut Value, meta: &SystemMeta) {
        object_meta::write(draft, meta);
        // The label by which selectors know a namespace follows a name that was generated.
        if draft["kind"] == "Namespace"
            && let Some(fields) = draft.as_object_mut()
        {
            crate::defaults::namespace(fields);
        }
    }

    fn create(&self, context: Context<'_>, change: &Change) -> Result<Value, Status> {
        let row = row(context.key)?;
        let mut draft = change.whole(context.key)?.clone();
        if let Some(fields) = draft.as_object_mut() {
            if row.rules.writes.status_apart && row.kind.plural != "nodes" {
                fields.remove("status");
            }
            (row.rules.default)(fields);
            (row.rules.admit)(fields);
        }
        Ok(draft)
    }

    fn update(
        &self,
        context: Context<'_>,
        current: &Value,
        change: &Change,
    ) -> Result<Value, Status> {
        let row = row(context.key)?;
        if context.subresource == Some(Subresource::Scale) {
            return scale::update(context.key, current, change);
        }
        let mut draft = change.apply(row, current)?;
        let Some(fields) = draft.as_object_mut() else {
            return Err(internal(context.key, "the changed object is none"));
        };
        (row.rules.default)(fields);
        match context.subresource {
            None if row.rules.writes.status_apart => take(&mut draft, current, "status"),
            Some(Subresource::Status) => {
                keep_all_but_status(&mut draft, current);
                pod::keep_class(&mut draft, current);
            }
            Some(Subresource::Finalize) => return Ok(finalized(current, &draft)),
            _ => {}
        }
        if row.kind.plural == "namespaces" {
            take(&mut draft, current, "spec");
        }
        Ok(draft)
    }

    fn validate(
        &self,
        context: Context<'_>,
        draft: &Value,
        old: Option<&Value>,
    ) -> Result<(), Status> {
        let row = row(context.key)?;
        let mut faults = Faults::default();
        let subject = Subject {
            object: draft,
            old,
            subresource: context.subresource,
        };
        (row.rules.validate)(subject, &mut faults);
        let name = draft["metadata"]["name"].as_str().unwrap_or_default();
        faults.into_result(row.kind, name)
    }

    fn counts_generations(&self, key: &ObjectKey) -> bool {
        kinds::of(&key.resource).is_some_and(|row| row.rules.writes.generations)
    }

    fn spec_changed(&self, _: &ObjectKey, old: &Value, new: &Value) -> bool {
        old.get("spec") != new.get("spec")
    }

    fn creates_on_update(&self, key: &ObjectKey) -> bool {
        kinds::of(&key.resource).is_some_and(|row| row.rules.writes.creates_on_update)
    }

    fn updates_unconditionally(&self, _: &ObjectKey) -> bool {
        true
    }

    fn grace_seconds(&self, key: &ObjectKey, current: &Value, asked: Option<i64>) -> Option<i64> {
        (key.resource == model::objects::kinds::pods()).then(|| pod::grace_seconds(current, asked))
    }

    fn is_held(&self, _: &ObjectKey, draft: &Value) -> bool {
        draft["kind"] == "Namespace"
            && draft["spec"]["finalizers"]
                .as_array()
                .is_some_and(|all| !all.is_empty())
    }

    fn begin_deletion(&self, _: &ObjectKey, draft: &mut Value) {
        if draft["kind"] == "Namespace" {
            draft["status"]["phase"] = "Terminating".into();
        }
    }

    fn bound_node(&self, draft: &Value) -> Option<String> {
        let node = draft["spec"]["nodeName"].as_str()?;
        (!node.is_empty()).then(|| node.to_owned())
    }

    fn bind(&self, context: Context<'_>, draft: &mut Value, node: &str) {
        pod::bind(draft, node, context.now);
    }
}

/// The row of an object's kind.
fn row(key: &ObjectKey) -> Result<&'static Row, Status> {
    kinds::of(&key.resource).ok_or_else(|| Status::not_found(key))
}

fn internal(key: &ObjectKey, why: &str) -> Status {
    Status::about(
        Reason::InternalError,
        key,
        format!("Internal error occurred: {key}: {why}"),
    )
}

/// Makes a field of `draft` what it is in `current`.
fn take(draft: &mut Value, current: &Value, field: &str) {
    let Some(fields) = draft.as_object_mut() else {
        return;
    };
    match current.get(field) {
        Some(value) => fields.insert(field.to_owned(), value.clone()),
        None => fields.remove(field),
    };
}

/// A write of `status` changes `status` and `metadata`, but for the owners.
fn keep_all_but_status(draft: &mut Value, current: &Value) {
    let fields: Vec<String> = [&*draft, current]
        .into_iter()
        .filter_map(Value::as_object)
        .flat_map(|fields| fields.keys().cloned())
        .filter(|field| field != "status" && field != "metadata")
        .collect();
    for field in fields {
        take(draft, current, &field);
    }
    if let (Some(draft), Some(current)) = (draft.get_mut("metadata"), current.get("metadata")) {
        take(draft, current, "ownerReferences");
    }
}

/// A namespace with the finalizers that `asked` leaves it.
fn finalized(current: &Value, asked: &Value) -> Value {
    let mut draft = current.clone();
    draft["spec"]["finalizers"] = asked["spec"]["finalizers"].clone();
    draft["metadata"]["resourceVersion"] = asked["metadata"]["resourceVersion"].clone();
    draft
}
