//! Which pods a ReplicaSet takes for its own: `PodControllerRefManager.ClaimPods`.

use serde_json::json;

use crate::machines::controller::Ask;
use crate::machines::replicaset::state::{Claim, Session, View};
use crate::machines::replicaset::view::{PodView, ReplicaSetView};
use crate::messages::api::{ApiRequest, PatchType, Verb};
use crate::objects::key::ObjectKey;
use crate::objects::meta::OwnerReference;

/// The pods that are this set's: owned and matching, or adopted in this round. Finished pods and those being
/// deleted do not count.
pub(super) fn claimed<'a>(
    view: &'a View,
    key: &ObjectKey,
    set: &ReplicaSetView,
    session: &Session,
) -> Vec<(&'a ObjectKey, &'a PodView)> {
    let selector = set.selector();
    let adopted = view
        .orphans(&key.namespace)
        .filter(|(_, pod)| session.adopted.contains(&pod.uid));
    view.owned(&set.metadata.uid)
        .filter(|(_, pod)| !session.released.contains(&pod.uid))
        .chain(adopted)
        .filter(|(_, pod)| pod.active() && selector.matches(&pod.labels))
        .collect()
}

/// Whether some orphan could be adopted: then the set has to be read live first.
pub(super) fn wants_to_adopt(view: &View, key: &ObjectKey, set: &ReplicaSetView) -> bool {
    if set.metadata.deleting() {
        return false;
    }
    let selector = set.selector();
    view.orphans(&key.namespace)
        .any(|(_, pod)| pod.active() && selector.matches(&pod.labels))
}

/// The adoptions (if the set may adopt) and releases that are due, with their requests.
pub(super) fn claims(
    view: &View,
    key: &ObjectKey,
    set: &ReplicaSetView,
    may_adopt: bool,
) -> (Vec<Claim>, Vec<Ask>) {
    let selector = set.selector();
    let mut claims = Vec::new();
    let mut asks = Vec::new();
    if may_adopt {
        for (pod_key, pod) in view.orphans(&key.namespace) {
            if pod.active() && selector.matches(&pod.labels) {
                let mut owners = pod.owners.clone();
                owners.push(owner_reference(set));
                claims.push(Claim::Adopt(pod.uid.clone()));
                asks.push(swap_owners(pod_key, pod, &owners));
            }
        }
    }
    if !set.metadata.deleting() {
        for (pod_key, pod) in view.owned(&set.metadata.uid) {
            if pod.active() && !selector.matches(&pod.labels) {
                let mut owners = pod.owners.clone();
                owners.retain(|owner| owner.uid != set.metadata.uid);
                claims.push(Claim::Release(pod.uid.clone()));
                asks.push(swap_owners(pod_key, pod, &owners));
            }
        }
    }
    (claims, asks)
}

/// The reference by which a set owns its pods.
pub(super) fn owner_reference(set: &ReplicaSetView) -> OwnerReference {
    OwnerReference {
        api_version: "apps/v1".to_owned(),
        kind: "ReplicaSet".to_owned(),
        name: set.metadata.name.clone(),
        uid: set.metadata.uid.clone(),
        controller: true,
        block_owner_deletion: true,
    }
}

/// Other owners for a pod, if it is still the pod that was seen: compare and swap.
fn swap_owners(key: &ObjectKey, pod: &PodView, owners: &[OwnerReference]) -> Ask {
    let owners = match owners {
        [] => serde_json::Value::Null,
        owners => json!(owners),
    };
    let body = json!({
        "metadata": {
            "uid": pod.uid,
            "resourceVersion": pod.resource_version,
            "ownerReferences": owners,
        }
    });
    Ask::json(
        ApiRequest::object(Verb::Patch(PatchType::Merge), key),
        &body,
    )
}
