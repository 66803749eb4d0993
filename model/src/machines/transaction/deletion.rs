//! An object deleted: at once, after its grace, or when its last finalizer is gone.
//!
//! Source: `rest.BeforeDelete` and `Store.Delete` of `k8s.io/apiserver`.

use crate::actions::transaction::Effect;
use crate::machine::Now;
use crate::messages::api::{DeleteOptions, Propagation};
use crate::objects::key::ObjectKey;
use crate::objects::kinds;
use crate::objects::status::{Reason, Status};
use crate::rules::object_meta::SystemMeta;
use crate::rules::time;

use super::decision::{Attempt, Decision, Question, Refused};
use super::output::{Outcome, Written};
use super::strategy::Strategy;

/// The finalizer that the garbage collector takes away once dependents have lost their owner reference.
pub const ORPHAN: &str = "orphan";
/// The finalizer that the garbage collector takes away once dependents are gone.
pub const FOREGROUND: &str = "foregroundDeletion";

/// Namespaces that are never deleted (`NamespaceLifecycle`).
const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

/// How far a deletion is.
enum Stage {
    /// It began before and nothing about it changes.
    Pending,
    /// The object goes as soon as nothing holds it.
    AtOnce,
    /// The object goes after so many seconds; counted from the first delete.
    Graceful(i64),
}

/// What a delete leads to.
pub(super) fn decide<S: Strategy>(
    question: &Question<'_, S>,
    options: &DeleteOptions,
) -> Result<Decision<S::Value>, Refused> {
    let (strategy, key) = (question.strategy, question.key());
    if key.resource == kinds::namespaces() && IMMORTAL.contains(&key.name.as_str()) {
        let message = format!(
            "{} \"{}\" is forbidden: this namespace may not be deleted",
            key.resource, key.name
        );
        return Err(Refused {
            status: Status::about(Reason::Forbidden, key, message),
            depends: false,
        });
    }
    let (old, mut meta, revision) = question.current()?;
    preconditions(key, options, &meta)?;
    let asked = options
        .grace_period_seconds
        .map(|asked| if asked < 0 { 1 } else { asked });
    let began = meta.deleting();
    let stage = stage(question, &old, &meta, asked);
    if let Stage::Pending = stage {
        return Ok(Decision::Nothing(Written {
            key: key.clone(),
            outcome: Outcome::Deleting,
            revision,
            value: strategy.encode(key, &old)?,
        }));
    }
    hold(&mut meta, options.propagation);
    let mut new = old.clone();
    let held = !meta.finalizers.is_empty() || strategy.is_held(key, &old);
    let seconds = match stage {
        Stage::Graceful(seconds) => seconds,
        Stage::AtOnce | Stage::Pending => 0,
    };
    if seconds == 0 && !held {
        return Ok(Decision::Write(Attempt {
            key: key.clone(),
            uid: meta.uid,
            expected: revision,
            namespace: None,
            effect: Effect::Deleted,
            value: strategy.encode(key, &old)?,
            after: 0,
            generated: false,
            lease: 0,
        }));
    }
    mark(&mut meta, question.now, seconds);
    if !began {
        // The deletion is asked for like a change of the spec, so it counts as one.
        meta.generation += i64::from(meta.generation > 0);
        strategy.begin_deletion(key, &mut new);
    }
    strategy.set_meta(&mut new, &meta);
    let value = strategy.encode(key, &new)?;
    if new == old {
        return Ok(Decision::Nothing(Written {
            key: key.clone(),
            outcome: Outcome::Deleting,
            revision,
            value,
        }));
    }
    Ok(Decision::Write(Attempt {
        key: key.clone(),
        uid: meta.uid,
        expected: revision,
        namespace: None,
        effect: Effect::Deleting,
        value,
        after: 0,
        generated: false,
        lease: 0,
    }))
}

fn preconditions(
    key: &ObjectKey,
    options: &DeleteOptions,
    meta: &SystemMeta,
) -> Result<(), Status> {
    if let Some(uid) = &options.uid
        && *uid != meta.uid
    {
        let why = format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have \
             been deleted and then recreated",
            meta.uid
        );
        return Err(Status::conflict(key, &why));
    }
    if let Some(version) = &options.resource_version
        && *version != meta.resource_version
    {
        let why = format!(
            "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record \
             ({}). The object might have been modified",
            meta.resource_version
        );
        return Err(Status::conflict(key, &why));
    }
    Ok(())
}

/// The first delete sets the grace; a later one may only shorten it.
fn stage<S: Strategy>(
    question: &Question<'_, S>,
    old: &S::Draft,
    meta: &SystemMeta,
    asked: Option<i64>,
) -> Stage {
    if !meta.deleting() {
        return match question.strategy.grace_seconds(question.key(), old, asked) {
            None | Some(0) => Stage::AtOnce,
            Some(seconds) => Stage::Graceful(seconds),
        };
    }
    match (meta.deletion_grace_period_seconds.unwrap_or(0), asked) {
        (0, _) => Stage::AtOnce,
        (before, Some(asked)) if asked < before => Stage::Graceful(asked),
        _ => Stage::Pending,
    }
}

/// Sets when the deletion ends: counted from now, or from when it began if it has.
fn mark(meta: &mut SystemMeta, now: Now, seconds: i64) {
    let before = meta.deletion_grace_period_seconds.unwrap_or(0);
    let ends = meta.deletion_timestamp.as_deref().map(time::parse);
    let began = match ends {
        Some(Ok(ends)) => Now(ends.0.saturating_sub(milliseconds(before))),
        _ => now,
    };
    let ends = Now(began.0.saturating_add(milliseconds(seconds)));
    meta.deletion_timestamp = Some(time::seconds(ends));
    meta.deletion_grace_period_seconds = Some(seconds);
}

fn milliseconds(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or(0).saturating_mul(1000)
}

/// Who has to act before the object may go, by the propagation that was asked for. Without one, finalizers
/// that the object has say it.
fn hold(meta: &mut SystemMeta, propagation: Option<Propagation>) {
    let Some(propagation) = propagation else {
        return;
    };
    meta.finalizers
        .retain(|one| one != ORPHAN && one != FOREGROUND);
    match propagation {
        Propagation::Orphan => meta.finalizers.push(ORPHAN.to_owned()),
        Propagation::Foreground => meta.finalizers.push(FOREGROUND.to_owned()),
        Propagation::Background => {}
    }
}
