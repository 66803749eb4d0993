//! What a ReplicaSet says of itself: `calculateStatus` and `updateReplicaSetStatus`.

use serde_json::{Value, json};

use crate::machine::Now;
use crate::machines::controller::Ask;
use crate::machines::replicaset::state::{Counted, Session};
use crate::machines::replicaset::view::{PodView, ReplicaSetStatus, ReplicaSetView};
use crate::messages::api::{ApiRequest, PatchType, Verb};
use crate::objects::condition::Condition;
use crate::objects::key::ObjectKey;
use crate::rules::time;

/// The condition that says that pods could not be created or deleted.
const REPLICA_FAILURE: &str = "ReplicaFailure";

/// Counts the pods that are there before anything is created or deleted.
pub(super) fn count(set: &ReplicaSetView, pods: &[(&ObjectKey, &PodView)], now: Now) -> Counted {
    let labels = template_labels(set);
    let count =
        |test: &dyn Fn(&PodView) -> bool| pods.iter().filter(|(_, pod)| test(pod)).count() as i64;
    Counted {
        replicas: pods.len() as i64,
        labeled: count(&|pod| {
            labels
                .iter()
                .all(|(key, value)| pod.labels.get(key).map(String::as_str) == value.as_str())
        }),
        ready: count(&|pod| pod.ready_since_ms.is_some()),
        available: count(&|pod| pod.available(set.spec.min_ready_seconds, now.0)),
    }
}

fn template_labels(set: &ReplicaSetView) -> serde_json::Map<String, Value> {
    let template: Value = serde_json::from_str(&set.spec.template.0).unwrap_or_default();
    let labels = template
        .pointer("/metadata/labels")
        .and_then(Value::as_object);
    labels.cloned().unwrap_or_default()
}

/// The write that makes the status true; `None` if it is.
pub(super) fn report(
    key: &ObjectKey,
    set: &ReplicaSetView,
    session: &Session,
    now: Now,
) -> Option<Ask> {
    let counted = session.counted.as_ref()?;
    let status = ReplicaSetStatus {
        replicas: counted.replicas,
        fully_labeled_replicas: counted.labeled,
        ready_replicas: counted.ready,
        available_replicas: counted.available,
        observed_generation: set.metadata.generation,
        conditions: conditions(set, session, now),
    };
    if status == set.status {
        return None;
    }
    // Zero is absent, as Kubernetes writes it; `replicas` alone is always there.
    let count = |count: i64| {
        if count == 0 {
            Value::Null
        } else {
            json!(count)
        }
    };
    let conditions = match status.conditions.as_slice() {
        [] => Value::Null,
        conditions => json!(conditions),
    };
    // With the UID, so that a successor of the same name does not get this set's counts.
    let body = json!({
        "metadata": { "uid": set.metadata.uid },
        "status": {
            "replicas": status.replicas,
            "fullyLabeledReplicas": count(status.fully_labeled_replicas),
            "readyReplicas": count(status.ready_replicas),
            "availableReplicas": count(status.available_replicas),
            "observedGeneration": count(status.observed_generation),
            "conditions": conditions,
        }
    });
    let request = ApiRequest::object(Verb::Patch(PatchType::Merge), key).subresource("status");
    Some(Ask::json(request, &body))
}

/// `ReplicaFailure` comes with the first failure and goes with the first round without one.
fn conditions(set: &ReplicaSetView, session: &Session, now: Now) -> Vec<Condition> {
    let (failed, mut others): (Vec<_>, Vec<_>) = set
        .status
        .conditions
        .iter()
        .cloned()
        .partition(|condition| condition.kind == REPLICA_FAILURE);
    if let Some((reason, message)) = &session.failure {
        let condition = failed.into_iter().next().unwrap_or_else(|| Condition {
            kind: REPLICA_FAILURE.to_owned(),
            status: "True".to_owned(),
            reason: (*reason).to_owned(),
            message: message.clone(),
            last_transition_time: Some(time::seconds(now)),
            ..Condition::default()
        });
        others.push(condition);
    }
    others
}
