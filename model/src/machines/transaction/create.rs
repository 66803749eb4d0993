//! A new object.

use crate::actions::transaction::Effect;
use crate::objects::key::ObjectKey;
use crate::objects::kinds;
use crate::objects::status::{Cause, Reason, Status};
use crate::rules::object_meta::SystemMeta;
use crate::rules::time;

use super::decision::{Attempt, Decision, Question, Refused, invalid};
use super::input::Seen;
use super::strategy::Strategy;

/// Letters of a generated suffix: no vowels and no look-alikes (`k8s.io/apimachinery/pkg/util/rand`).
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
const SUFFIX_LENGTH: usize = 5;
/// Longest generated name, in bytes (`k8s.io/apiserver/pkg/storage/names`).
const GENERATED_LIMIT: usize = 63;

/// What a create leads to: `rest.BeforeCreate`, the admission of namespaces (`NamespaceLifecycle`), the write.
pub(super) fn decide<S: Strategy>(
    question: &Question<'_, S>,
    change: &S::Change,
) -> Result<Decision<S::Value>, Refused> {
    let strategy = question.strategy;
    // What the body alone is refused for is final: no state of the store changes it.
    let last = |status| Refused {
        status,
        depends: false,
    };
    let asked = question.key();
    let mut draft = strategy
        .create(question.context(asked, None), change)
        .map_err(last)?;
    let mut meta = strategy.meta(&draft).map_err(last)?;
    let generated = meta.name.is_empty() && !meta.generate_name.is_empty();
    let key = named(asked, &mut meta, question.random, question.attempt).map_err(last)?;
    meta.uid = question.uid.to_owned();
    meta.creation_timestamp = Some(time::seconds(question.now));
    meta.generation = i64::from(strategy.counts_generations(&key));
    meta.deletion_timestamp = None;
    meta.deletion_grace_period_seconds = None;
    strategy.set_meta(&mut draft, &meta);
    strategy
        .validate(question.context(&key, None), &draft, None)
        .map_err(last)?;
    let namespace = namespace(question, &key)?;
    let value = strategy.encode(&key, &draft).map_err(last)?;
    let placed = match key.resource == kinds::pods() {
        true => strategy.bound_node(&draft),
        false => None,
    };
    Ok(Decision::Write(Attempt {
        key,
        uid: meta.uid,
        expected: 0,
        namespace,
        effect: placed.map_or(Effect::Created, |node| Effect::Placed { node }),
        value,
        after: 0,
        generated,
        lease: 0,
    }))
}

/// The object's key, from the request and the body, which must not contradict each other.
fn named(
    asked: &ObjectKey,
    meta: &mut SystemMeta,
    random: u64,
    attempt: u32,
) -> Result<ObjectKey, Status> {
    if !meta.resource_version.is_empty() {
        return Err(Status::new(
            Reason::BadRequest,
            "resourceVersion should not be set on objects to be created",
        ));
    }
    same_namespace(asked, meta)?;
    if meta.name.is_empty() && !meta.generate_name.is_empty() {
        meta.name = generate(&meta.generate_name, random, attempt);
    }
    if meta.name.is_empty() {
        let message = "Required value: name or generateName is required".to_owned();
        return Err(invalid(
            asked,
            "FieldValueRequired",
            "metadata.name",
            message,
        ));
    }
    if !asked.name.is_empty() && asked.name != meta.name {
        return Err(other_name(asked, meta));
    }
    Ok(ObjectKey::new(
        asked.resource.clone(),
        &asked.namespace,
        &meta.name,
    ))
}

/// 400 for a body of another namespace than the request's; one without takes the request's.
pub(super) fn same_namespace(asked: &ObjectKey, meta: &mut SystemMeta) -> Result<(), Status> {
    if meta.namespace.is_empty() {
        meta.namespace.clone_from(&asked.namespace);
    }
    if meta.namespace == asked.namespace {
        return Ok(());
    }
    Err(Status::new(
        Reason::BadRequest,
        format!(
            "the namespace of the provided object does not match the namespace sent on the request: {} != {}",
            meta.namespace, asked.namespace
        ),
    ))
}

/// 400 for a body of another name than the request's.
pub(super) fn other_name(asked: &ObjectKey, meta: &SystemMeta) -> Status {
    Status::new(
        Reason::BadRequest,
        format!(
            "the name of the object ({}) does not match the name on the URL ({})",
            meta.name, asked.name
        ),
    )
}

/// `PREFIX` and five letters, different for each attempt.
fn generate(prefix: &str, random: u64, attempt: u32) -> String {
    let mut end = prefix.len().min(GENERATED_LIMIT - SUFFIX_LENGTH);
    while !prefix.is_char_boundary(end) {
        end -= 1;
    }
    let mut bits = mix(random.wrapping_add(u64::from(attempt)));
    let mut name = prefix[..end].to_owned();
    for _ in 0..SUFFIX_LENGTH {
        name.push(char::from(ALPHABET[(bits % 27) as usize]));
        bits /= 27;
    }
    name
}

/// Spreads a number over all bits (the finalizer of SplitMix64), so that successive attempts are unlike.
pub(super) fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// The revision of the namespace that the write depends on: it must exist and not be terminating, still so
/// when the object is written.
pub(super) fn namespace<S: Strategy>(
    question: &Question<'_, S>,
    key: &ObjectKey,
) -> Result<Option<u64>, Status> {
    if key.namespace.is_empty() {
        return Ok(None);
    }
    let of = ObjectKey::new(kinds::namespaces(), "", &key.namespace);
    let Seen::Present { revision, value } = question.namespace else {
        return Err(Status::not_found(&of));
    };
    let draft = question.strategy.decode(&of, value, *revision)?;
    if !question.strategy.meta(&draft)?.deleting() {
        return Ok(Some(*revision));
    }
    let name = &key.namespace;
    let why =
        format!("unable to create new content in namespace {name} because it is being terminated");
    let mut status = Status::about(
        Reason::Forbidden,
        key,
        format!("{} \"{}\" is forbidden: {why}", key.resource, key.name),
    );
    status.details.causes.push(Cause {
        reason: "NamespaceTerminating".to_owned(),
        message: format!("namespace {name} is being terminated"),
        field: "metadata.namespace".to_owned(),
    });
    Err(status)
}
