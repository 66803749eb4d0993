//! What clients write down of pods. Times are microseconds on one clock of the suite's own.

use model::rules::quantity::Quantity;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::suite::observed::{Answer, EventKind};

/// A whole session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The namespace of the session's own pods.
    pub namespace: String,
    /// Every create that was sent.
    pub creates: Vec<Create>,
    /// Every deletion that was sent.
    pub deletes: Vec<Delete>,
    /// What a watch of all pods of the cluster brought, in order.
    pub pods: Vec<PodSeen>,
    /// What a watch of all nodes brought, in order.
    pub nodes: Vec<NodeSeen>,
    /// Pods of a `ReplicaSet` that were deleted.
    pub replaced: Vec<Replacement>,
    /// How often a watch could not be resumed: what happened meanwhile was not seen.
    pub gaps: u64,
    /// When the last thing was looked at.
    pub ended_us: u64,
    /// How long a cluster may take to run a pod, or, beyond its grace, to end it.
    pub patience_us: u64,
}

/// A create.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Create {
    /// Before it was sent.
    pub began_us: u64,
    /// After its answer was read.
    pub ended_us: u64,
    /// The name.
    pub name: String,
    /// Which creates were sent at the same time for the same name: they have the same number.
    pub race: u64,
    /// What came of it.
    pub answer: Answer,
    /// The uid that was answered; empty if there was none.
    pub uid: String,
    /// Whether some node can take it.
    pub fits: bool,
}

/// A deletion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delete {
    /// After its answer was read.
    pub ended_us: u64,
    /// The pod's uid.
    pub uid: String,
    /// Its name.
    pub name: String,
    /// How long it may take to end, in seconds.
    pub grace_seconds: u64,
    /// What came of it.
    pub answer: Answer,
}

/// A pod of a `ReplicaSet` that was deleted, and the set's ready pods when it was looked at for the last time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replacement {
    /// The uid of the pod that was deleted.
    pub uid: String,
    /// How many there should be.
    pub replicas: u64,
    /// The uids of its ready pods at the end.
    pub ready: Vec<String>,
}

/// A pod as an event showed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodSeen {
    /// When it was read.
    pub at_us: u64,
    /// What kind of event.
    pub kind: EventKind,
    /// Whether a list told it, so that events before it may be missing.
    pub listed: bool,
    /// Its `resourceVersion`.
    pub revision: u64,
    /// Where it lives.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// The uid of its controller; empty if it has none.
    pub controller: String,
    /// `spec.nodeName`; empty if it is not bound.
    pub node: String,
    /// `status.phase`.
    pub phase: String,
    /// Whether it is Ready.
    pub ready: bool,
    /// What it says of why it does not run; empty if it says nothing.
    pub why: String,
    /// Whether it has a deletionTimestamp.
    pub ending: bool,
    /// What its containers request of the processor, in thousandths of a core.
    pub cpu_milli: i64,
    /// What its containers request of memory, in bytes.
    pub memory_bytes: i64,
}

/// A node as an event showed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSeen {
    /// What kind of event.
    pub kind: EventKind,
    /// Its `resourceVersion`.
    pub revision: u64,
    /// Its name.
    pub name: String,
    /// What it allocates of the processor, in thousandths of a core.
    pub cpu_milli: i64,
    /// What it allocates of memory, in bytes.
    pub memory_bytes: i64,
    /// How many pods it takes.
    pub pods: i64,
}

impl PodSeen {
    /// Reads a pod; `None` if it has no name, uid or numeric `resourceVersion`.
    pub fn of(pod: &Value, kind: EventKind, at_us: u64) -> Option<Self> {
        let (metadata, spec, status) = (&pod["metadata"], &pod["spec"], &pod["status"]);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let owners = list(&metadata["ownerReferences"]);
        let controller = owners.iter().find(|owner| owner["controller"] == true);
        let containers = list(&spec["containers"]);
        let requested = |name: &str, read: fn(&Quantity) -> i64| {
            let each = containers.iter();
            each.map(|one| amount(&one["resources"]["requests"][name], read))
                .fold(0, i64::saturating_add)
        };
        Some(PodSeen {
            at_us,
            kind,
            listed: false,
            revision: metadata["resourceVersion"].as_str()?.parse().ok()?,
            namespace: text(&metadata["namespace"]),
            name: metadata["name"].as_str()?.to_owned(),
            uid: metadata["uid"].as_str()?.to_owned(),
            controller: controller.map_or_else(String::new, |owner| text(&owner["uid"])),
            node: text(&spec["nodeName"]),
            phase: text(&status["phase"]),
            ready: condition(status, "Ready").is_some_and(|ready| ready["status"] == "True"),
            why: why(status),
            ending: metadata["deletionTimestamp"].is_string(),
            cpu_milli: requested("cpu", Quantity::milli_value),
            memory_bytes: requested("memory", Quantity::value),
        })
    }

    /// Whether it has ended for good.
    pub fn is_over(&self) -> bool {
        matches!(self.phase.as_str(), "Succeeded" | "Failed")
    }
}

impl NodeSeen {
    /// Reads a node; `None` if it has no name or numeric `resourceVersion`.
    pub fn of(node: &Value, kind: EventKind) -> Option<Self> {
        let allocates = &node["status"]["allocatable"];
        Some(NodeSeen {
            kind,
            revision: node["metadata"]["resourceVersion"].as_str()?.parse().ok()?,
            name: node["metadata"]["name"].as_str()?.to_owned(),
            cpu_milli: amount(&allocates["cpu"], Quantity::milli_value),
            memory_bytes: amount(&allocates["memory"], Quantity::value),
            pods: amount(&allocates["pods"], Quantity::value),
        })
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn condition<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    list(&status["conditions"])
        .iter()
        .find(|one| one["type"] == kind)
}

/// The first reason that a pod gives: that it is not placed, what a container waits for or ended with, or its own.
fn why(status: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if let Some(placed) = condition(status, "PodScheduled")
        && placed["status"] == "False"
    {
        return format!("{}: {}", text(&placed["reason"]), text(&placed["message"]));
    }
    let containers = ["initContainerStatuses", "containerStatuses"];
    let mut states = containers.iter().flat_map(|one| list(&status[*one]));
    let reason = states.find_map(|one| {
        let waits = one["state"]["waiting"]["reason"].as_str();
        let waits =
            waits.filter(|reason| !matches!(*reason, "ContainerCreating" | "PodInitializing"));
        waits.or_else(|| one["state"]["terminated"]["reason"].as_str())
    });
    reason.map_or_else(|| text(&status["reason"]), str::to_owned)
}

/// A quantity; nothing if it is none.
fn amount(quantity: &Value, read: fn(&Quantity) -> i64) -> i64 {
    let text = quantity.as_str().map(str::to_owned);
    let text = text.unwrap_or_else(|| quantity.to_string());
    Quantity::parse(&text).map_or(0, |quantity| read(&quantity).max(0))
}
