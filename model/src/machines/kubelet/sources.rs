//! Which pods there should be: what the API tells of the pods bound to this node (step 8 of a pod's path).

use std::collections::BTreeSet;

use crate::actions::kubelet::KubeletAction;
use crate::machine::Step;
use crate::machines::kubelet::Kubelet;
use crate::machines::kubelet::pod::Pod;
use crate::machines::kubelet::state::{Admission, Record, Retry, State};

/// The grace time left to a pod that was removed by force, in seconds
/// (kubernetes `pkg/kubelet/kuberuntime/kuberuntime_container.go`, `minimumGracePeriodInSeconds`).
const LEAST_GRACE_S: u64 = 2;

/// Every pod bound to this node. A pod that is not among them is gone.
///
/// A list older than what was seen before is refused. The node's registration counts as seen: whatever this node
/// did in a former life is older, so no list that is taken can bring back a pod that has ended here
/// (kubernetes 59848).
pub fn listed(
    kubelet: &Kubelet,
    state: &mut State,
    revision: u64,
    pods: Vec<Pod>,
) -> Step<KubeletAction> {
    if revision < state.floor {
        return Step::Refused("a list of pods older than what was seen before");
    }
    state.floor = revision;
    state.pods_listed = true;
    let mut actions = Vec::new();
    let listed: BTreeSet<String> = pods.iter().map(|pod| pod.name.uid.clone()).collect();
    let lost: Vec<String> = state
        .pods
        .keys()
        .filter(|uid| !listed.contains(*uid))
        .cloned()
        .collect();
    for uid in lost {
        if let Some(record) = state.pods.get_mut(&uid) {
            lose(record, None, &mut actions);
        }
    }
    for pod in pods {
        apply(kubelet, state, pod, &mut actions);
    }
    Step::Moved(actions)
}

/// A pod was added or has changed.
pub fn applied(
    kubelet: &Kubelet,
    state: &mut State,
    revision: u64,
    pod: Pod,
) -> Step<KubeletAction> {
    if revision <= state.floor
        && state
            .pods
            .get(&pod.name.uid)
            .is_none_or(|found| found.pod.is_none())
    {
        return Step::Refused("a pod from before the last list");
    }
    state.floor = state.floor.max(revision);
    let mut actions = Vec::new();
    apply(kubelet, state, pod, &mut actions);
    Step::Moved(actions)
}

/// A pod was removed from the API: after this kubelet said so, or by force.
pub fn gone(
    state: &mut State,
    revision: u64,
    uid: &str,
    grace_s: Option<u64>,
) -> Step<KubeletAction> {
    state.floor = state.floor.max(revision);
    let Some(record) = state.pods.get_mut(uid) else {
        return Step::Nothing;
    };
    let mut actions = Vec::new();
    lose(record, grace_s, &mut actions);
    Step::Moved(actions)
}

fn lose(record: &mut Record, grace_s: Option<u64>, actions: &mut Vec<KubeletAction>) {
    let Some(pod) = record.pod.take() else {
        return;
    };
    let grace = grace_s.unwrap_or(pod.grace_s).max(LEAST_GRACE_S);
    record.grace_s = record.grace_s.min(grace);
    record.retry = Retry::default();
    actions.push(KubeletAction::PodGone { pod: pod.name });
}

fn apply(kubelet: &Kubelet, state: &mut State, pod: Pod, actions: &mut Vec<KubeletAction>) {
    // A container starts only for a pod bound to this node.
    if pod.node_name != kubelet.config.node_name {
        if let Some(record) = state.pods.get_mut(&pod.name.uid) {
            lose(record, None, actions);
        }
        return;
    }
    // The API has one pod of a name: any other of that name is gone, told or not.
    for record in state.pods.values_mut() {
        let namesake = record.name.namespace == pod.name.namespace
            && record.name.name == pod.name.name
            && record.name.uid != pod.name.uid;
        if namesake {
            lose(record, None, actions);
            state.held.insert(record.name.uid.clone());
        }
    }
    let record = state
        .pods
        .entry(pod.name.uid.clone())
        .or_insert_with(|| Record::new(pod.name.clone()));
    let mut pod = pod;
    if let Some(before) = &record.pod {
        // What is reported is this kubelet's own word, but for the conditions of others.
        let conditions = std::mem::take(&mut pod.reported.conditions);
        pod.reported = before.reported.clone();
        pod.reported.conditions = conditions;
    }
    let before = record.pod.replace(pod.clone());
    let was_deleting = before.as_ref().is_some_and(|before| before.deleting);
    if pod.deleting && !was_deleting {
        record.retry = Retry::default();
        actions.push(KubeletAction::DeletionSeen {
            pod: pod.name.clone(),
            grace_s: pod.grace_s,
        });
    }
    // A deletion is never taken back, and its grace time only becomes shorter.
    if was_deleting {
        if let Some(kept) = record.pod.as_mut() {
            kept.deleting = true;
        }
        record.grace_s = record.grace_s.min(pod.grace_s);
    } else {
        record.grace_s = pod.grace_s;
    }
    if before.is_none() {
        record.requests = pod.requests;
        record.phase = record.phase.max(pod.reported.phase);
        record.start_time = pod.reported.start_time.clone();
        if pod.reported.phase.terminal() {
            // It has ended in a former life: nothing of it runs again (phases only go forward).
            record.finished = Some(pod.reported.phase);
            record.inherited = true;
            record.admission = Admission::Admitted;
        }
    }
}
