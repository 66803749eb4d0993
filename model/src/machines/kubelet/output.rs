//! What a kubelet does to the world.

use bincode::{Decode, Encode};

use crate::actions::kubelet::PodName;
use crate::machines::kubelet::node::NodeCondition;
use crate::machines::kubelet::status::PodStatus;

/// An output of the [kubelet](super::Kubelet).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Output {
    /// Tell every sandbox and container ([`Input::RuntimeListed`](super::Input::RuntimeListed)); subscribe to events before.
    ListRuntime,
    /// Follow the pods bound to this node, from a list not older than this revision on.
    FollowPods {
        /// The node's registration: whatever this node did in a former life is older.
        not_before: u64,
    },
    /// Carry out an operation on a pod. One at a time for each pod, but that a stop may overtake a longer one.
    Run {
        /// On which pod.
        pod: PodName,
        /// What to do.
        operation: Operation,
    },
    /// Stop waiting for an operation; its end is not of interest.
    Abandon {
        /// Of which pod.
        pod: PodName,
        /// Which operation.
        operation: Operation,
    },
    /// Write a pod's status, to the object with this UID only.
    WriteStatus {
        /// Of which pod.
        pod: PodName,
        /// The whole status. Boxed, since no other output is nearly as large.
        status: Box<PodStatus>,
    },
    /// Delete the pod's object without grace, the one with this UID only.
    DeletePod(PodName),
    /// Nothing of the pod is left anywhere: forget what was kept for it.
    Forget(PodName),
    /// Record an event about a pod.
    Event(Event),
    /// Create the node object, or update the present one.
    RegisterNode(Vec<NodeCondition>),
    /// Write the node's status.
    WriteNodeStatus(Vec<NodeCondition>),
    /// Create or renew the node's lease.
    RenewLease,
    /// Measure the node.
    Measure,
    /// Every pod is stopped, as [`Input::Stop`](super::Input::Stop) asked.
    Stopped,
}

/// One step of a pod's life on the node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Operation {
    /// Make the pod's directories and volumes, config maps and secrets fetched.
    PrepareVolumes,
    /// Make and start the sandbox.
    CreateSandbox {
        /// Which sandbox of the pod, from 0.
        attempt: u32,
    },
    /// See to it that a container's image is present, as its pull policy says.
    EnsureImage {
        /// Name of the container.
        container: String,
    },
    /// Make and start a container.
    StartContainer {
        /// Name of the container.
        container: String,
        /// Which instance, from 0.
        attempt: u32,
    },
    /// SIGTERM to every container of the pod, SIGKILL after the grace time; ends when none is alive.
    StopContainers {
        /// Seconds between the two.
        grace_s: u64,
    },
    /// Remove a dead container with its log.
    RemoveContainer {
        /// Its identity.
        id: String,
    },
    /// Take a finished pod's sandbox down and give its network back; dead containers and logs stay.
    StopSandbox {
        /// Which sandbox.
        id: String,
    },
    /// Remove a sandbox with its containers.
    RemoveSandbox {
        /// Which sandbox.
        id: String,
    },
    /// Remove the pod's directories: volumes and logs.
    RemoveDirectories,
}

impl Operation {
    /// Whether the operation counts against the starts that may be under way at once.
    pub fn starts(&self) -> bool {
        matches!(
            self,
            Operation::PrepareVolumes
                | Operation::CreateSandbox { .. }
                | Operation::EnsureImage { .. }
                | Operation::StartContainer { .. }
        )
    }
}

/// Something to tell about a pod (`Event` of `core/v1`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Event {
    /// About which pod.
    pub pod: PodName,
    /// `fieldPath`, as in `spec.containers{web}`; empty for the whole pod.
    pub field: String,
    /// Whether something went wrong: type `Warning`, else `Normal`.
    pub warning: bool,
    /// `Pulled`, `Created`, `Started`, `Killing`, `BackOff`, `Failed`, ….
    pub reason: String,
    /// In words.
    pub message: String,
}
