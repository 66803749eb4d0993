//! A pod as the machine decides on it.

use std::collections::BTreeMap;

use bincode::{Decode, Encode};

use crate::actions::kubelet::PodName;
use crate::objects::condition::Condition;
use crate::objects::pod::{ContainerSpec, ContainerStatusView, PodView};
use crate::rules::qos::{self, Qos};
use crate::rules::quantity::QuantityError;
use crate::rules::resources;

pub use crate::rules::resources::Requests;

/// `terminationGracePeriodSeconds` where a pod names none.
pub const DEFAULT_GRACE_S: u64 = 30;

/// A pod bound to a node, as far as decisions depend on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Pod {
    /// Namespace, name and UID.
    pub name: PodName,
    /// `spec.nodeName`.
    pub node_name: String,
    /// `metadata.generation`.
    pub generation: i64,
    /// `metadata.creationTimestamp`, RFC 3339.
    pub created: String,
    /// Whether `metadata.deletionTimestamp` is set.
    pub deleting: bool,
    /// Seconds between SIGTERM and SIGKILL: of the deletion if there is one, else of the spec.
    pub grace_s: u64,
    /// Seconds for which it may be active, from its start time on.
    pub active_deadline_s: Option<u64>,
    /// When containers start again.
    pub restart: RestartPolicy,
    /// Run in order before the others.
    pub init: Vec<Container>,
    /// Run together.
    pub containers: Vec<Container>,
    /// What admission sets aside.
    pub requests: Requests,
    /// Class of service.
    pub qos: Qos,
    /// Whether it shares the node's network.
    pub host_network: bool,
    /// Labels the node must have.
    pub node_selector: BTreeMap<String, String>,
    /// What was reported before, perhaps by a former life of this kubelet.
    pub reported: Reported,
}

/// A container, as far as decisions depend on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Container {
    /// Its name in the pod.
    pub name: String,
    /// Image reference.
    pub image: String,
    /// An init container that goes on running beside the others (`restartPolicy: Always`).
    pub sidecar: bool,
}

/// `restartPolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum RestartPolicy {
    /// Whatever the exit code.
    #[default]
    Always,
    /// After a non-zero exit code.
    OnFailure,
    /// Never.
    Never,
}

/// The status of a pod as the API has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Reported {
    /// `phase`.
    pub phase: Phase,
    /// `reason`.
    pub reason: String,
    /// `message`.
    pub message: String,
    /// `startTime`, RFC 3339.
    pub start_time: Option<String>,
    /// Conditions that the kubelet does not own, as they are.
    pub conditions: Vec<Condition>,
    /// The containers that were ever started.
    pub started: BTreeMap<String, Former>,
}

/// What was reported of a container that was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Former {
    /// How often it was started again.
    pub restarts: u32,
    /// How it ended, if it was not running.
    pub exit_code: Option<i32>,
}

/// `PodPhase`. It only goes forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Phase {
    /// Not everything has been started yet.
    #[default]
    Pending,
    /// Everything has been started.
    Running,
    /// Everything has ended well and stays so.
    Succeeded,
    /// Something has ended badly and everything stays ended.
    Failed,
}

impl Phase {
    /// Whether nothing of the pod runs again.
    pub fn terminal(self) -> bool {
        matches!(self, Phase::Succeeded | Phase::Failed)
    }

    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Pending => "Pending",
            Phase::Running => "Running",
            Phase::Succeeded => "Succeeded",
            Phase::Failed => "Failed",
        }
    }
}

impl Pod {
    /// Reads a pod. Fails where a quantity of its resources is not one.
    pub fn read(view: &PodView) -> Result<Pod, QuantityError> {
        let meta = &view.metadata;
        let spec = &view.spec;
        let grace = match meta.deletion_timestamp {
            Some(_) => meta
                .deletion_grace_period_seconds
                .or(spec.termination_grace_period_seconds),
            None => spec.termination_grace_period_seconds,
        };
        Ok(Pod {
            name: PodName {
                namespace: meta.namespace.clone(),
                name: meta.name.clone(),
                uid: meta.uid.clone(),
            },
            node_name: spec.node_name.clone(),
            generation: meta.generation,
            created: meta.creation_timestamp.clone().unwrap_or_default(),
            deleting: meta.deleting(),
            grace_s: grace.map_or(DEFAULT_GRACE_S, |grace| u64::try_from(grace).unwrap_or(0)),
            active_deadline_s: spec
                .active_deadline_seconds
                .map(|seconds| u64::try_from(seconds).unwrap_or(0)),
            restart: match spec.restart_policy.as_str() {
                "Never" => RestartPolicy::Never,
                "OnFailure" => RestartPolicy::OnFailure,
                _ => RestartPolicy::Always,
            },
            init: spec.init_containers.iter().map(container).collect(),
            containers: spec
                .containers
                .iter()
                .map(|spec| Container {
                    sidecar: false,
                    ..container(spec)
                })
                .collect(),
            requests: resources::requests(spec)?,
            qos: qos::qos(spec)?,
            host_network: spec.host_network,
            node_selector: spec.node_selector.clone(),
            reported: reported(view),
        })
    }

    /// Every container, init containers first.
    pub fn all(&self) -> impl Iterator<Item = &Container> {
        self.init.iter().chain(&self.containers)
    }

    /// The container of that name.
    pub fn container(&self, name: &str) -> Option<&Container> {
        self.all().find(|container| container.name == name)
    }

    /// Whether it is one of the init containers.
    pub fn is_init(&self, name: &str) -> bool {
        self.init.iter().any(|container| container.name == name)
    }
}

fn container(spec: &ContainerSpec) -> Container {
    Container {
        name: spec.name.clone(),
        image: spec.image.clone(),
        sidecar: spec.restart_policy == "Always",
    }
}

/// The conditions that a kubelet owns (kubernetes `pkg/kubelet/types/pod_status.go`).
pub const OWN_CONDITIONS: [&str; 4] = [
    "PodReadyToStartContainers",
    "Initialized",
    "Ready",
    "ContainersReady",
];

fn reported(view: &PodView) -> Reported {
    let status = &view.status;
    let started = |status: &&ContainerStatusView| !status.container_id.is_empty();
    Reported {
        phase: match status.phase.as_str() {
            "Running" => Phase::Running,
            "Succeeded" => Phase::Succeeded,
            "Failed" => Phase::Failed,
            _ => Phase::Pending,
        },
        reason: status.reason.clone(),
        message: status.message.clone(),
        start_time: status.start_time.clone(),
        conditions: status
            .conditions
            .iter()
            .filter(|condition| !OWN_CONDITIONS.contains(&condition.kind.as_str()))
            .cloned()
            .collect(),
        started: status
            .init_container_statuses
            .iter()
            .chain(&status.container_statuses)
            .filter(started)
            .map(|status| {
                let former = Former {
                    restarts: status.restart_count,
                    exit_code: status
                        .state
                        .terminated
                        .as_ref()
                        .map(|ended| ended.exit_code),
                };
                (status.name.clone(), former)
            })
            .collect(),
    }
}
