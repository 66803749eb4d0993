//! Nodes come, change and go; what that wakes.

use crate::actions::scheduler::SchedulerAction;
use crate::machines::reflector::Delta;
use crate::machines::scheduler::filter;
use crate::machines::scheduler::state::State;
use crate::machines::scheduler::view::NodeView;
use crate::objects::key::ObjectKey;

/// Takes one difference in.
pub(super) fn changed(
    state: &mut State,
    delta: Delta<NodeView>,
    actions: &mut Vec<SchedulerAction>,
) {
    let none_before = state.cache.is_empty();
    let (key, present) = match delta {
        Delta::Added(key, node) | Delta::Changed(key, _, node) => {
            state.cache.put(&key.name, node);
            (key, true)
        }
        Delta::Removed(key, _) => {
            state.cache.remove(&key.name);
            (key, false)
        }
    };
    actions.push(SchedulerAction::NodeSeen {
        node: key.name.clone(),
        present,
    });
    if present && none_before {
        // Pods that were told that there is no node are told what this one lacks.
        let all: Vec<ObjectKey> = state.queue.unschedulable().cloned().collect();
        wake(state, all, actions);
    } else if present {
        wake_fitting(state, &key.name, actions);
    }
}

/// Wakes the unschedulable pods that fit this node as it is. Nothing else has changed, so no other pod can
/// have come to fit anywhere.
pub(super) fn wake_fitting(state: &mut State, node: &str, actions: &mut Vec<SchedulerAction>) {
    let Some((info, view)) = state.cache.get(node) else {
        return;
    };
    let fits = |key: &&ObjectKey| {
        let pod = state.pods.get(key);
        pod.is_some_and(|pod| filter::fits(&pod.demand, node, info, view))
    };
    let woken: Vec<ObjectKey> = state.queue.unschedulable().filter(fits).cloned().collect();
    wake(state, woken, actions);
}

fn wake(state: &mut State, pods: Vec<ObjectKey>, actions: &mut Vec<SchedulerAction>) {
    for pod in pods {
        if state.queue.wake(&pod) {
            actions.push(SchedulerAction::Woken { pod });
        }
    }
}
