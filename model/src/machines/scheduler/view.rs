//! What the scheduler reads of pods and nodes.

use std::collections::BTreeMap;

use bincode::{Decode, Encode};
use serde::Deserialize;

use crate::machines::scheduler::affinity::NodeSelector;
use crate::objects::condition::Condition;
use crate::objects::meta::Meta;
use crate::rules::resources::{
    ContainerResources, PodResources, ResourceList, ResourceRequirements, Resources,
};
use crate::rules::taints::{Taint, Toleration};

/// The only scheduler there is; pods that name another are left alone.
pub const SCHEDULER_NAME: &str = "default-scheduler";

/// What is read of a node.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Deserialize,
)]
#[serde(from = "NodeBody")]
pub struct NodeView {
    /// What selectors match.
    pub labels: BTreeMap<String, String>,
    /// What pods may use.
    pub allocatable: Resources,
    /// What it holds against pods.
    pub taints: Vec<Taint>,
    /// `kubectl cordon`.
    pub unschedulable: bool,
}

/// A port of the node that a pod asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct HostPort {
    /// The port.
    pub port: u16,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
    /// The address; `0.0.0.0` for all.
    pub address: String,
}

/// What is asked of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Demand {
    /// What must be there.
    pub requests: Resources,
    /// What counts for the score.
    pub weight: (i64, i64),
    /// Ports of the node.
    pub ports: Vec<HostPort>,
    /// Labels the node must have.
    pub node_selector: BTreeMap<String, String>,
    /// `requiredDuringSchedulingIgnoredDuringExecution` of the node affinity.
    pub affinity: Option<NodeSelector>,
    /// Taints it puts up with.
    pub tolerations: Vec<Toleration>,
    /// Higher goes first.
    pub priority: i64,
}

/// What is read of a pod.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Deserialize,
)]
#[serde(from = "PodBody")]
pub struct PodView {
    /// Its UID.
    pub uid: String,
    /// The revision of its last write, as text.
    pub resource_version: String,
    /// Whether it is this scheduler's to place: its scheduler name, no gate, no deletion asked for.
    pub ours: bool,
    /// Where it is; empty if that is not decided.
    pub node: String,
    /// Whether it is over: `Succeeded` or `Failed`.
    pub finished: bool,
    /// What it asks of a node.
    pub demand: Demand,
    /// Its conditions.
    pub conditions: Vec<Condition>,
    /// Its generation, for the condition.
    pub generation: i64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NodeBody {
    metadata: Meta,
    spec: NodeSpecBody,
    status: NodeStatusBody,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NodeSpecBody {
    taints: Vec<Taint>,
    unschedulable: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NodeStatusBody {
    allocatable: ResourceList,
    capacity: ResourceList,
}

impl From<NodeBody> for NodeView {
    fn from(body: NodeBody) -> Self {
        let status = body.status;
        let list = if status.allocatable.is_empty() {
            status.capacity
        } else {
            status.allocatable
        };
        NodeView {
            labels: body.metadata.labels,
            allocatable: Resources::of(&list),
            taints: body.spec.taints,
            unschedulable: body.spec.unschedulable,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PodBody {
    metadata: Meta,
    spec: PodSpecBody,
    status: PodStatusBody,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PodSpecBody {
    containers: Vec<ContainerBody>,
    init_containers: Vec<ContainerBody>,
    overhead: ResourceList,
    node_name: String,
    scheduler_name: Option<String>,
    scheduling_gates: Vec<serde::de::IgnoredAny>,
    node_selector: BTreeMap<String, String>,
    affinity: AffinityBody,
    tolerations: Vec<Toleration>,
    priority: Option<i64>,
    host_network: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ContainerBody {
    resources: ResourceRequirements,
    restart_policy: String,
    ports: Vec<PortBody>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PortBody {
    container_port: u16,
    host_port: u16,
    #[serde(rename = "hostIP")]
    host_ip: String,
    protocol: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct AffinityBody {
    node_affinity: NodeAffinityBody,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NodeAffinityBody {
    #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    required: Option<NodeSelector>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PodStatusBody {
    phase: String,
    conditions: Vec<Condition>,
}

/// The ports of the node that containers ask for; with the node's own network, all their ports.
fn host_ports<'a>(
    containers: impl Iterator<Item = &'a ContainerBody>,
    host_network: bool,
) -> Vec<HostPort> {
    let or = |text: &str, default: &str| if text.is_empty() { default } else { text }.to_owned();
    containers
        .flat_map(|container| &container.ports)
        .map(|port| HostPort {
            port: if port.host_port == 0 && host_network {
                port.container_port
            } else {
                port.host_port
            },
            protocol: or(&port.protocol, "TCP"),
            address: or(&port.host_ip, "0.0.0.0"),
        })
        .filter(|port| port.port != 0)
        .collect()
}

fn resources(containers: Vec<ContainerBody>) -> Vec<ContainerResources> {
    let one = |container: ContainerBody| ContainerResources {
        resources: container.resources,
        restart_policy: container.restart_policy,
    };
    containers.into_iter().map(one).collect()
}

impl From<PodBody> for PodView {
    fn from(body: PodBody) -> Self {
        let PodBody {
            metadata,
            spec,
            status,
        } = body;
        let scheduler = spec.scheduler_name.as_deref().unwrap_or(SCHEDULER_NAME);
        let ours =
            scheduler == SCHEDULER_NAME && spec.scheduling_gates.is_empty() && !metadata.deleting();
        let sidecars = spec
            .init_containers
            .iter()
            .filter(|it| it.restart_policy == "Always");
        let ports = host_ports(spec.containers.iter().chain(sidecars), spec.host_network);
        let asked = PodResources {
            containers: resources(spec.containers),
            init_containers: resources(spec.init_containers),
            overhead: spec.overhead,
        };
        let weight = asked.nonzero_requests();
        PodView {
            ours,
            node: spec.node_name,
            finished: matches!(status.phase.as_str(), "Succeeded" | "Failed"),
            demand: Demand {
                requests: asked.requests(),
                weight: (weight.milli_cpu, weight.memory),
                ports,
                node_selector: spec.node_selector,
                affinity: spec.affinity.node_affinity.required,
                tolerations: spec.tolerations,
                priority: spec.priority.unwrap_or(0),
            },
            conditions: status.conditions,
            generation: metadata.generation,
            uid: metadata.uid,
            resource_version: metadata.resource_version,
        }
    }
}
