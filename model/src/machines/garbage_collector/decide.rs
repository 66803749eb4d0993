//! What is asked for: deletions, references and finalizers taken away. All are compare-and-swap.

use serde_json::{Value, json};

use crate::machines::controller::Ask;
use crate::machines::garbage_collector::graph::Graph;
use crate::machines::garbage_collector::state::Verdict;
use crate::machines::garbage_collector::view::{FOREGROUND, NodeView, ORPHAN};
use crate::messages::api::{ApiRequest, DeleteOptions, PatchType, Propagation, Verb};
use crate::objects::key::ObjectKey;
use crate::objects::meta::OwnerReference;

/// What follows from what is known of an object's owners; `None` if nothing.
pub(super) fn by_owners(
    graph: &Graph,
    key: &ObjectKey,
    node: &NodeView,
    verdict: impl Fn(&OwnerReference) -> Verdict,
) -> Option<Ask> {
    let is = |wanted: &[Verdict]| {
        node.owners
            .iter()
            .any(|owner| wanted.contains(&verdict(owner)))
    };
    let owned = is(&[Verdict::Solid, Verdict::Unseen]);
    if owned {
        // Someone keeps it: the references to those who do not are of no use, and one to an owner that waits
        // would keep that one from going.
        let kept =
            |owner: &&OwnerReference| matches!(verdict(owner), Verdict::Solid | Verdict::Unseen);
        let owners: Vec<_> = node.owners.iter().filter(kept).cloned().collect();
        return (owners.len() < node.owners.len()).then(|| swap_owners(key, node, &owners));
    }
    let waited_for = is(&[Verdict::Waiting]);
    let mut dependents = graph.dependents(&node.uid);
    if waited_for && dependents.next().is_some() {
        // Two that wait for each other would wait for ever: this one stops to block its owner.
        let circle = graph
            .dependents(&node.uid)
            .any(|(_, dependent)| dependent.waits_for_dependents());
        if circle && node.owners.iter().any(|owner| owner.block_owner_deletion) {
            let unblocked = |owner: &OwnerReference| OwnerReference {
                block_owner_deletion: false,
                ..owner.clone()
            };
            let owners: Vec<_> = node.owners.iter().map(unblocked).collect();
            return Some(swap_owners(key, node, &owners));
        }
        return Some(delete(key, node, Propagation::Foreground));
    }
    // What its own finalizers ask for goes on; else in the background.
    let has = |finalizer: &str| node.finalizers.iter().any(|it| it == finalizer);
    let propagation = match () {
        () if has(ORPHAN) => Propagation::Orphan,
        () if has(FOREGROUND) => Propagation::Foreground,
        () => Propagation::Background,
    };
    Some(delete(key, node, propagation))
}

fn delete(key: &ObjectKey, node: &NodeView, propagation: Propagation) -> Ask {
    let options = DeleteOptions {
        uid: Some(node.uid.clone()),
        resource_version: Some(node.resource_version.clone()),
        propagation: Some(propagation),
        ..DeleteOptions::default()
    };
    Ask::bare(ApiRequest::object(Verb::Delete(options), key))
}

/// Takes the reference to an owner from a dependent.
pub(super) fn orphan(key: &ObjectKey, node: &NodeView, owner: &str) -> Ask {
    let owners: Vec<_> = node
        .owners
        .iter()
        .filter(|it| it.uid != owner)
        .cloned()
        .collect();
    swap_owners(key, node, &owners)
}

fn swap_owners(key: &ObjectKey, node: &NodeView, owners: &[OwnerReference]) -> Ask {
    let owners = match owners {
        [] => Value::Null,
        owners => json!(owners),
    };
    swap(key, node, "ownerReferences", owners)
}

/// Takes a finalizer from an object.
pub(super) fn unfinalize(key: &ObjectKey, node: &NodeView, finalizer: &str) -> Ask {
    let finalizers: Vec<_> = node
        .finalizers
        .iter()
        .filter(|it| *it != finalizer)
        .collect();
    let finalizers = match finalizers.as_slice() {
        [] => Value::Null,
        finalizers => json!(finalizers),
    };
    swap(key, node, "finalizers", finalizers)
}

fn swap(key: &ObjectKey, node: &NodeView, field: &str, value: Value) -> Ask {
    let body = json!({
        "metadata": { "uid": node.uid, "resourceVersion": node.resource_version, field: value },
    });
    Ask::json(
        ApiRequest::object(Verb::Patch(PatchType::Merge), key),
        &body,
    )
}
