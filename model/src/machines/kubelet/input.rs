//! What can happen to a kubelet.

use bincode::{Decode, Encode};

use crate::machine::Now;
use crate::machines::kubelet::output::Operation;
use crate::machines::kubelet::pod::{Pod, Requests};

/// An input of the [kubelet](super::Kubelet).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Input {
    /// The runtime's sandboxes and containers, asked for by [`Output::ListRuntime`](super::Output::ListRuntime).
    RuntimeListed {
        /// Every sandbox that a kubelet of this node made.
        sandboxes: Vec<SandboxReport>,
        /// Every container that a kubelet of this node made.
        containers: Vec<ContainerReport>,
    },
    /// The runtime does not answer; why.
    RuntimeFailed(String),
    /// Container events were lost: what is known of containers may be old.
    EventsLost,
    /// A container has ended.
    ContainerEnded(ContainerReport),
    /// A sandbox has ended with everything in it.
    SandboxDied {
        /// UID of the pod.
        uid: String,
        /// Which sandbox.
        id: String,
    },
    /// An image is being fetched for an [`Operation::EnsureImage`].
    Pulling {
        /// UID of the pod.
        uid: String,
        /// Name of the container.
        container: String,
    },
    /// An operation has ended.
    Done {
        /// UID of the pod.
        uid: String,
        /// Which operation.
        operation: Operation,
        /// How it ended.
        outcome: Outcome,
    },

    /// Every pod bound to this node, as a consistent list tells.
    PodsListed {
        /// The revision of the list.
        revision: u64,
        /// The pods, in any order.
        pods: Vec<Pod>,
    },
    /// A pod bound to this node was added or has changed.
    PodApplied {
        /// The revision of its last write.
        revision: u64,
        /// The pod.
        pod: Pod,
    },
    /// A pod was removed from the API.
    PodGone {
        /// The revision of the removal.
        revision: u64,
        /// UID of the pod.
        uid: String,
        /// `deletionGracePeriodSeconds` of its last state.
        grace_s: Option<u64>,
    },
    /// A status write has ended.
    StatusWritten {
        /// UID of the pod.
        uid: String,
        /// How it ended.
        outcome: Written,
    },
    /// The deletion of a pod's object has ended.
    PodDeleted {
        /// UID of the pod.
        uid: String,
        /// How it ended.
        outcome: Written,
    },

    /// The node object was created or updated.
    NodeRegistered {
        /// The revision of that write.
        revision: u64,
    },
    /// The node object could not be written; why.
    RegistrationFailed(String),
    /// The node's status write has ended.
    NodeWritten(Written),
    /// The lease's renewal has ended.
    LeaseWritten(Written),
    /// What is left of the node's own resources, asked for by [`Output::Measure`](super::Output::Measure).
    Measured(Measure),

    /// Stop every pod, then say so ([`Output::Stopped`](super::Output::Stopped)). The objects stay: their pods start again with the node.
    Stop,
    /// A timer has fired.
    Fired(Timer),
}

/// The kubelet's timers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Timer {
    /// Try the registration again.
    Register,
    /// Report the node's status though nothing has changed.
    NodeReport,
    /// Measure the node.
    Measure,
    /// Renew the lease.
    Lease,
    /// Try a failed step of this pod (UID) again.
    Pod(String),
    /// Try this container (UID, name) again.
    Container(String, String),
    /// Write this pod's (UID) status again.
    Status(String),
    /// This pod (UID) has been active for as long as it may.
    Deadline(String),
    /// Ask the runtime again.
    Runtime,
}

/// How a write to the API server ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Written {
    /// It is durable.
    Done,
    /// There is no such object, or it is another one of the same name.
    Absent,
    /// It failed and may be tried again; why.
    Failed(String),
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Outcome {
    /// Done; nothing to tell.
    Done,
    /// The sandbox is ready.
    Sandbox {
        /// Its identity.
        id: String,
        /// The pod's addresses; empty with the host's network.
        ips: Vec<String>,
    },
    /// The image is present.
    Image {
        /// Its id.
        id: String,
        /// Whether it was fetched for this operation.
        pulled: bool,
    },
    /// The container runs, or has run and ended already.
    Started(ContainerReport),
    /// No container of the pod is alive; how each one ended that was alive.
    Stopped(Vec<ContainerReport>),
    /// It failed.
    Failed {
        /// In Kubernetes' words: `ErrImagePull`, `CreateContainerConfigError`, `FailedMount`, ….
        reason: String,
        /// For people.
        message: String,
    },
}

/// A sandbox as the runtime tells it. What is about the pod was written down when the sandbox was made.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct SandboxReport {
    /// UID of its pod.
    pub uid: String,
    /// Namespace of its pod.
    pub namespace: String,
    /// Name of its pod.
    pub name: String,
    /// Its identity.
    pub id: String,
    /// Which sandbox of the pod, from 0.
    pub attempt: u32,
    /// Whether containers can run in it.
    pub ready: bool,
    /// The pod's addresses.
    pub ips: Vec<String>,
    /// `terminationGracePeriodSeconds` of the pod.
    pub grace_s: u64,
    /// What the pod's admission set aside.
    pub requests: Requests,
}

/// A container as the runtime tells it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct ContainerReport {
    /// UID of its pod.
    pub uid: String,
    /// The sandbox it is in.
    pub sandbox: String,
    /// Its name.
    pub name: String,
    /// Its identity.
    pub id: String,
    /// Which instance, from 0.
    pub attempt: u32,
    /// Where it is in its life.
    pub state: ReportedState,
    /// When its process was started.
    pub started: Now,
    /// When its process ended.
    pub finished: Now,
    /// Its exit code.
    pub exit_code: i32,
    /// `Completed`, `Error`, `OOMKilled`, ….
    pub reason: String,
    /// For people; may be empty.
    pub message: String,
    /// The image's id.
    pub image_id: String,
}

/// `ContainerState` of the runtime interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum ReportedState {
    /// Made, not started.
    Created,
    /// Its process runs.
    Running,
    /// Its process has ended.
    Exited,
    /// Its end was not seen.
    Unknown,
}

/// What is left of the node's own resources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Measure {
    /// Memory that could be had without swapping, in bytes.
    pub memory_available_bytes: u64,
    /// Free thousandths of the file system that holds the pods.
    pub disk_free_permille: u16,
    /// Free thousandths of the process ids.
    pub pids_free_permille: u16,
}
