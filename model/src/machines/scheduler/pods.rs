//! Step 4: pods come, change and go.

use crate::actions::scheduler::SchedulerAction;
use crate::machine::Out;
use crate::machines::reflector::Delta;
use crate::machines::scheduler::state::{Assumed, Progress, Scheduler, State, Timer};
use crate::machines::scheduler::view::PodView;
use crate::machines::scheduler::{binding, nodes};
use crate::objects::key::ObjectKey;

/// Takes one difference in.
pub(super) fn changed(
    state: &mut State,
    delta: Delta<PodView>,
    actions: &mut Vec<SchedulerAction>,
    out: &mut Out<Scheduler>,
) {
    match delta {
        Delta::Added(key, pod) => appeared(state, key, pod, actions, out),
        Delta::Changed(key, old, new) if old.uid == new.uid => {
            updated(state, key, &old, new, actions, out);
        }
        // Another pod of the same name: the deletion in between was not seen.
        Delta::Changed(key, old, new) => {
            disappeared(state, &key, &old, actions, out);
            appeared(state, key, new, actions, out);
        }
        Delta::Removed(key, old) => disappeared(state, &key, &old, actions, out),
    }
}

/// A pod holds room from its binding until it is over or gone; graceful deletion does not end that.
fn holds_room(pod: &PodView) -> bool {
    !pod.node.is_empty() && !pod.finished
}

fn wants_node(pod: &PodView) -> bool {
    pod.node.is_empty() && !pod.finished && pod.ours
}

fn appeared(
    state: &mut State,
    key: ObjectKey,
    pod: PodView,
    actions: &mut Vec<SchedulerAction>,
    out: &mut Out<Scheduler>,
) {
    if holds_room(&pod) {
        confirm(state, &key, &pod, actions, out);
    } else if wants_node(&pod) {
        state.queue.add(&key, pod.demand.priority);
        actions.push(SchedulerAction::Queued {
            pod: key,
            uid: pod.uid,
        });
    }
}

fn updated(
    state: &mut State,
    key: ObjectKey,
    old: &PodView,
    new: PodView,
    actions: &mut Vec<SchedulerAction>,
    out: &mut Out<Scheduler>,
) {
    // What an assumed pod asks for counts as it is by now.
    if let Some(assumed) = state
        .assumed
        .get_mut(&key)
        .filter(|it| it.demand != new.demand)
    {
        state.cache.free(&assumed.node, &key, &assumed.demand);
        state.cache.take(&assumed.node, &key, &new.demand);
        assumed.demand = new.demand.clone();
    }
    match (holds_room(old), holds_room(&new)) {
        (false, true) => confirm(state, &key, &new, actions, out),
        (true, false) => {
            let (node, uid) = (old.node.clone(), new.uid);
            state.cache.free(&node, &key, &old.demand);
            actions.push(SchedulerAction::Dropped { pod: key, uid });
            nodes::wake_fitting(state, &node, actions);
        }
        // Resized where it is (KEP-1287).
        (true, true) if old.demand != new.demand => {
            state.cache.free(&old.node, &key, &old.demand);
            state.cache.take(&new.node, &key, &new.demand);
            nodes::wake_fitting(state, &new.node, actions);
        }
        (true, true) => {}
        (false, false) => match (wants_node(old), wants_node(&new)) {
            (false, true) => {
                state.queue.add(&key, new.demand.priority);
                actions.push(SchedulerAction::Queued {
                    pod: key,
                    uid: new.uid,
                });
            }
            (true, false) => drop_waiting(state, &key, old, actions, out),
            // What it asks for has changed: it may fit now. Its own status, which this scheduler writes, is no
            // reason to try again.
            (true, true) if old.demand != new.demand && state.queue.wake(&key) => {
                actions.push(SchedulerAction::Woken { pod: key });
            }
            _ => {}
        },
    }
}

fn disappeared(
    state: &mut State,
    key: &ObjectKey,
    pod: &PodView,
    actions: &mut Vec<SchedulerAction>,
    out: &mut Out<Scheduler>,
) {
    if holds_room(pod) {
        state.cache.free(&pod.node, key, &pod.demand);
        let uid = pod.uid.clone();
        actions.push(SchedulerAction::Dropped {
            pod: key.clone(),
            uid,
        });
        nodes::wake_fitting(state, &pod.node, actions);
    } else {
        drop_waiting(state, key, pod, actions, out);
    }
}

/// A pod that was waiting or assumed is not to be placed any more.
fn drop_waiting(
    state: &mut State,
    key: &ObjectKey,
    pod: &PodView,
    actions: &mut Vec<SchedulerAction>,
    out: &mut Out<Scheduler>,
) {
    let waited = state.queue.place(key).is_some();
    let freed = release(state, key, out);
    if waited {
        state.queue.remove(key);
        out.cancel(Timer::Backoff(key.clone()));
        out.cancel(Timer::Stale(key.clone()));
    }
    if waited || freed.is_some() {
        let uid = pod.uid.clone();
        actions.push(SchedulerAction::Dropped {
            pod: key.clone(),
            uid,
        });
    }
    if let Some(node) = freed {
        nodes::wake_fitting(state, &node, actions);
    }
}

/// Gives back the room of an assumed pod; the node, if it was one.
pub(super) fn release(
    state: &mut State,
    key: &ObjectKey,
    out: &mut Out<Scheduler>,
) -> Option<String> {
    let assumed = state.assumed.remove(key)?;
    if let Progress::Asked { .. } = assumed.progress {
        // The answer will find nothing to do, but the request is still under way.
        state.binding = state.binding.saturating_sub(1);
    }
    out.cancel(Timer::Rebind(key.clone()));
    out.cancel(Timer::Assumed(key.clone()));
    state.cache.free(&assumed.node, key, &assumed.demand);
    Some(assumed.node)
}

/// The informer shows a pod on a node: the assumption is confirmed, or someone else placed it.
fn confirm(
    state: &mut State,
    key: &ObjectKey,
    pod: &PodView,
    actions: &mut Vec<SchedulerAction>,
    out: &mut Out<Scheduler>,
) {
    if state.queue.place(key).is_some() {
        state.queue.remove(key);
        out.cancel(Timer::Backoff(key.clone()));
        out.cancel(Timer::Stale(key.clone()));
    }
    // The watch may be faster than the answer to the binding; then this is the answer.
    let placed = |it: &Assumed| it.node == pod.node && it.progress != Progress::Done;
    if state.assumed.get(key).is_some_and(placed) {
        binding::bound(key, &pod.uid, &pod.node, actions, out);
    }
    let freed = release(state, key, out);
    state.cache.take(&pod.node, key, &pod.demand);
    let (uid, node) = (pod.uid.clone(), pod.node.clone());
    actions.push(SchedulerAction::Confirmed {
        pod: key.clone(),
        uid,
        node,
    });
    if let Some(node) = freed.filter(|node| *node != pod.node) {
        nodes::wake_fitting(state, &node, actions);
    }
}
