//! An object, or a part of it, replaced or changed.

use crate::actions::transaction::Effect;
use crate::objects::key::ObjectKey;
use crate::objects::kinds::Subresource;
use crate::objects::status::Status;
use crate::rules::object_meta::SystemMeta;

use super::create::{self, other_name, same_namespace};
use super::decision::{Attempt, Decision, Question, Refused, invalid};
use super::input::Seen;
use super::output::{Outcome, Written};
use super::strategy::Strategy;

/// In Kubernetes' words, which clients compare.
pub(super) const MODIFIED: &str =
    "the object has been modified; please apply your changes to the latest version and try again";

/// What an update or patch leads to: `rest.BeforeUpdate` and `Store.Update`.
pub(super) fn decide<S: Strategy>(
    question: &Question<'_, S>,
    part: Option<Subresource>,
    change: &S::Change,
    may_create: bool,
) -> Result<Decision<S::Value>, Refused> {
    let (strategy, key) = (question.strategy, question.key());
    if may_create
        && part.is_none()
        && *question.object == Seen::Absent
        && strategy.creates_on_update(key)
    {
        return create::decide(question, change);
    }
    let (old, old_meta, revision) = question.current()?;
    let context = question.context(key, part);
    let mut new = strategy.update(context, &old, change)?;
    let mut meta = strategy.meta(&new)?;
    identify(key, &mut meta, &old_meta)?;
    if meta.resource_version.is_empty() && !strategy.updates_unconditionally(key) {
        let message = "Invalid value: 0: must be specified for an update".to_owned();
        return Err(invalid(
            key,
            "FieldValueInvalid",
            "metadata.resourceVersion",
            message,
        )
        .into());
    }
    if !meta.resource_version.is_empty() && meta.resource_version != old_meta.resource_version {
        return Err(Status::conflict(key, MODIFIED).into());
    }
    meta.resource_version.clone_from(&old_meta.resource_version);
    keep(key, &mut meta, &old_meta)?;
    if strategy.counts_generations(key) && strategy.spec_changed(key, &old, &new) {
        meta.generation += 1;
    }
    strategy.set_meta(&mut new, &meta);
    strategy.validate(context, &new, Some(&old))?;
    let value = strategy.encode(key, &new)?;
    let gone = meta.deleting()
        && meta.finalizers.is_empty()
        && meta.deletion_grace_period_seconds.unwrap_or(0) == 0
        && !strategy.is_held(key, &new);
    if new == old && !gone {
        return Ok(Decision::Nothing(Written {
            key: key.clone(),
            outcome: Outcome::Unchanged,
            revision,
            value,
        }));
    }
    Ok(Decision::Write(Attempt {
        key: key.clone(),
        uid: meta.uid,
        expected: revision,
        namespace: None,
        // An object that is being deleted goes with its last finalizer (`ShouldDeleteDuringUpdate`).
        effect: if gone {
            Effect::Deleted
        } else {
            Effect::Updated
        },
        value,
        after: 0,
        generated: false,
        lease: 0,
    }))
}

/// What names an object may be left out of a body, and may not be something else.
fn identify(key: &ObjectKey, meta: &mut SystemMeta, old: &SystemMeta) -> Result<(), Status> {
    if meta.name.is_empty() {
        meta.name.clone_from(&old.name);
    }
    if meta.name != key.name {
        return Err(other_name(key, meta));
    }
    same_namespace(key, meta)?;
    if meta.uid.is_empty() {
        meta.uid.clone_from(&old.uid);
    }
    if meta.uid != old.uid {
        return Err(uid_conflict(key, &meta.uid, &old.uid));
    }
    Ok(())
}

/// 409 for a write that means another object of the same name.
pub(super) fn uid_conflict(key: &ObjectKey, asked: &str, found: &str) -> Status {
    let why =
        format!("Precondition failed: UID in precondition: {asked}, UID in object meta: {found}");
    Status::conflict(key, &why)
}

/// What no client changes stays; what a client left out is put back (`ValidateObjectMetaUpdate`).
fn keep(key: &ObjectKey, meta: &mut SystemMeta, old: &SystemMeta) -> Result<(), Status> {
    let immutable = |field: &str, value: &str| {
        let message = format!("Invalid value: \"{value}\": field is immutable");
        invalid(key, "FieldValueInvalid", field, message)
    };
    if let Some(created) = &meta.creation_timestamp
        && meta.creation_timestamp != old.creation_timestamp
    {
        return Err(immutable("metadata.creationTimestamp", created));
    }
    meta.creation_timestamp.clone_from(&old.creation_timestamp);
    if let Some(deleted) = &meta.deletion_timestamp
        && meta.deletion_timestamp != old.deletion_timestamp
    {
        return Err(immutable("metadata.deletionTimestamp", deleted));
    }
    meta.deletion_timestamp.clone_from(&old.deletion_timestamp);
    meta.deletion_grace_period_seconds = old.deletion_grace_period_seconds;
    meta.generation = old.generation;
    let added: Vec<String> = meta
        .finalizers
        .iter()
        .filter(|one| !old.finalizers.contains(one))
        .map(|one| format!("{one:?}"))
        .collect();
    if old.deleting() && !added.is_empty() {
        let message = format!(
            "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers \
             []string{{{}}}",
            added.join(", ")
        );
        return Err(invalid(
            key,
            "FieldValueForbidden",
            "metadata.finalizers",
            message,
        ));
    }
    Ok(())
}
