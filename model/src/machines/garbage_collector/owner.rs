//! Where an owner is to be found, and whether it is there.

use crate::machines::controller::{Answer, Ask};
use crate::machines::garbage_collector::graph::Graph;
use crate::machines::garbage_collector::state::Verdict;
use crate::machines::garbage_collector::view::NodeView;
use crate::messages::api::{ApiRequest, Verb};
use crate::objects::key::ObjectKey;
use crate::objects::kinds;
use crate::objects::meta::OwnerReference;
use crate::objects::status::Reason;

/// The key that a reference means, seen from its dependent. `None` if it cannot be told: its kind is not
/// served, or it is namespaced and the dependent is not.
fn key(dependent: &ObjectKey, owner: &OwnerReference) -> Option<ObjectKey> {
    let group = owner
        .api_version
        .split_once('/')
        .map_or("", |(group, _)| group);
    let kind = kinds::find_kind(group, &owner.kind)?;
    match (kind.namespaced, dependent.namespace.as_str()) {
        (true, "") => None,
        (true, namespace) => Some(ObjectKey::new(kind.resource(), namespace, &owner.name)),
        (false, _) => Some(ObjectKey::new(kind.resource(), "", &owner.name)),
    }
}

/// What the view says of an owner; the request that tells, if the view does not.
pub(super) fn look(
    graph: &Graph,
    dependent: &ObjectKey,
    owner: &OwnerReference,
) -> Result<Verdict, Box<Ask>> {
    let Some(key) = key(dependent, owner) else {
        return Ok(Verdict::Solid);
    };
    match graph.find(&owner.uid) {
        // The same UID elsewhere is not what the reference means.
        Some((found, node)) if *found == key => Ok(verdict(node)),
        _ => Err(Box::new(Ask::bare(ApiRequest::object(Verb::Get, &key)))),
    }
}

fn verdict(node: &NodeView) -> Verdict {
    if node.waits_for_dependents() {
        Verdict::Waiting
    } else {
        Verdict::Solid
    }
}

/// What a live read says of the owner with this UID; an error if it says nothing.
pub(super) fn read(uid: &str, answer: Answer) -> Result<Verdict, String> {
    match answer {
        Answer::Done(_, objects) => {
            let object = objects
                .first()
                .ok_or("the live read of an owner showed no object")?;
            let node: NodeView = object.view().map_err(|error| error.to_string())?;
            if node.uid.is_empty() {
                return Err("the owner that was read has no UID".to_owned());
            }
            Ok(match verdict(&node) {
                _ if node.uid != uid => Verdict::Gone,
                Verdict::Waiting => Verdict::Waiting,
                _ => Verdict::Unseen,
            })
        }
        Answer::Failed(status) if status.reason == Reason::NotFound => Ok(Verdict::Gone),
        Answer::Failed(status) => Err(status.message),
        Answer::Lost => Err("the connection broke while an owner was read".to_owned()),
    }
}
