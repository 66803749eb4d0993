//! What the kubelet reports of a pod: its phase, conditions and container states (step 10 of a pod's path;
//! kubernetes `pkg/kubelet/kubelet_pods.go`, `getPhase`, and `pkg/kubelet/status/generate.go`).

use crate::machine::Now;
use crate::machines::kubelet::pod::{Container, Phase, Pod};
use crate::machines::kubelet::state::{Admission, Ended, Instance, Life, Record};
use crate::machines::kubelet::status::{
    Address, ContainerState, ContainerStatus, LastState, PodStatus, Terminated,
};
use crate::machines::kubelet::{Kubelet, deadline};
use crate::objects::condition::Condition;
use crate::rules::time;

/// Exit code of a container whose end was not seen.
pub const UNSEEN_EXIT_CODE: i32 = 137;

/// The status as it is to be reported. Notes in the record since when each condition is as it is, and the phase.
pub fn status(kubelet: &Kubelet, record: &mut Record, now: Now) -> Option<PodStatus> {
    let pod = record.pod.clone()?;
    if let Admission::Rejected(reason, message) = &record.admission {
        let (reason, message) = (reason.clone(), message.clone());
        record.phase = Phase::Failed;
        return Some(PodStatus {
            observed_generation: pod.generation,
            phase: Phase::Failed.as_str().to_owned(),
            conditions: pod.reported.conditions.clone(),
            reason,
            message,
            start_time: record.start_time.clone(),
            qos_class: pod.qos.as_str().to_owned(),
            ..PodStatus::default()
        });
    }
    record.phase = record.phase.max(phase(record, &pod));
    let addresses = match &record.sandbox {
        Some(sandbox) if sandbox.ready && pod.host_network => vec![kubelet.config.address.clone()],
        Some(sandbox) => sandbox.ips.clone(),
        None => Vec::new(),
    };
    let statuses = |containers: &[Container]| -> Vec<ContainerStatus> {
        let each = containers.iter();
        each.map(|container| container_status(kubelet, record, &pod, container))
            .collect()
    };
    let (init, main) = (statuses(&pod.init), statuses(&pod.containers));
    let conditions = conditions(record, &pod, &init, &main, now);
    let (reason, message) = if record.overdue {
        (deadline::REASON.to_owned(), deadline::MESSAGE.to_owned())
    } else {
        (pod.reported.reason.clone(), pod.reported.message.clone())
    };
    Some(PodStatus {
        observed_generation: pod.generation,
        phase: record.phase.as_str().to_owned(),
        conditions,
        reason,
        message,
        host_ip: kubelet.config.address.clone(),
        host_ips: vec![Address {
            ip: kubelet.config.address.clone(),
        }],
        pod_ip: addresses.first().cloned().unwrap_or_default(),
        pod_ips: addresses.into_iter().map(|ip| Address { ip }).collect(),
        start_time: record.start_time.clone(),
        init_container_statuses: init,
        container_statuses: main,
        qos_class: pod.qos.as_str().to_owned(),
    })
}

/// The phase that the containers' states amount to.
fn phase(record: &Record, pod: &Pod) -> Phase {
    if let Some(finished) = record.finished
        && !record.may_be_alive()
    {
        return finished;
    }
    if !initialized(record, pod) {
        return Phase::Pending;
    }
    let started = |container: &Container| {
        record
            .containers
            .get(&container.name)
            .is_some_and(|instance| {
                !matches!(instance.life, Life::New | Life::Made(_)) || instance.last.is_some()
            })
    };
    if pod.containers.iter().all(started) {
        Phase::Running
    } else {
        Phase::Pending
    }
}

/// Whether every init container has done its part: a sidecar runs, another has ended well.
pub fn initialized(record: &Record, pod: &Pod) -> bool {
    pod.init.iter().all(|container| {
        let Some(instance) = record.containers.get(&container.name) else {
            return false;
        };
        match &instance.life {
            Life::Running { .. } => container.sidecar,
            Life::Ended(ended) if !container.sidecar => ended.exit_code == 0,
            // A sidecar that starts again does not undo the initialisation.
            _ => container.sidecar && instance.last.is_some(),
        }
    })
}

