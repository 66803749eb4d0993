//! A pod assigned to a node: step 6 of the path of a pod. Once per UID, by compare-and-swap.

use crate::actions::transaction::Effect;
use crate::objects::key::ObjectKey;
use crate::objects::kinds::Subresource;
use crate::objects::status::{Reason, Status};

use super::decision::{Attempt, Decision, Question, Refused, invalid};
use super::input::Binding;
use super::strategy::Strategy;
use super::update::{MODIFIED, uid_conflict};

/// What a binding leads to (`BindingREST.assignPod`).
pub(super) fn decide<S: Strategy>(
    question: &Question<'_, S>,
    binding: &Binding,
) -> Result<Decision<S::Value>, Refused> {
    let (strategy, key) = (question.strategy, question.key());
    if binding.node.is_empty() {
        let message = "Required value".to_owned();
        return Err(Refused {
            status: invalid(key, "FieldValueRequired", "target.name", message),
            depends: false,
        });
    }
    let (mut draft, meta, revision) = question.current()?;
    if !binding.uid.is_empty() && binding.uid != meta.uid {
        return Err(uid_conflict(key, &binding.uid, &meta.uid).into());
    }
    if !binding.resource_version.is_empty() && binding.resource_version != meta.resource_version {
        return Err(Status::conflict(key, MODIFIED).into());
    }
    let name = &key.name;
    if meta.deleting() {
        let why = format!("pod {name} is being deleted, cannot be assigned to a host");
        return Err(conflict(key, &why).into());
    }
    if let Some(node) = strategy.bound_node(&draft) {
        let why = format!("pod {name} is already assigned to node \"{node}\"");
        return Err(conflict(key, &why).into());
    }
    let context = question.context(key, Some(Subresource::Binding));
    strategy.bind(context, &mut draft, &binding.node);
    Ok(Decision::Write(Attempt {
        key: key.clone(),
        uid: meta.uid,
        expected: revision,
        namespace: None,
        effect: Effect::Bound {
            node: binding.node.clone(),
        },
        value: strategy.encode(key, &draft)?,
        after: 0,
        generated: false,
        lease: 0,
    }))
}

fn conflict(key: &ObjectKey, why: &str) -> Status {
    let message = format!(
        "Operation cannot be fulfilled on {}/binding \"{}\": {why}",
        key.resource, key.name
    );
    Status::about(Reason::Conflict, key, message)
}
