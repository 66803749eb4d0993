//! Pods: `printPod`, whose STATUS sums up phase, containers and deletion in a word.

use model::machine::Now;
use model::objects::condition::Condition;
use model::rules::time;
use serde::Deserialize;
use serde_json::Value;

use super::{AGE, CellsError, Columns, NAME, age, or_none, text};

/// Pods.
pub const PODS: Columns = Columns {
    definitions: &[
        NAME,
        text(
            "Ready",
            0,
            "The aggregate readiness state of this pod for accepting traffic.",
        ),
        text(
            "Status",
            0,
            "The aggregate status of the containers in this pod.",
        ),
        text(
            "Restarts",
            0,
            "The number of times the containers in this pod have been restarted and when the last container in this pod has restarted.",
        ),
        AGE,
        text(
            "IP",
            1,
            "podIP address allocated to the pod. Routable at least within the cluster. Empty if not yet allocated.",
        ),
        text(
            "Node",
            1,
            "NodeName indicates in which node this pod is scheduled. If empty, this pod is a candidate for scheduling by the scheduler defined in schedulerName. Once this field is set, the kubelet for this node becomes responsible for the lifecycle of this pod. This field should not be used to express a desire for the pod to be scheduled on a specific node. https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#nodename",
        ),
        text(
            "Nominated Node",
            1,
            "nominatedNodeName is set only when this pod preempts other pods on the node, but it cannot be scheduled right away as preemption victims receive their graceful termination periods. This field does not guarantee that the pod will be scheduled on this node. Scheduler may decide to place the pod elsewhere if other nodes become available sooner. Scheduler may also decide to give the resources on this node to a higher priority pod that is created after preemption. As a result, this field may be different than PodSpec.nodeName when the pod is scheduled.",
        ),
        text(
            "Readiness Gates",
            1,
            "If specified, all readiness gates will be evaluated for pod readiness. A pod is ready when all its containers are ready AND all conditions specified in the readiness gates have status equal to \"True\" More info: https://git.k8s.io/enhancements/keps/sig-network/580-pod-readiness-gates",
        ),
    ],
    cells,
};

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Pod {
    metadata: Metadata,
    spec: Spec,
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    name: String,
    creation_timestamp: Option<String>,
    deletion_timestamp: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    node_name: String,
    containers: Vec<Container>,
    init_containers: Vec<Container>,
    readiness_gates: Vec<ReadinessGate>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Container {
    name: String,
    restart_policy: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ReadinessGate {
    condition_type: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    phase: String,
    reason: String,
    #[serde(rename = "podIP")]
    pod_ip: String,
    nominated_node_name: String,
    conditions: Vec<Condition>,
    init_container_statuses: Vec<ContainerStatus>,
    container_statuses: Vec<ContainerStatus>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ContainerStatus {
    name: String,
    ready: bool,
    started: Option<bool>,
    restart_count: u64,
    state: State,
    last_state: State,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct State {
    waiting: Option<Reasoned>,
    running: Option<serde::de::IgnoredAny>,
    terminated: Option<Terminated>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Reasoned {
    reason: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Terminated {
    reason: String,
    exit_code: i64,
    signal: i64,
    finished_at: Option<String>,
}

impl Terminated {
    /// The reason, or what stands for it.
    fn word(&self) -> String {
        match (self.reason.as_str(), self.signal) {
            ("", 0) => format!("ExitCode:{}", self.exit_code),
            ("", signal) => format!("Signal:{signal}"),
            (reason, _) => reason.to_owned(),
        }
    }
}

/// What the containers of a pod sum up to.
#[derive(Default)]
struct Sum {
    reason: String,
    ready: usize,
    restarts: u64,
    last_restart: Option<Now>,
}

impl Sum {
    fn restarted(&mut self, status: &ContainerStatus) {
        self.restarts += status.restart_count;
        let ended = status
            .last_state
            .terminated
            .as_ref()
            .and_then(|end| end.finished_at.as_deref());
        self.last_restart = self
            .last_restart
            .max(ended.and_then(|at| time::parse(at).ok()));
    }
}

fn cells(body: &[u8], now: Now) -> Result<Vec<Value>, CellsError> {
    let pod: Pod = serde_json::from_slice(body)?;
    let sum = sum(&pod);
    let sidecars = pod
        .spec
        .init_containers
        .iter()
        .filter(|one| one.restart_policy == "Always");
    let total = pod.spec.containers.len() + sidecars.count();
    let restarts = match sum.last_restart {
        Some(last) if sum.restarts > 0 => {
            let ago = age::human((now.0 as i64 - last.0 as i64).div_euclid(1000));
            format!("{} ({ago} ago)", sum.restarts)
        }
        _ => sum.restarts.to_string(),
    };
    Ok(vec![
        pod.metadata.name.as_str().into(),
        format!("{}/{total}", sum.ready).into(),
        sum.reason.as_str().into(),
        restarts.into(),
        age::since(pod.metadata.creation_timestamp.as_deref(), now).into(),
        or_none(&pod.status.pod_ip),
        or_none(&pod.spec.node_name),
        or_none(&pod.status.nominated_node_name),
        or_none(&gates(&pod)),
    ])
}

fn sum(pod: &Pod) -> Sum {
    let status = &pod.status;
    let mut sum = Sum {
        reason: if status.reason.is_empty() {
            status.phase.clone()
        } else {
            status.reason.clone()
        },
        ..Sum::default()
    };
    let gated = |condition: &Condition| {
        condition.kind == "PodScheduled" && condition.reason == "SchedulingGated"
    };
    if status.conditions.iter().any(gated) {
        sum.reason = "SchedulingGated".to_owned();
    }
    let mut sidecars = Sum::default();
    let initializing = initialization(pod, &mut sum, &mut sidecars);
    if !initializing || holds(status, "Initialized") {
        sum.restarts = sidecars.restarts;
        sum.last_restart = sidecars.last_restart;
        containers(status, &mut sum);
    }
    if pod.metadata.deletion_timestamp.is_some() {
        if status.reason == "NodeLost" {
            sum.reason = "Unknown".to_owned();
        } else if !matches!(status.phase.as_str(), "Succeeded" | "Failed") {
            sum.reason = "Terminating".to_owned();
        }
    }
    sum
}

/// Follows the init containers up to the first that has not done its part; whether there is one.
fn initialization(pod: &Pod, sum: &mut Sum, sidecars: &mut Sum) -> bool {
    for (index, status) in pod.status.init_container_statuses.iter().enumerate() {
        sum.restarted(status);
        let spec = pod
            .spec
            .init_containers
            .iter()
            .find(|one| one.name == status.name);
        let sidecar = spec.is_some_and(|one| one.restart_policy == "Always");
        if sidecar {
            sidecars.restarted(status);
        }
        let waiting = status
            .state
            .waiting
            .as_ref()
            .map_or("", |waiting| waiting.reason.as_str());
        match &status.state.terminated {
            Some(end) if end.exit_code == 0 => continue,
            _ if sidecar && status.started == Some(true) => {
                sum.ready += usize::from(status.ready);
                continue;
            }
            Some(end) => sum.reason = format!("Init:{}", end.word()),
            None if !matches!(waiting, "" | "PodInitializing") => {
                sum.reason = format!("Init:{waiting}")
            }
            None => sum.reason = format!("Init:{index}/{}", pod.spec.init_containers.len()),
        }
        return true;
    }
    false
}

fn containers(status: &Status, sum: &mut Sum) {
    let mut running = false;
    for container in status.container_statuses.iter().rev() {
        sum.restarted(container);
        let state = &container.state;
        if let Some(waiting) = state
            .waiting
            .as_ref()
            .filter(|waiting| !waiting.reason.is_empty())
        {
            sum.reason.clone_from(&waiting.reason);
        } else if let Some(end) = &state.terminated {
            sum.reason = end.word();
        } else if container.ready && state.running.is_some() {
            running = true;
            sum.ready += 1;
        }
    }
    if sum.reason == "Completed" && running {
        sum.reason = if holds(status, "Ready") {
            "Running"
        } else {
            "NotReady"
        }
        .to_owned();
    }
}

fn holds(status: &Status, condition: &str) -> bool {
    status
        .conditions
        .iter()
        .any(|one| one.kind == condition && one.status == "True")
}

/// How many readiness gates hold, of how many; empty without gates.
fn gates(pod: &Pod) -> String {
    let gates = &pod.spec.readiness_gates;
    if gates.is_empty() {
        return String::new();
    }
    let open = gates
        .iter()
        .filter(|gate| holds(&pod.status, &gate.condition_type))
        .count();
    format!("{open}/{}", gates.len())
}
