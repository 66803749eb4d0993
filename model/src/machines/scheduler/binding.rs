//! Step 5: a node is chosen, the binding is asked for, its answer comes.

use serde_json::json;

use crate::actions::scheduler::SchedulerAction;
use crate::machine::{Now, Out};
use crate::machines::controller::{Ask, Event, EventType};
use crate::machines::scheduler::input::Binding;
use crate::machines::scheduler::output::Output;
use crate::machines::scheduler::queue::UNSCHEDULABLE_MS;
use crate::machines::scheduler::state::{Assumed, Progress, Scheduler, State, Timer};
use crate::machines::scheduler::view::PodView;
use crate::machines::scheduler::{filter, nodes, score};
use crate::messages::api::{ApiRequest, PatchType, Verb};
use crate::objects::condition::Condition;
use crate::objects::key::ObjectKey;
use crate::rules::time;

/// The condition that says whether a pod has a node.
const POD_SCHEDULED: &str = "PodScheduled";

/// Tries one pod.
pub(super) fn place(
    state: &mut State,
    key: ObjectKey,
    now: Now,
    actions: &mut Vec<SchedulerAction>,
    out: &mut Out<Scheduler>,
) {
    let Some(pod) = state.pods.get(&key) else {
        state.queue.remove(&key);
        return;
    };
    let chosen = score::choose(&state.cache, &pod.demand);
    let Some(node) = chosen else {
        return unschedulable(state, key, now, actions, out);
    };
    // Assumed before the answer: the room is not given out twice.
    let uid = pod.uid.clone();
    state.cache.take(&node, &key, &pod.demand);
    state.cache.turn();
    let progress = Progress::Asked { again: false };
    let assumed = Assumed {
        uid: uid.clone(),
        node: node.clone(),
        demand: pod.demand.clone(),
        progress,
    };
    state.assumed.insert(key.clone(), assumed);
    out.cancel(Timer::Stale(key.clone()));
    actions.push(SchedulerAction::Assumed {
        pod: key.clone(),
        uid: uid.clone(),
        node: node.clone(),
    });
    ask(state, key, uid, &node, out);
}

fn ask(state: &mut State, key: ObjectKey, uid: String, node: &str, out: &mut Out<Scheduler>) {
    let body = json!({
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": { "name": key.name, "namespace": key.namespace, "uid": uid },
        "target": { "apiVersion": "v1", "kind": "Node", "name": node },
    });
    let request = ApiRequest::object(Verb::Create, &key).subresource("binding");
    state.binding += 1;
    out.push(Output::Bind {
        pod: key,
        uid,
        ask: Ask::json(request, &body),
    });
}

/// No node fits: the pod waits for a change, and its condition and an event say why.
fn unschedulable(
    state: &mut State,
    key: ObjectKey,
    now: Now,
    actions: &mut Vec<SchedulerAction>,
    out: &mut Out<Scheduler>,
) {
    let wait = state.queue.park(&key);
    out.timer(Timer::Backoff(key.clone()), wait);
    out.timer(Timer::Stale(key.clone()), UNSCHEDULABLE_MS);
    let Some(pod) = state.pods.get(&key) else {
        return;
    };
    let objections = state
        .cache
        .around()
        .flat_map(|(name, info, node)| filter::objections(&pod.demand, name, info, node));
    let message = filter::message(state.cache.len(), objections);
    report(&key, pod, "Unschedulable", &message, now, out);
    record(
        &key,
        &pod.uid,
        EventType::Warning,
        "FailedScheduling",
        message.clone(),
        out,
    );
    let uid = pod.uid.clone();
    actions.push(SchedulerAction::Unschedulable {
        pod: key,
        uid,
        message,
    });
}

/// Writes `PodScheduled=False`, unless the pod says so already.
fn report(
    key: &ObjectKey,
    pod: &PodView,
    reason: &str,
    message: &str,
    now: Now,
    out: &mut Out<Scheduler>,
) {
    let before = pod.conditions.iter().find(|it| it.kind == POD_SCHEDULED);
    if before.is_some_and(|it| it.status == "False" && it.reason == reason && it.message == message)
    {
        return;
    }
    let stays = before.filter(|it| it.status == "False");
    let since = stays.and_then(|it| it.last_transition_time.clone());
    let mut conditions = pod.conditions.clone();
    conditions.retain(|it| it.kind != POD_SCHEDULED);
    conditions.push(Condition {
        kind: POD_SCHEDULED.to_owned(),
        status: "False".to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        last_probe_time: None,
        last_transition_time: Some(since.unwrap_or_else(|| time::seconds(now))),
        observed_generation: (pod.generation > 0).then_some(pod.generation),
    });
    // The whole list is replaced, so only over the list that was seen: compare and swap.
    let body = json!({
        "metadata": { "uid": pod.uid, "resourceVersion": pod.resource_version },
        "status": { "conditions": conditions },
    });
    let request = ApiRequest::object(Verb::Patch(PatchType::Merge), key).subresource("status");
    out.push(Output::Report(Ask::json(request, &body)));
}

