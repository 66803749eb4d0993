//! What a pod's next step is, looked at for itself alone: up, down, or over
//! (kubernetes `pkg/kubelet/kuberuntime/kuberuntime_manager.go`, `computePodActions`).

use crate::machines::kubelet::output::Operation;
use crate::machines::kubelet::pod::{Container, Phase, Pod};
use crate::machines::kubelet::state::{Admission, Ending, Instance, Life, Record};

/// The phase in which the pod ends, if everything in it has ended for good.
pub fn finish(record: &Record, stopping: bool) -> Option<Phase> {
    let pod = record.pod.as_ref()?;
    let end = |container: &Container| {
        let instance = record.containers.get(&container.name);
        instance.and_then(Instance::ended)
    };
    let for_good = |container: &Container| {
        end(container).is_some_and(|end| !record.restarts(&container.name, end.exit_code))
    };
    let well = || {
        pod.containers
            .iter()
            .all(|container| end(container).is_some_and(|end| end.exit_code == 0))
    };
    let as_ended = || {
        Some(if well() {
            Phase::Succeeded
        } else {
            Phase::Failed
        })
    };
    match record.ending(stopping) {
        None if record.admission == Admission::Admitted => {
            if record.overdue {
                return Some(Phase::Failed);
            }
            let failed = pod.init.iter().any(|container| {
                let badly = end(container).is_some_and(|end| end.exit_code != 0);
                badly && for_good(container)
            });
            if failed {
                return Some(Phase::Failed);
            }
            let over = !pod.containers.is_empty() && pod.containers.iter().all(for_good);
            if over { as_ended() } else { None }
        }
        // What was stopped for a deletion does not run again: the pod ends as its containers ended.
        Some(Ending::Deleting) if !record.may_be_alive() && record.operation.is_none() => {
            as_ended()
        }
        _ => None,
    }
}

/// The next step towards an end: containers, sandboxes, directories.
pub fn wind_down(record: &Record, ending: Ending, grace_s: u64) -> Option<Operation> {
    if record.may_be_alive() {
        return Some(Operation::StopContainers { grace_s });
    }
    if let Some(id) = record.stale_sandboxes.first() {
        return Some(Operation::RemoveSandbox { id: id.clone() });
    }
    if let Some(sandbox) = &record.sandbox {
        let id = sandbox.id.clone();
        return match ending {
            // Its logs may still be asked for; its address and processes go.
            Ending::Finished if sandbox.ready => Some(Operation::StopSandbox { id }),
            Ending::Finished => None,
            _ => Some(Operation::RemoveSandbox { id }),
        };
    }
    let over = matches!(ending, Ending::Gone | Ending::Deleting);
    (over && record.directories).then_some(Operation::RemoveDirectories)
}

/// The next step towards a running pod.
pub fn wind_up(record: &Record) -> Option<Operation> {
    let pod = record.pod.as_ref()?;
    if let Some(id) = record.stale_sandboxes.first() {
        return Some(Operation::RemoveSandbox { id: id.clone() });
    }
    match &record.sandbox {
        Some(sandbox) if sandbox.ready => {}
        Some(sandbox) => {
            return Some(Operation::RemoveSandbox {
                id: sandbox.id.clone(),
            });
        }
        None if !record.volumes => return Some(Operation::PrepareVolumes),
        None => {
            return Some(Operation::CreateSandbox {
                attempt: record.next_sandbox,
            });
        }
    }
    // A kubelet that was started again prepares the volumes anew before it starts anything more.
    let next = next_container(record, pod);
    match next {
        Some(_) if !record.volumes => Some(Operation::PrepareVolumes),
        Some(operation) => Some(operation),
        None => record
            .garbage
            .first()
            .map(|id| Operation::RemoveContainer { id: id.clone() }),
    }
}

fn next_container(record: &Record, pod: &Pod) -> Option<Operation> {
    for container in &pod.init {
        let instance = record.containers.get(&container.name)?;
        match &instance.life {
            Life::Running { .. } if container.sidecar => {}
            Life::Running { .. } => return None,
            Life::Ended(ended) if !container.sidecar && ended.exit_code == 0 => {}
            // A sidecar that waits to start again does not hold up what is already past it.
            _ if container.sidecar && instance.waiting && instance.last.is_some() => {}
            _ => return start(container, instance),
        }
    }
    for container in &pod.containers {
        let Some(instance) = record.containers.get(&container.name) else {
            continue;
        };
        let wanted = match &instance.life {
            Life::Running { .. } => false,
            Life::Ended(ended) => record.restarts(&container.name, ended.exit_code),
            Life::New | Life::Made(_) => true,
        };
        if wanted && let Some(operation) = start(container, instance) {
            return Some(operation);
        }
    }
    None
}

fn start(container: &Container, instance: &Instance) -> Option<Operation> {
    if instance.waiting {
        return None;
    }
    let container = container.name.clone();
    Some(match &instance.life {
        Life::Made(id) => Operation::RemoveContainer { id: id.clone() },
        _ if !instance.image_ready => Operation::EnsureImage { container },
        _ => Operation::StartContainer {
            container,
            attempt: instance.made,
        },
    })
}
