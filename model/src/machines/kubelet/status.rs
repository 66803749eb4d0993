//! The status of a pod as the kubelet reports it: `PodStatus` of `core/v1`, ready to be serialised.

use bincode::{Decode, Encode};
use serde::{Serialize, Serializer};

use crate::machine::Now;
use crate::objects::condition::Condition;
use crate::rules::time;

/// `PodStatus`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Encode, Decode, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodStatus {
    /// Of which generation of the pod this is the status.
    #[serde(skip_serializing_if = "is_zero")]
    pub observed_generation: i64,
    /// Where the pod is in its life.
    pub phase: String,
    /// Own conditions and those of others.
    pub conditions: Vec<Condition>,
    /// Why, in a word, where the pod as a whole failed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The same for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The node's address.
    #[serde(rename = "hostIP", skip_serializing_if = "String::is_empty")]
    pub host_ip: String,
    /// The node's addresses.
    #[serde(rename = "hostIPs", skip_serializing_if = "Vec::is_empty")]
    pub host_ips: Vec<Address>,
    /// The pod's first address.
    #[serde(rename = "podIP", skip_serializing_if = "String::is_empty")]
    pub pod_ip: String,
    /// The pod's addresses.
    #[serde(rename = "podIPs", skip_serializing_if = "Vec::is_empty")]
    pub pod_ips: Vec<Address>,
    /// When a kubelet first saw it, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<String>,
    /// In the order of the spec.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub init_container_statuses: Vec<ContainerStatus>,
    /// In the order of the spec.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub container_statuses: Vec<ContainerStatus>,
    /// `BestEffort`, `Burstable`, `Guaranteed`.
    pub qos_class: String,
}

/// `PodIP`, `HostIP`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode, Serialize)]
pub struct Address {
    /// The address.
    pub ip: String,
}

/// `ContainerStatus`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerStatus {
    /// Of which container.
    pub name: String,
    /// How it is.
    pub state: ContainerState,
    /// How the instance before it ended.
    pub last_state: LastState,
    /// Whether it serves. There are no probes yet: whether it runs.
    pub ready: bool,
    /// How often it was started again.
    pub restart_count: u32,
    /// Image reference as in the spec.
    pub image: String,
    /// The image's id.
    #[serde(rename = "imageID")]
    pub image_id: String,
    /// As in `plimsoll://…`.
    #[serde(rename = "containerID", skip_serializing_if = "String::is_empty")]
    pub container_id: String,
    /// Whether it was started.
    pub started: bool,
}

/// `ContainerState`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ContainerState {
    /// It does not run yet, or not again.
    #[serde(rename_all = "camelCase")]
    Waiting {
        /// In one word.
        reason: String,
        /// In words.
        #[serde(skip_serializing_if = "String::is_empty")]
        message: String,
    },
    /// It runs.
    #[serde(rename_all = "camelCase")]
    Running {
        /// Since when.
        #[serde(serialize_with = "stamp")]
        started_at: Now,
    },
    /// It has ended.
    Terminated(Terminated),
}

/// `ContainerState` of the instance before the present one: terminated, or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Encode, Decode, Serialize)]
pub struct LastState {
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terminated: Option<Terminated>,
}

/// `ContainerStateTerminated`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Terminated {
    /// Exit code.
    pub exit_code: i32,
    /// `Completed`, `Error`, `OOMKilled`, ….
    pub reason: String,
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When it was started.
    #[serde(serialize_with = "stamp", skip_serializing_if = "unknown")]
    pub started_at: Now,
    /// When it ended.
    #[serde(serialize_with = "stamp", skip_serializing_if = "unknown")]
    pub finished_at: Now,
    /// As in `plimsoll://…`.
    #[serde(rename = "containerID", skip_serializing_if = "String::is_empty")]
    pub container_id: String,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

fn unknown(now: &Now) -> bool {
    now.0 == 0
}

fn stamp<S: Serializer>(now: &Now, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time::seconds(*now))
}
