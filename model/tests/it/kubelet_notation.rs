//! The kubelet's inputs in few words, for scenarios and walks.

use std::collections::BTreeMap;

use model::actions::kubelet::PodName;
use model::machine::Now;
use model::machines::kubelet::pod::{
    Container, DEFAULT_GRACE_S, Former, Phase, Pod, Reported, Requests, RestartPolicy,
};
use model::machines::kubelet::{
    Config, ContainerReport, Input, Kubelet, Life, Operation, Outcome, ReportedState,
    SandboxReport, State,
};

/// A node with 2 cores, 4 GiB and room for 3 pods.
pub fn kubelet() -> Kubelet {
    Kubelet {
        config: Config {
            node_name: "node-1".to_owned(),
            address: "10.0.0.1".to_owned(),
            labels: BTreeMap::from([("disk".to_owned(), "ssd".to_owned())]),
            allocatable: Requests {
                cpu_milli: 2000,
                memory_bytes: 4 << 30,
            },
            max_pods: 3,
            parallel_starts: 2,
            runtime_name: "plimsoll".to_owned(),
            stop_grace_limit_s: 10,
        },
    }
}

pub fn pod(words: &str) -> Result<Pod, String> {
    let mut parts = words.split_whitespace();
    let name = parts.next().ok_or("a pod has a name")?;
    let uid = parts.next().ok_or("a pod has a UID")?;
    let container = |name: &str| Container {
        name: name.trim_start_matches('+').to_owned(),
        image: "plimsoll/echo".to_owned(),
        sidecar: name.starts_with('+'),
    };
    let mut pod = Pod {
        name: PodName {
            namespace: "default".to_owned(),
            name: name.to_owned(),
            uid: uid.to_owned(),
        },
        node_name: "node-1".to_owned(),
        created: format!("2026-01-01T00:00:00Z {uid}"),
        grace_s: DEFAULT_GRACE_S,
        containers: vec![container("web")],
        ..Pod::default()
    };
    for part in parts {
        let (key, value) = part.split_once('=').ok_or("options are key=value")?;
        let number = value.parse::<i64>().unwrap_or(0);
        match key {
            "created" => pod.created = value.to_owned(),
            "deadline" => pod.active_deadline_s = u64::try_from(number).ok(),
            "image" => pod.containers[0].image = value.to_owned(),
            "deleting" => {
                pod.deleting = true;
                pod.grace_s = u64::try_from(number).unwrap_or(0);
            }
            "grace" => pod.grace_s = u64::try_from(number).unwrap_or(0),
            "node" => pod.node_name = value.to_owned(),
            "policy" => {
                pod.restart = match value {
                    "Never" => RestartPolicy::Never,
                    "OnFailure" => RestartPolicy::OnFailure,
                    _ => RestartPolicy::Always,
                }
            }
            "init" => pod.init = value.split(',').map(container).collect(),
            "containers" => pod.containers = value.split(',').map(container).collect(),
            "cpu" => pod.requests.cpu_milli = number,
            "memory" => pod.requests.memory_bytes = number,
            "selector" => {
                pod.node_selector = BTreeMap::from([("disk".to_owned(), value.to_owned())])
            }
            "restarts" => {
                let restarts = u32::try_from(number).unwrap_or(0);
                let former = Former {
                    restarts,
                    exit_code: None,
                };
                pod.reported = Reported {
                    started: BTreeMap::from([("web".to_owned(), former)]),
                    ..pod.reported
                }
            }
            "phase" => {
                pod.reported.phase = match value {
                    "Running" => Phase::Running,
                    "Succeeded" => Phase::Succeeded,
                    "Failed" => Phase::Failed,
                    _ => Phase::Pending,
                }
            }
            other => return Err(format!("unknown key {other}")),
        }
    }
    Ok(pod)
}

/// The instance `attempt` of a container of the pod `uid`, as the runtime tells it: `running`, `created`, `exited:CODE`.
pub fn report(uid: &str, name: &str, attempt: u32, state: &str, now: Now) -> ContainerReport {
    let (state, code) = match state.split_once(':') {
        Some((_, code)) => (ReportedState::Exited, code.parse().unwrap_or(0)),
        None if state == "running" => (ReportedState::Running, 0),
        None if state == "created" => (ReportedState::Created, 0),
        None => (ReportedState::Unknown, 0),
    };
    let over = state == ReportedState::Exited;
    let reason = match (over, code) {
        (false, _) => "",
        (true, 0) => "Completed",
        (true, _) => "Error",
    };
    ContainerReport {
        uid: uid.to_owned(),
        sandbox: format!("{uid}_0"),
        name: name.to_owned(),
        id: format!("{uid}_{name}_{attempt}"),
        attempt,
        state,
        started: Now(now.0.saturating_sub(if over { 1000 } else { 0 })),
        finished: if over { now } else { Now(0) },
        exit_code: code,
        reason: reason.to_owned(),
        message: String::new(),
        image_id: "sha256:echo".to_owned(),
    }
}

pub fn sandbox(name: &str, uid: &str, attempt: u32, ready: bool) -> SandboxReport {
    SandboxReport {
        uid: uid.to_owned(),
        namespace: "default".to_owned(),
        name: name.to_owned(),
        id: format!("{uid}_{attempt}"),
        attempt,
        ready,
        ips: vec!["10.1.0.2".to_owned()],
        grace_s: 30,
        requests: Requests::default(),
    }
}

/// The good end of the operation under way for a pod, as a runtime would answer it.
pub fn good_end(state: &State, uid: &str, now: Now) -> Result<Input, String> {
    let record = state.pods.get(uid).ok_or("no such pod")?;
    let operation = record.operation.clone().ok_or("nothing is under way")?;
    let outcome = match &operation {
        Operation::CreateSandbox { attempt } => Outcome::Sandbox {
            id: format!("{uid}_{attempt}"),
            ips: vec!["10.1.0.2".to_owned()],
        },
        Operation::EnsureImage { .. } => Outcome::Image {
            id: "sha256:echo".to_owned(),
            pulled: false,
        },
        Operation::StartContainer { container, attempt } => {
            Outcome::Started(report(uid, container, *attempt, "running", now))
        }
        Operation::StopContainers { .. } => Outcome::Stopped(
            record
                .containers
                .iter()
                .filter(|(_, instance)| matches!(instance.life, Life::Running { .. }))
                .map(|(name, instance)| {
                    report(
                        uid,
                        name,
                        instance.made.saturating_sub(1),
                        "exited:143",
                        now,
                    )
                })
                .collect(),
        ),
        _ => Outcome::Done,
    };
    Ok(Input::Done {
        uid: uid.to_owned(),
        operation,
        outcome,
    })
}
