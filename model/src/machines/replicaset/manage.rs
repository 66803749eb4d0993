//! Too few pods, too many pods: `manageReplicas`.

use serde_json::{Map, Value, json};

use crate::machine::Now;
use crate::machines::controller::{Answer, Ask, Context, Event, EventType};
use crate::machines::replicaset::claim::owner_reference;
use crate::machines::replicaset::state::{Session, Stage, View};
use crate::machines::replicaset::victims;
use crate::machines::replicaset::view::{PodView, ReplicaSetView};
use crate::messages::api::{ApiRequest, DeleteOptions, Verb};
use crate::objects::key::ObjectKey;
use crate::objects::kinds;
use crate::objects::status::{Reason, Status};

/// At most so many pods are created or deleted in one round, as upstream's `BurstReplicas`.
const BURST: usize = 500;

/// A batch is at most so many requests, so that one set cannot fill the connection.
const BATCH: u32 = 64;

/// Why a request failed whose answer never came.
const LOST: &str = "the connection to the API server broke";

/// Plans what is missing or too many and begins with it; empty if all is well.
pub(super) fn begin(
    view: &View,
    key: &ObjectKey,
    set: &ReplicaSetView,
    pods: Vec<(&ObjectKey, &PodView)>,
    session: &mut Session,
    context: &mut Context<'_>,
) -> Vec<Ask> {
    let wanted = usize::try_from(set.spec.replicas).unwrap_or(0);
    if pods.len() < wanted {
        let missing = (wanted - pods.len()).min(BURST) as u32;
        context.expectations.expect_creations(key, missing);
        session.stage = Stage::Creating {
            batch: 1,
            left: missing - 1,
        };
        return create(key, set, 1);
    }
    let surplus = (pods.len() - wanted).min(BURST);
    if surplus == 0 {
        session.stage = Stage::Managed;
        return Vec::new();
    }
    delete(view, key, set, pods, surplus, session, context)
}

/// So many creations of the same pod; the API server names each.
pub(super) fn create(key: &ObjectKey, set: &ReplicaSetView, count: u32) -> Vec<Ask> {
    let body = pod(key, set);
    let request = ApiRequest::collection(Verb::Create, &kinds::pods(), &key.namespace);
    vec![Ask::json(request, &body); count as usize]
}

/// The next batch of creations, twice the last; `None` if that was all, or one of the last failed.
pub(super) fn next_batch(
    key: &ObjectKey,
    set: &ReplicaSetView,
    session: &mut Session,
    context: &mut Context<'_>,
) -> Option<Vec<Ask>> {
    let Stage::Creating { batch, left } = session.stage else {
        return None;
    };
    if session.error.is_some() {
        // What is not tried will not be seen.
        context.expectations.lower_creations(key, left);
        return None;
    }
    let next = (batch * 2).min(BATCH).min(left);
    if next == 0 {
        return None;
    }
    session.stage = Stage::Creating {
        batch: next,
        left: left - next,
    };
    Some(create(key, set, next))
}

fn delete(
    view: &View,
    key: &ObjectKey,
    set: &ReplicaSetView,
    pods: Vec<(&ObjectKey, &PodView)>,
    surplus: usize,
    session: &mut Session,
    context: &mut Context<'_>,
) -> Vec<Ask> {
    let victims = victims::choose(view, key, set, pods, surplus, context.now);
    let uids = victims.iter().map(|(_, pod)| pod.uid.clone());
    context.expectations.expect_deletions(key, uids);
    let named = victims
        .iter()
        .map(|(key, pod)| (key.name.clone(), pod.uid.clone()));
    session.stage = Stage::Deleting(named.collect());
    let ask = |pod_key: &ObjectKey, pod: &PodView| {
        // By UID, so that a successor of the same name is not hit.
        let options = DeleteOptions {
            uid: Some(pod.uid.clone()),
            ..DeleteOptions::default()
        };
        Ask::bare(ApiRequest::object(Verb::Delete(options), pod_key))
    };
    victims.iter().map(|(key, pod)| ask(key, pod)).collect()
}

