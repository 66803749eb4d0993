//! What comes next: for each pod at most one operation, and its status if that has changed
//! (step 9 of a pod's path; kubernetes `pkg/kubelet/kuberuntime/kuberuntime_manager.go`, `computePodActions`).

use std::collections::BTreeSet;

use crate::actions::kubelet::KubeletAction;
use crate::machine::{Now, Out};
use crate::machines::kubelet::Kubelet;
use crate::machines::kubelet::ended::tell;
use crate::machines::kubelet::input::{Input, Timer};
use crate::machines::kubelet::next::{finish, wind_down, wind_up};
use crate::machines::kubelet::output::{Operation, Output};
use crate::machines::kubelet::state::{Admission, Ending, Life, Record, Removal, State};
use crate::machines::kubelet::{admission, deadline, report};
use crate::rules::backoff;

/// Which pods an input is about.
pub enum About {
    /// The one with this UID.
    Pod(String),
    /// All, perhaps.
    All,
    /// The node, and no pod.
    Node,
}

/// Which pods an input is about.
pub fn about(input: &Input) -> About {
    let uid = match input {
        Input::RuntimeListed { .. } | Input::PodsListed { .. } | Input::Stop => return About::All,
        Input::ContainerEnded(report) => &report.uid,
        Input::SandboxDied { uid, .. }
        | Input::Pulling { uid, .. }
        | Input::Done { uid, .. }
        | Input::PodGone { uid, .. }
        | Input::StatusWritten { uid, .. }
        | Input::PodDeleted { uid, .. } => uid,
        Input::PodApplied { pod, .. } => &pod.name.uid,
        Input::Fired(
            Timer::Pod(uid) | Timer::Status(uid) | Timer::Container(uid, _) | Timer::Deadline(uid),
        ) => uid,
        _ => return About::Node,
    };
    About::Pod(uid.clone())
}

/// Asks for everything that has become possible.
pub fn settle(
    kubelet: &Kubelet,
    state: &mut State,
    now: Now,
    about: About,
    out: &mut Out<Kubelet>,
    actions: &mut Vec<KubeletAction>,
) {
    if state.relist && !state.relisting {
        state.relist = false;
        state.relisting = true;
        out.push(Output::ListRuntime);
    }
    // Before both have told, a missing pod may only not have been told yet.
    if state.runtime_listed && (state.pods_listed || state.stopping) {
        let mut uids = match about {
            About::Pod(uid) => BTreeSet::from([uid]),
            About::All => state.pods.keys().cloned().collect(),
            About::Node => BTreeSet::new(),
        };
        uids.append(&mut state.held);
        uids.append(&mut admission::decide(kubelet, state, now, actions));
        for uid in &uids {
            if let Some(record) = state.pods.get_mut(uid) {
                deadline::observe(record, now, out);
            }
            advance(kubelet, state, uid, out, actions);
        }
        for uid in &uids {
            if let Some(record) = state.pods.get_mut(uid) {
                write_status(kubelet, record, state.stopping, now, out, actions);
                remove(record, out, actions);
            }
        }
        let before = state.pods.len();
        state.pods.retain(|_, record| {
            let forgotten = record.pod.is_none()
                && record.clean()
                && !record.directories
                && !record.reporting.in_flight
                && record.removal != Removal::Asked;
            if forgotten {
                out.push(Output::Forget(record.name.clone()));
                actions.push(KubeletAction::PodForgotten {
                    pod: record.name.clone(),
                });
            }
            !forgotten
        });
        if state.pods.len() < before {
            // Others may have waited for the name or for the room.
            return settle(kubelet, state, now, About::Node, out, actions);
        }
    }
    // Until the runtime has told, pods of an earlier process may be there.
    let clean = state.runtime_listed && state.pods.values().all(Record::clean);
    if state.stopping && !state.stopped && clean {
        state.stopped = true;
        out.push(Output::Stopped);
        actions.push(KubeletAction::NodeStopped);
    }
}

/// Starts the next operation of a pod, if there is one and nothing is in its way.
fn advance(
    kubelet: &Kubelet,
    state: &mut State,
    uid: &str,
    out: &mut Out<Kubelet>,
    actions: &mut Vec<KubeletAction>,
) {
    let stopping = state.stopping;
    let relisting = state.relisting;
    let Some(record) = state.pods.get_mut(uid) else {
        return;
    };
    if record.finished.is_none() {
        record.finished = finish(record, stopping);
    }
    let ending = record.ending(stopping);
    if let Some(operation) = record.operation.clone() {
        if ending.is_none() {
            return;
        }
        let grace_s = grace(kubelet, record, stopping);
        overtake(record, operation, grace_s, out, actions);
        if record.operation.is_some() {
            return;
        }
    }
    if record.retry.waiting {
        return;
    }
    let next = match ending {
        Some(ending) => wind_down(record, ending, grace(kubelet, record, stopping)),
        None if record.admission != Admission::Admitted => return,
        None => wind_up(record),
    };
    let Some(operation) = next else {
        return;
    };
    if operation.starts() && (all_places_taken(kubelet, state) || has_namesake(state, uid)) {
        state.held.insert(uid.to_owned());
        return;
    }
    if let Some(record) = state.pods.get_mut(uid) {
        record.unsure |= relisting;
        begin(record, operation, out, actions);
    }
}

