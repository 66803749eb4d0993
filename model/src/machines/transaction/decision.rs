//! What to do about a write, given the objects as they were seen: pure functions of their arguments.

use crate::actions::transaction::Effect;
use crate::machine::Now;
use crate::messages::store::{
    Compare, Key, KeyRange, LeaseId, Operand, Operation, RangeRequest, Relation, Transaction,
};
use crate::objects::key::ObjectKey;
use crate::objects::kinds;
use crate::objects::status::{Cause, Reason, Status};
use crate::rules::object_meta::SystemMeta;

use super::input::{Seen, Write, WriteVerb};
use super::output::{Outcome, Written};
use super::strategy::{Context, Strategy};
use super::{bind, create, deletion, update};

/// What a decision is made from.
pub(super) struct Question<'a, S: Strategy> {
    pub(super) strategy: &'a S,
    pub(super) now: Now,
    pub(super) write: &'a Write<S::Change>,
    pub(super) object: &'a Seen<S::Value>,
    pub(super) namespace: &'a Seen<S::Value>,
    pub(super) uid: &'a str,
    pub(super) random: u64,
    /// How often a generated name was found in use.
    pub(super) attempt: u32,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Decision<V> {
    /// Write, if nothing has changed.
    Write(Attempt<V>),
    /// Nothing has to be written.
    Nothing(Written<V>),
}

/// A write that holds if the objects are as they were seen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Attempt<V> {
    pub(super) key: ObjectKey,
    pub(super) uid: String,
    /// The revision that the object must have; 0 if it must not exist.
    pub(super) expected: u64,
    /// The newest revision of which the store had told before this was sent: it can only be carried out after that.
    pub(super) after: u64,
    /// The revision that its namespace must have, where that matters.
    pub(super) namespace: Option<u64>,
    pub(super) effect: Effect,
    /// The object as it will be stored; for a deletion its last state.
    pub(super) value: V,
    /// Whether the name was generated, so that another may be tried.
    pub(super) generated: bool,
    /// The lease that it goes with, or 0.
    pub(super) lease: LeaseId,
}

/// A refusal, and whether another state of the store could have led elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) status: Status,
    pub(super) depends: bool,
}

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        Refused {
            status,
            depends: true,
        }
    }
}

/// Decides a write.
pub(super) fn decide<S: Strategy>(
    question: &Question<'_, S>,
) -> Result<Decision<S::Value>, Refused> {
    match &question.write.verb {
        WriteVerb::Create(change) => create::decide(question, change),
        WriteVerb::Update(part, change) => update::decide(question, *part, change, true),
        WriteVerb::Patch(part, change) => update::decide(question, *part, change, false),
        WriteVerb::Delete(options) => deletion::decide(question, options),
        WriteVerb::Bind(binding) => bind::decide(question, binding),
    }
}

impl<S: Strategy> Question<'_, S> {
    pub(super) fn key(&self) -> &ObjectKey {
        &self.write.key
    }

    pub(super) fn context<'b>(
        &'b self,
        key: &'b ObjectKey,
        subresource: Option<kinds::Subresource>,
    ) -> Context<'b> {
        Context {
            key,
            subresource,
            now: self.now,
        }
    }

    /// The current object taken apart, with its metadata; 404 if there is none.
    pub(super) fn current(&self) -> Result<(S::Draft, SystemMeta, u64), Status> {
        let Seen::Present { revision, value } = self.object else {
            return Err(Status::not_found(self.key()));
        };
        let draft = self.strategy.decode(self.key(), value, *revision)?;
        let meta = self.strategy.meta(&draft)?;
        Ok((draft, meta, *revision))
    }
}

impl<V> Attempt<V> {
    /// The answer once it is written, or would be.
    pub(super) fn written(self, revision: u64) -> Written<V> {
        let outcome = match self.effect {
            Effect::Created | Effect::Placed { .. } => Outcome::Created,
            Effect::Updated | Effect::Bound { .. } => Outcome::Updated,
            Effect::Deleting => Outcome::Deleting,
            Effect::Deleted => Outcome::Deleted,
        };
        Written {
            key: self.key,
            outcome,
            revision,
            value: self.value,
        }
    }

    /// The question to the store: carried out only if the object and its namespace are as they were seen,
    /// else answered with what they are.
    pub(super) fn transaction(&self) -> Transaction<V>
    where
        V: Clone,
    {
        let path: Key = self.key.path().into();
        let mut compares = vec![unchanged(&path, self.expected)];
        if let Some(revision) = self.namespace {
            compares.push(unchanged(&namespace_path(&self.key), revision));
        }
        let success = match self.effect {
            Effect::Deleted => Operation::Delete {
                range: KeyRange::one(&path),
                previous: false,
            },
            _ => Operation::Put {
                key: path,
                value: self.value.clone(),
                lease: self.lease,
            },
        };
        Transaction {
            compares,
            success: vec![success],
            failure: reads(&self.key),
        }
    }
}

fn unchanged<V>(path: &Key, revision: u64) -> Compare<V> {
    Compare {
        key: path.clone(),
        operand: Operand::ModRevision(revision),
        relation: Relation::Equal,
    }
}

/// The object and, if it has one, its namespace.
pub(super) fn reads<V>(key: &ObjectKey) -> Vec<Operation<V>> {
    let object = Operation::Range(RangeRequest::now(KeyRange::one(&key.path())));
    let namespace = (!key.namespace.is_empty())
        .then(|| Operation::Range(RangeRequest::now(KeyRange::one(&namespace_path(key)))));
    [object].into_iter().chain(namespace).collect()
}

fn namespace_path(key: &ObjectKey) -> Key {
    ObjectKey::new(kinds::namespaces(), "", &key.namespace)
        .path()
        .into()
}

/// 422 about one field, in Kubernetes' words: `Pod "a" is invalid: metadata.name: Invalid value: …`.
pub(super) fn invalid(key: &ObjectKey, reason: &str, field: &str, message: String) -> Status {
    let kind = kinds::find(&key.resource).map_or(key.resource.resource.as_str(), |kind| kind.kind);
    let mut status = Status::about(
        Reason::Invalid,
        key,
        format!("{kind} \"{}\" is invalid: {field}: {message}", key.name),
    );
    status.details.kind = kind.to_owned();
    status.details.causes.push(Cause {
        reason: reason.to_owned(),
        message,
        field: field.to_owned(),
    });
    status
}