fn container_status(
    kubelet: &Kubelet,
    record: &Record,
    pod: &Pod,
    container: &Container,
) -> ContainerStatus {
    let fresh = Instance::default();
    let instance = record.containers.get(&container.name).unwrap_or(&fresh);
    let url = |id: &str| format!("{}://{id}", kubelet.config.runtime_name);
    let terminated = |ended: &Ended| Terminated {
        exit_code: ended.exit_code,
        reason: ended.reason.clone(),
        message: ended.message.clone(),
        started_at: ended.started,
        finished_at: ended.finished,
        container_id: if ended.id.is_empty() {
            String::new()
        } else {
            url(&ended.id)
        },
    };
    let mut last = instance.last.as_ref();
    let state = match (&instance.life, &instance.trouble) {
        (Life::Running { started, .. }, _) => ContainerState::Running {
            started_at: *started,
        },
        (life, Some(trouble)) => {
            if let Life::Ended(ended) = life {
                last = Some(ended);
            }
            ContainerState::Waiting {
                reason: trouble.reason.clone(),
                message: trouble.message.clone(),
            }
        }
        (Life::Ended(ended), None) => ContainerState::Terminated(terminated(ended)),
        (Life::New | Life::Made(_), None) => waiting(record, pod, container),
    };
    let shown = instance.id().or(last.map(|ended| ended.id.as_str()));
    let running = matches!(instance.life, Life::Running { .. });
    let completed = pod.is_init(&container.name)
        && !container.sidecar
        && instance.ended().is_some_and(|ended| ended.exit_code == 0);
    ContainerStatus {
        name: container.name.clone(),
        state,
        last_state: LastState {
            terminated: last.map(terminated),
        },
        ready: running || completed,
        restart_count: instance.made.saturating_sub(1),
        image: if instance.image.is_empty() {
            container.image.clone()
        } else {
            instance.image.clone()
        },
        image_id: instance.image_id.clone(),
        container_id: shown
            .filter(|id| !id.is_empty())
            .map(url)
            .unwrap_or_default(),
        started: running,
    }
}

/// How a container that was never made shows: as one to come, or once the pod has ended, as one never found, unless its
/// turn never came (kubernetes `pkg/kubelet/status/status_manager.go`, `TerminatePod`).
fn waiting(record: &Record, pod: &Pod, container: &Container) -> ContainerState {
    let turn_came = !pod.is_init(&container.name) && initialized(record, pod);
    if record.finished.is_some() && !record.may_be_alive() && turn_came {
        return ContainerState::Terminated(Terminated {
            exit_code: UNSEEN_EXIT_CODE,
            reason: "ContainerStatusUnknown".to_owned(),
            message: "The container could not be located when the pod was terminated".to_owned(),
            started_at: Now(0),
            finished_at: Now(0),
            container_id: String::new(),
        });
    }
    let waits_for_init = match pod.init.first() {
        Some(first) if pod.is_init(&container.name) => first != container,
        Some(_) => !initialized(record, pod),
        None => false,
    };
    let reason = if waits_for_init {
        "PodInitializing"
    } else {
        "ContainerCreating"
    };
    ContainerState::Waiting {
        reason: reason.to_owned(),
        message: String::new(),
    }
}

fn conditions(
    record: &mut Record,
    pod: &Pod,
    init: &[ContainerStatus],
    main: &[ContainerStatus],
    now: Now,
) -> Vec<Condition> {
    let sandbox = record.sandbox.as_ref().is_some_and(|sandbox| sandbox.ready);
    let initialized = initialized(record, pod);
    let unready: Vec<&str> = main
        .iter()
        .filter(|status| !status.ready)
        .map(|status| status.name.as_str())
        .collect();
    let incomplete: Vec<&str> = init
        .iter()
        .filter(|status| !status.ready)
        .map(|status| status.name.as_str())
        .collect();
    let ready = unready.is_empty() && initialized && !record.phase.terminal();
    let over = match record.phase {
        Phase::Succeeded => Some("PodCompleted"),
        Phase::Failed => Some("PodFailed"),
        _ => None,
    };
    let not_ready = match over {
        Some(reason) => (reason, String::new()),
        None => (
            "ContainersNotReady",
            format!("containers with unready status: [{}]", unready.join(" ")),
        ),
    };
    let not_initialized = (
        "ContainersNotInitialized",
        format!(
            "containers with incomplete status: [{}]",
            incomplete.join(" ")
        ),
    );
    let initialized = initialized || record.phase == Phase::Succeeded;
    let own = [
        ("PodReadyToStartContainers", sandbox, ("", String::new())),
        ("Initialized", initialized, not_initialized),
        ("Ready", ready, not_ready.clone()),
        ("ContainersReady", ready, not_ready),
    ];
    let mut conditions = Vec::new();
    for (kind, holds, (reason, message)) in own {
        let since = record.conditions.entry(kind).or_insert((holds, now));
        if since.0 != holds {
            *since = (holds, now);
        }
        let completed = holds && kind == "Initialized" && over == Some("PodCompleted");
        conditions.push(Condition {
            kind: kind.to_owned(),
            status: if holds { "True" } else { "False" }.to_owned(),
            reason: match (holds, completed) {
                (_, true) => "PodCompleted".to_owned(),
                (true, _) => String::new(),
                (false, _) => reason.to_owned(),
            },
            message: if holds { String::new() } else { message },
            last_transition_time: Some(time::seconds(since.1)),
            observed_generation: (pod.generation > 0).then_some(pod.generation),
            ..Condition::default()
        });
    }
    // Those of others as they are; among them `PodScheduled`.
    conditions.extend(pod.reported.conditions.iter().cloned());
    conditions
}