fn record(
    key: &ObjectKey,
    uid: &str,
    kind: EventType,
    reason: &'static str,
    message: String,
    out: &mut Out<Scheduler>,
) {
    let (about, uid) = (key.clone(), uid.to_owned());
    out.push(Output::Record(Event {
        about,
        uid,
        kind,
        reason,
        message,
    }));
}

/// The answer to a binding. `false` if nothing waits for it.
pub(super) fn answered(
    scheduler: &Scheduler,
    state: &mut State,
    key: &ObjectKey,
    uid: String,
    answer: Binding,
    actions: &mut Vec<SchedulerAction>,
    out: &mut Out<Scheduler>,
) -> bool {
    let Some(assumed) = state.assumed.get_mut(key).filter(|it| it.uid == uid) else {
        return false;
    };
    let Progress::Asked { again } = assumed.progress else {
        return false;
    };
    state.binding = state.binding.saturating_sub(1);
    let (pod, node) = (key.clone(), assumed.node.clone());
    match answer {
        Binding::Done => {
            assumed.progress = Progress::Done;
            let message = format!(
                "Successfully assigned {}/{} to {node}",
                key.namespace, key.name
            );
            record(key, &uid, EventType::Normal, "Scheduled", message, out);
            actions.push(SchedulerAction::Bound { pod, uid, node });
        }
        Binding::Lost => {
            assumed.progress = Progress::Lost;
            out.timer(Timer::Rebind(key.clone()), scheduler.rebind_ms);
            actions.push(SchedulerAction::BindingLost { pod, uid, node });
        }
        // The request before, of which nobody knows, may be why this one is refused.
        Binding::Refused(..) if again => {
            assumed.progress = Progress::Unknown;
            out.timer(Timer::Assumed(key.clone()), scheduler.assumed_ms);
            actions.push(SchedulerAction::BindingLost { pod, uid, node });
        }
        Binding::Refused(_, why) => {
            record(
                key,
                &uid,
                EventType::Warning,
                "FailedScheduling",
                format!("binding rejected: {why}"),
                out,
            );
            forget(state, key, actions, out);
        }
    }
    true
}

/// Step 6 is done.
pub(super) fn bound(
    key: &ObjectKey,
    uid: &str,
    node: &str,
    actions: &mut Vec<SchedulerAction>,
    out: &mut Out<Scheduler>,
) {
    let message = format!(
        "Successfully assigned {}/{} to {node}",
        key.namespace, key.name
    );
    record(key, uid, EventType::Normal, "Scheduled", message, out);
    let (pod, uid, node) = (key.clone(), uid.to_owned(), node.to_owned());
    actions.push(SchedulerAction::Bound { pod, uid, node });
}

/// Asks again for a binding that got no answer.
pub(super) fn again(state: &mut State, key: ObjectKey, out: &mut Out<Scheduler>) -> bool {
    let Some(assumed) = state
        .assumed
        .get_mut(&key)
        .filter(|it| it.progress == Progress::Lost)
    else {
        return false;
    };
    assumed.progress = Progress::Asked { again: true };
    let (uid, node) = (assumed.uid.clone(), assumed.node.clone());
    ask(state, key, uid, &node, out);
    true
}

/// Nothing was seen of a binding that nobody knows about.
pub(super) fn expired(
    state: &mut State,
    key: &ObjectKey,
    actions: &mut Vec<SchedulerAction>,
    out: &mut Out<Scheduler>,
) -> bool {
    let unknown = |it: &Assumed| it.progress == Progress::Unknown;
    if !state.assumed.get(key).is_some_and(unknown) {
        return false;
    }
    forget(state, key, actions, out);
    true
}

/// Gives the room back and lets the pod back off.
fn forget(
    state: &mut State,
    key: &ObjectKey,
    actions: &mut Vec<SchedulerAction>,
    out: &mut Out<Scheduler>,
) {
    let Some(assumed) = state.assumed.remove(key) else {
        return;
    };
    state.cache.free(&assumed.node, key, &assumed.demand);
    let wait = state.queue.back_off(key);
    out.timer(Timer::Backoff(key.clone()), wait);
    let (uid, node) = (assumed.uid, assumed.node.clone());
    actions.push(SchedulerAction::Forgotten {
        pod: key.clone(),
        uid,
        node,
    });
    nodes::wake_fitting(state, &assumed.node, actions);
}
