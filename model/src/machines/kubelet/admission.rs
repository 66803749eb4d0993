//! Which pods the node takes (kubernetes `pkg/kubelet/lifecycle/predicate.go`).

use std::collections::BTreeSet;

use crate::actions::kubelet::KubeletAction;
use crate::machine::Now;
use crate::machines::kubelet::Kubelet;
use crate::machines::kubelet::pod::{Former, Pod, Requests};
use crate::machines::kubelet::report::UNSEEN_EXIT_CODE;
use crate::machines::kubelet::state::{Admission, Ended, Instance, Life, Record, State};
use crate::rules::time;

/// What to do with a pod that asks for admission.
enum Verdict {
    Admit,
    /// It would fit if the pods that are gone from the API had ended.
    Wait,
    Reject(String, String),
}

/// Decides on every undecided pod, what runs already first, then the oldest.
/// Tells which pods (UIDs) were decided on.
pub fn decide(
    kubelet: &Kubelet,
    state: &mut State,
    now: Now,
    actions: &mut Vec<KubeletAction>,
) -> BTreeSet<String> {
    let mut decided = BTreeSet::new();
    let mut undecided: Vec<(bool, String, String)> = state
        .pods
        .iter()
        .filter(|(_, record)| {
            record.admission == Admission::Undecided && record.ending(state.stopping).is_none()
        })
        .filter_map(|(uid, record)| {
            let created = record.pod.as_ref()?.created.clone();
            Some((!record.may_be_alive(), created, uid.clone()))
        })
        .collect();
    undecided.sort();
    for (_, _, uid) in undecided {
        let Some(pod) = state.pods.get(&uid).and_then(|record| record.pod.clone()) else {
            continue;
        };
        // What runs was admitted before this kubelet started, and is not stopped for a sum.
        let running = state.pods.get(&uid).is_some_and(Record::may_be_alive);
        let verdict = if running {
            Verdict::Admit
        } else {
            verdict(kubelet, state, &pod)
        };
        let Some(record) = state.pods.get_mut(&uid) else {
            continue;
        };
        if !matches!(verdict, Verdict::Wait) {
            decided.insert(uid);
        }
        match verdict {
            Verdict::Wait => {}
            Verdict::Admit => {
                admit(record, &pod, now);
                actions.push(KubeletAction::PodAdmitted {
                    pod: pod.name.clone(),
                    cpu_milli: pod.requests.cpu_milli,
                    memory_bytes: pod.requests.memory_bytes,
                });
            }
            Verdict::Reject(reason, message) => {
                record.start_time = Some(time::seconds(now));
                record.admission = Admission::Rejected(reason.clone(), message);
                actions.push(KubeletAction::PodRejected {
                    pod: pod.name.clone(),
                    reason,
                });
            }
        }
    }
    decided
}

/// Sets the pod's requests aside and makes room for its containers' states.
fn admit(record: &mut Record, pod: &Pod, now: Now) {
    record.admission = Admission::Admitted;
    let seen = pod.reported.start_time.clone();
    record.start_time = Some(seen.unwrap_or_else(|| time::seconds(now)));
    for container in pod.all() {
        let former = pod.reported.started.get(&container.name);
        let instance = record
            .containers
            .entry(container.name.clone())
            .or_insert_with(|| former.map_or(Instance::default(), lost));
        // Of what an earlier kubelet started only the image's id is known.
        if instance.made > 0 {
            instance.image.clone_from(&container.image);
        }
    }
}

/// An instance that was reported and that the runtime does not have (the machine was started anew): it has ended.
fn lost(former: &Former) -> Instance {
    Instance {
        made: former.restarts.saturating_add(1),
        life: Life::Ended(Ended {
            exit_code: former.exit_code.unwrap_or(UNSEEN_EXIT_CODE),
            reason: "ContainerStatusUnknown".to_owned(),
            message: "The container could not be located when the node was started".to_owned(),
            ..Ended::default()
        }),
        ..Instance::default()
    }
}

fn verdict(kubelet: &Kubelet, state: &State, pod: &Pod) -> Verdict {
    let config = &kubelet.config;
    let selected = pod
        .node_selector
        .iter()
        .all(|(key, value)| config.labels.get(key) == Some(value));
    if !selected {
        return rejected(
            "NodeAffinity",
            "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
        );
    }
    let everything = taken(state, pod, true);
    let staying = taken(state, pod, false);
    if fault(kubelet, pod, everything).is_none() {
        return Verdict::Admit;
    }
    match fault(kubelet, pod, staying) {
        None => Verdict::Wait,
        Some((resource, requested, used, capacity)) => rejected(
            &format!("OutOf{resource}"),
            &format!(
                "Node didn't have enough resource: {resource}, requested: {requested}, used: {used}, capacity: {capacity}"
            ),
        ),
    }
}

fn rejected(reason: &str, message: &str) -> Verdict {
    Verdict::Reject(reason.to_owned(), format!("Pod was rejected: {message}"))
}

/// Pods and requests that are set aside for others; with or without the pods that are gone from the API.
fn taken(state: &State, pod: &Pod, gone_too: bool) -> (u32, Requests) {
    state
        .pods
        .values()
        .filter(|record| record.name != pod.name)
        .filter(|record| record.holds_resources() && (gone_too || record.pod.is_some()))
        .fold((0, Requests::default()), |(pods, sum), record| {
            (pods + 1, sum.plus(record.requests))
        })
}

/// The first resource of which there is not enough: its name, what is asked for, taken, and there.
fn fault(
    kubelet: &Kubelet,
    pod: &Pod,
    (pods, taken): (u32, Requests),
) -> Option<(&'static str, i64, i64, i64)> {
    let config = &kubelet.config;
    if pods >= config.max_pods {
        return Some(("pods", 1, i64::from(pods), i64::from(config.max_pods)));
    }
    let amounts = [
        (
            "cpu",
            pod.requests.cpu_milli,
            taken.cpu_milli,
            config.allocatable.cpu_milli,
        ),
        (
            "memory",
            pod.requests.memory_bytes,
            taken.memory_bytes,
            config.allocatable.memory_bytes,
        ),
    ];
    amounts
        .into_iter()
        .find(|(_, asked, used, capacity)| *asked > 0 && asked.saturating_add(*used) > *capacity)
}