/// The pod that the template describes: `GetPodFromTemplate`.
fn pod(key: &ObjectKey, set: &ReplicaSetView) -> Value {
    let template = serde_json::from_str(&set.spec.template.0);
    let Ok(Value::Object(mut template)) = template else {
        return Value::Null;
    };
    let mut metadata = Map::new();
    if let Some(Value::Object(mut asked)) = template.remove("metadata") {
        for field in ["labels", "annotations", "finalizers"] {
            if let Some(value) = asked.remove(field) {
                metadata.insert(field.to_owned(), value);
            }
        }
    }
    metadata.insert("generateName".to_owned(), json!(format!("{}-", key.name)));
    metadata.insert("namespace".to_owned(), json!(key.namespace));
    metadata.insert("ownerReferences".to_owned(), json!([owner_reference(set)]));
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": template.remove("spec").unwrap_or_else(|| json!({})),
    })
}

/// Takes note of what became of one creation.
pub(super) fn created(
    key: &ObjectKey,
    session: &mut Session,
    answer: Answer,
    context: &mut Context<'_>,
) {
    let failure = match answer {
        Answer::Done(_, objects) => {
            let name = objects.into_iter().next().map(|pod| pod.key.name);
            let message = format!("Created pod: {}", name.unwrap_or_default());
            record(
                key,
                session,
                context,
                EventType::Normal,
                "SuccessfulCreate",
                message,
            );
            return;
        }
        // Every creation will fail until the namespace is gone, and with it this set.
        Answer::Failed(status) if namespace_terminates(&status) => None,
        Answer::Failed(status) => Some(status.message),
        Answer::Lost => {
            session.lost = true;
            Some(LOST.to_owned())
        }
    };
    context.expectations.creation_observed(key);
    if let Some(why) = failure {
        let message = format!("Error creating: {why}");
        record(
            key,
            session,
            context,
            EventType::Warning,
            "FailedCreate",
            message,
        );
        fail(session, "FailedCreate", why);
    }
}

/// Takes note of what became of one deletion.
pub(super) fn deleted(
    key: &ObjectKey,
    (name, uid): (String, String),
    session: &mut Session,
    answer: Answer,
    context: &mut Context<'_>,
) {
    let why = match answer {
        Answer::Done(..) => {
            let message = format!("Deleted pod: {name}");
            return record(
                key,
                session,
                context,
                EventType::Normal,
                "SuccessfulDelete",
                message,
            );
        }
        Answer::Failed(status) => {
            context.expectations.deletion_observed(key, &uid);
            // Someone else was faster: gone, or another pod by now.
            if matches!(status.reason, Reason::NotFound | Reason::Conflict) {
                return;
            }
            status.message
        }
        Answer::Lost => {
            context.expectations.deletion_observed(key, &uid);
            session.lost = true;
            LOST.to_owned()
        }
    };
    let message = format!("Error deleting: {why}");
    record(
        key,
        session,
        context,
        EventType::Warning,
        "FailedDelete",
        message,
    );
    fail(session, "FailedDelete", why);
}

fn fail(session: &mut Session, reason: &'static str, why: String) {
    session.failure.get_or_insert_with(|| (reason, why.clone()));
    session.error.get_or_insert(why);
}

fn namespace_terminates(status: &Status) -> bool {
    let causes = &status.details.causes;
    causes
        .iter()
        .any(|cause| cause.reason == "NamespaceTerminating")
}

fn record(
    key: &ObjectKey,
    session: &Session,
    context: &mut Context<'_>,
    kind: EventType,
    reason: &'static str,
    message: String,
) {
    let (about, uid) = (key.clone(), session.uid.clone());
    context.events.push(Event {
        about,
        uid,
        kind,
        reason,
        message,
    });
}

/// When pods that are ready become available, if some are not yet: milliseconds from now.
pub(super) fn available_in(
    set: &ReplicaSetView,
    pods: &[(&ObjectKey, &PodView)],
    now: Now,
) -> Option<u64> {
    let wait = u64::try_from(set.spec.min_ready_seconds)
        .ok()?
        .saturating_mul(1000);
    pods.iter()
        .filter_map(|(_, pod)| pod.ready_since_ms)
        .map(|since| since.saturating_add(wait).saturating_sub(now.0))
        .filter(|left| *left > 0)
        .min()
}