fn all_places_taken(kubelet: &Kubelet, state: &State) -> bool {
    let starting = state
        .pods
        .values()
        .filter(|record| record.operation.as_ref().is_some_and(Operation::starts))
        .count();
    starting >= kubelet.config.parallel_starts as usize
}

/// Whether another pod of the same name may still have something here: it ends first (at most one).
fn has_namesake(state: &State, uid: &str) -> bool {
    let Some(own) = state.pods.get(uid) else {
        return false;
    };
    state.pods.iter().any(|(other, record)| {
        other != uid
            && record.name.namespace == own.name.namespace
            && record.name.name == own.name.name
            && !record.clean()
    })
}

/// A pod that ends does not wait for an image, nor longer for its containers than it has to.
fn overtake(
    record: &mut Record,
    operation: Operation,
    wanted: u64,
    out: &mut Out<Kubelet>,
    actions: &mut Vec<KubeletAction>,
) {
    match operation {
        Operation::EnsureImage { .. } | Operation::PrepareVolumes => {
            record.operation = None;
            out.push(Output::Abandon {
                pod: record.name.clone(),
                operation,
            });
        }
        Operation::StopContainers { grace_s } if wanted < grace_s => begin(
            record,
            Operation::StopContainers { grace_s: wanted },
            out,
            actions,
        ),
        _ => {}
    }
}

fn grace(kubelet: &Kubelet, record: &Record, stopping: bool) -> u64 {
    if stopping {
        record.grace_s.min(kubelet.config.stop_grace_limit_s)
    } else {
        record.grace_s
    }
}

/// Asks for an operation and notes what that means from here on.
fn begin(
    record: &mut Record,
    operation: Operation,
    out: &mut Out<Kubelet>,
    actions: &mut Vec<KubeletAction>,
) {
    let pod = record.name.clone();
    match &operation {
        Operation::CreateSandbox { attempt } => {
            record.next_sandbox = attempt.saturating_add(1);
            actions.push(KubeletAction::SandboxCreating {
                pod: pod.clone(),
                attempt: *attempt,
            });
        }
        Operation::StartContainer { container, attempt } => {
            if let Some(instance) = record.containers.get_mut(container) {
                instance.made = attempt.saturating_add(1);
                let pod = record.pod.as_ref();
                let spec = pod.and_then(|pod| pod.container(container));
                instance.image = spec.map_or_else(String::new, |spec| spec.image.clone());
                instance.image_ready = false;
                instance.trouble = None;
                if let Life::Ended(ended) = std::mem::take(&mut instance.life) {
                    // What had ended before this kubelet was started costs no wait now, and one the next time.
                    instance.crash_ms.get_or_insert(backoff::RESTART_FIRST_MS);
                    let older = instance.last.replace(ended);
                    let older = older.map(|ended| ended.id).filter(|id| !id.is_empty());
                    record.garbage.extend(older);
                }
            }
            actions.push(KubeletAction::ContainerStarting {
                pod: pod.clone(),
                container: container.clone(),
                attempt: *attempt,
            });
        }
        Operation::StopContainers { grace_s } => {
            for (name, instance) in &record.containers {
                if instance.alive() {
                    tell(
                        record,
                        name,
                        false,
                        "Killing",
                        &format!("Stopping container {name}"),
                        out,
                    );
                }
            }
            actions.push(KubeletAction::StopAsked {
                pod: pod.clone(),
                grace_s: *grace_s,
            });
        }
        Operation::PrepareVolumes | Operation::EnsureImage { .. } => record.directories = true,
        _ => {}
    }
    record.operation = Some(operation.clone());
    out.push(Output::Run { pod, operation });
}

/// Reports the pod's status if it has changed; one write at a time, the newest status wins.
fn write_status(
    kubelet: &Kubelet,
    record: &mut Record,
    stopping: bool,
    now: Now,
    out: &mut Out<Kubelet>,
    actions: &mut Vec<KubeletAction>,
) {
    let silent = record.inherited
        || record.reporting.absent
        || record.removal != Removal::None
        || record.ending(stopping) == Some(Ending::Stopping)
        || (record.admission == Admission::Undecided && record.finished.is_none());
    if silent || record.reporting.in_flight || record.reporting.retry.waiting {
        return;
    }
    let Some(status) = report::status(kubelet, record, now) else {
        return;
    };
    if record.reporting.sent.as_ref() == Some(&status) {
        return;
    }
    actions.push(KubeletAction::StatusReporting {
        pod: record.name.clone(),
        phase: status.phase.clone(),
    });
    record.reporting.in_flight = true;
    record.reporting.sent = Some(status.clone());
    out.push(Output::WriteStatus {
        pod: record.name.clone(),
        status: Box::new(status),
    });
}

/// Deletes the object once nothing of the pod is left here and its last status is told. Only the kubelet does that.
fn remove(record: &mut Record, out: &mut Out<Kubelet>, actions: &mut Vec<KubeletAction>) {
    let told = !record.reporting.in_flight && !record.reporting.retry.waiting;
    let due = record.ending(false) == Some(Ending::Deleting)
        && record.removal == Removal::None
        && record.clean()
        && !record.directories
        && !record.retry.waiting
        && told;
    if due {
        record.removal = Removal::Asked;
        actions.push(KubeletAction::RemovalAsked {
            pod: record.name.clone(),
        });
        out.push(Output::DeletePod(record.name.clone()));
    }
}
