//! What the controller reads of ReplicaSets and pods.

use std::collections::BTreeMap;

use bincode::{Decode, Encode};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::objects::condition::Condition;
use crate::objects::meta::{Meta, OwnerReference};
use crate::rules::selector::{LabelSelector, Selector};
use crate::rules::time;

/// A JSON value that is handed on as it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Json(pub String);

impl Default for Json {
    fn default() -> Self {
        Json("{}".to_owned())
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Ok(Json(raw.get().to_owned()))
    }
}

/// What is read of a ReplicaSet.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Deserialize,
)]
#[serde(default)]
pub struct ReplicaSetView {
    /// Its metadata.
    pub metadata: Meta,
    /// What was asked for.
    pub spec: ReplicaSetSpec,
    /// What was observed last.
    pub status: ReplicaSetStatus,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplicaSetSpec {
    /// How many pods.
    pub replicas: i64,
    /// For how many seconds a pod must have been ready to be available.
    pub min_ready_seconds: i64,
    /// Which pods.
    pub selector: Option<LabelSelector>,
    /// What a new pod looks like: a PodTemplateSpec.
    pub template: Json,
}

impl Default for ReplicaSetSpec {
    fn default() -> Self {
        ReplicaSetSpec {
            replicas: 1,
            min_ready_seconds: 0,
            selector: None,
            template: Json::default(),
        }
    }
}

impl ReplicaSetView {
    /// The selector; one that matches nothing if there is none, or it is not valid.
    pub fn selector(&self) -> Selector {
        let selector = self.spec.selector.as_ref().map(LabelSelector::selector);
        match selector {
            Some(Ok(selector)) => selector,
            _ => Selector::nothing(),
        }
    }
}

/// What was observed.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Deserialize,
)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplicaSetStatus {
    /// Pods that exist and are neither finished nor being deleted.
    pub replicas: i64,
    /// Those of them that carry every label of the template.
    pub fully_labeled_replicas: i64,
    /// Those that are ready.
    pub ready_replicas: i64,
    /// Those that have been ready for long enough.
    pub available_replicas: i64,
    /// The generation that this status is about.
    pub observed_generation: i64,
    /// What is wrong, if anything.
    pub conditions: Vec<Condition>,
}

/// A pod's place in its life, worst first: victims are taken in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Phase {
    /// Accepted, not all containers have started.
    #[default]
    Pending,
    /// Its node cannot be asked.
    Unknown,
    /// Its containers have started.
    Running,
    /// Over, for good: `Succeeded` or `Failed`.
    Finished,
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
    /// What selectors match.
    pub labels: BTreeMap<String, String>,
    /// Whose dependent it is.
    pub owners: Vec<OwnerReference>,
    /// Whether a deletion was asked for.
    pub deleting: bool,
    /// When it was created, in milliseconds since the epoch.
    pub created_ms: u64,
    /// Where it runs; empty if that is not decided.
    pub node: String,
    /// Its place in its life.
    pub phase: Phase,
    /// Since when it has been ready, in milliseconds since the epoch.
    pub ready_since_ms: Option<u64>,
    /// The most restarts of one of its containers.
    pub restarts: i64,
    /// What its deletion costs, by its annotation; less goes first.
    pub deletion_cost: i64,
}

impl PodView {
    /// Neither finished nor being deleted.
    pub fn active(&self) -> bool {
        self.phase != Phase::Finished && !self.deleting
    }

    /// The owner that manages it.
    pub fn controller(&self) -> Option<&OwnerReference> {
        self.owners.iter().find(|owner| owner.controller)
    }

    /// Whether it has been ready for so many seconds.
    pub fn available(&self, min_ready_seconds: i64, now_ms: u64) -> bool {
        let wait = u64::try_from(min_ready_seconds)
            .unwrap_or(0)
            .saturating_mul(1000);
        self.ready_since_ms
            .is_some_and(|since| wait == 0 || since.saturating_add(wait) <= now_ms)
    }
}

/// `controller.kubernetes.io/pod-deletion-cost`, KEP-2255.
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

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
    node_name: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PodStatusBody {
    phase: String,
    conditions: Vec<Condition>,
    container_statuses: Vec<ContainerBody>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ContainerBody {
    restart_count: i64,
}

fn millis(stamp: Option<&str>) -> u64 {
    stamp
        .and_then(|text| time::parse(text).ok())
        .unwrap_or_default()
        .0
}

impl From<PodBody> for PodView {
    fn from(body: PodBody) -> Self {
        let ready = body.status.conditions.iter();
        let ready = ready.filter(|it| it.kind == "Ready" && it.status == "True");
        let cost = body.metadata.annotations.get(DELETION_COST);
        PodView {
            deleting: body.metadata.deleting(),
            created_ms: millis(body.metadata.creation_timestamp.as_deref()),
            ready_since_ms: ready
                .map(|it| millis(it.last_transition_time.as_deref()))
                .next(),
            // Validation refuses other texts; upstream too takes what does not parse for 0.
            deletion_cost: cost.and_then(|it| it.parse().ok()).unwrap_or(0),
            restarts: body
                .status
                .container_statuses
                .iter()
                .map(|it| it.restart_count)
                .max()
                .unwrap_or(0),
            phase: match body.status.phase.as_str() {
                "Running" => Phase::Running,
                "Unknown" => Phase::Unknown,
                "Succeeded" | "Failed" => Phase::Finished,
                _ => Phase::Pending,
            },
            node: body.spec.node_name,
            uid: body.metadata.uid,
            resource_version: body.metadata.resource_version,
            labels: body.metadata.labels,
            owners: body.metadata.owner_references,
        }
    }
}

/// What is read of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Seen {
    /// A ReplicaSet.
    ReplicaSet(Box<ReplicaSetView>),
    /// A pod.
    Pod(Box<PodView>),
}
