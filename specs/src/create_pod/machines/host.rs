//! What a node has: a process of its kubelet, and a runtime that outlives it.

use std::collections::BTreeMap;

use model::actions::kubelet::PodName;
use model::machine::Now;
use model::machines::kubelet::pod::{Former, Phase};
use model::machines::kubelet::status::{self, ContainerState};
use model::machines::kubelet::{
    self, ContainerReport, Operation, Outcome, Output, ReportedState, SandboxReport, Timer,
};

use crate::create_pod::machines::objects::{CONTAINER, ONE, PodStatus};
use crate::node::Process;

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Node {
    /// Its kubelet.
    pub kubelet: KubeletProcess,
    /// Its machine.
    pub host: Host,
}

/// A kubelet's process, and what it has asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct KubeletProcess {
    /// The process, while it runs.
    pub process: Option<Process<kubelet::State, Output, Timer>>,
    pub(super) operations: BTreeMap<String, Operation>,
    pub(super) reports: BTreeMap<String, (PodName, PodStatus)>,
    pub(super) removals: BTreeMap<String, PodName>,
}

/// A machine with its runtime.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Host {
    /// Whether it has no power.
    pub off: bool,
    pub(super) sandboxes: BTreeMap<String, SandboxReport>,
    pub(super) containers: BTreeMap<String, ContainerReport>,
}

impl Host {
    /// Whether a container of the pod of this UID runs.
    pub fn alive(&self, uid: &str) -> bool {
        self.running().any(|running| running == uid)
    }

    /// The UIDs of the pods whose containers run, one for each container.
    pub fn running(&self) -> impl Iterator<Item = &str> {
        let containers = self.containers.values();
        containers
            .filter(|container| container.state == ReportedState::Running)
            .map(|container| container.uid.as_str())
    }

    /// The pod's containers that run are killed; tells how each ended.
    pub(super) fn kill(&mut self, uid: &str, exit_code: i32) -> Vec<ContainerReport> {
        let containers = self.containers.values_mut();
        let running = containers
            .filter(|container| container.uid == uid && container.state == ReportedState::Running);
        running
            .map(|container| {
                container.state = ReportedState::Exited;
                container.exit_code = exit_code;
                container.clone()
            })
            .collect()
    }

    /// Starts a container in the pod's newest sandbox.
    pub(super) fn start(&mut self, uid: &str, attempt: u32) -> Option<ContainerReport> {
        let sandboxes = self
            .sandboxes
            .values()
            .filter(|it| it.uid == uid && it.ready);
        let sandbox = sandboxes.max_by_key(|sandbox| sandbox.attempt)?.id.clone();
        let mut id = format!("{uid}-c{attempt}");
        while self.containers.contains_key(&id) {
            // A kubelet that does not know of the former one asks for the same instance again.
            id.push('x');
        }
        let report = ContainerReport {
            uid: uid.to_owned(),
            sandbox,
            name: CONTAINER.to_owned(),
            id,
            attempt,
            state: ReportedState::Running,
            started: Now::default(),
            finished: Now::default(),
            exit_code: 0,
            reason: String::new(),
            message: String::new(),
            image_id: String::new(),
        };
        self.containers.insert(report.id.clone(), report.clone());
        Some(report)
    }

    /// Does what nobody else on the cluster can notice; `None` for what the world lets happen later.
    pub(super) fn at_once(&mut self, pod: &PodName, operation: &Operation) -> Option<Outcome> {
        match operation {
            Operation::StartContainer { .. } | Operation::StopContainers { .. } => return None,
            Operation::CreateSandbox { attempt } => {
                let mut id = format!("{}-s{attempt}", pod.uid);
                while self.sandboxes.contains_key(&id) {
                    id.push('x');
                }
                let sandbox = SandboxReport {
                    uid: pod.uid.clone(),
                    namespace: pod.namespace.clone(),
                    name: pod.name.clone(),
                    id: id.clone(),
                    attempt: *attempt,
                    ready: true,
                    ips: Vec::new(),
                    grace_s: 30,
                    requests: ONE,
                };
                self.sandboxes.insert(id.clone(), sandbox);
                let ips = Vec::new();
                return Some(Outcome::Sandbox { id, ips });
            }
            Operation::EnsureImage { .. } => {
                let id = String::new();
                return Some(Outcome::Image { id, pulled: false });
            }
            Operation::RemoveContainer { id } => {
                self.containers.remove(id);
            }
            Operation::StopSandbox { id } => {
                if let Some(sandbox) = self.sandboxes.get_mut(id) {
                    sandbox.ready = false;
                }
            }
            Operation::RemoveSandbox { id } => {
                self.sandboxes.remove(id);
                self.containers
                    .retain(|_, container| container.sandbox != *id);
            }
            Operation::PrepareVolumes | Operation::RemoveDirectories => {}
        }
        Some(Outcome::Done)
    }
}

/// The exit code of what was killed.
pub(super) const KILLED: i32 = 137;

pub(super) fn failed() -> Outcome {
    Outcome::Failed {
        reason: "RunContainerError".to_owned(),
        message: String::new(),
    }
}

/// The part of a status that anything here depends on.
pub(super) fn summary(status: &status::PodStatus) -> PodStatus {
    let phases = [
        Phase::Pending,
        Phase::Running,
        Phase::Succeeded,
        Phase::Failed,
    ];
    let phase = phases.into_iter().find(|it| it.as_str() == status.phase);
    let started = status.container_statuses.iter();
    let started = started.filter(|container| !container.container_id.is_empty());
    PodStatus {
        phase: phase.unwrap_or_default(),
        started: started
            .map(|container| {
                let exit_code = match &container.state {
                    ContainerState::Terminated(ended) => Some(ended.exit_code),
                    _ => None,
                };
                let restarts = container.restart_count;
                (
                    container.name.clone(),
                    Former {
                        restarts,
                        exit_code,
                    },
                )
            })
            .collect(),
    }
}
