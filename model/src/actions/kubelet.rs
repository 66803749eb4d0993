//! What a kubelet does, in the words of the create-pod and at-most-one specifications (steps 8 to 10 of a pod's path).

use bincode::{Decode, Encode};

/// Names a pod: two pods of one namespace and name differ by their UID.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct PodName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its `metadata.uid`.
    pub uid: String,
}

/// One thing that a kubelet has done or learnt.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum KubeletAction {
    /// The node object is written; no list of pods older than `revision` is believed.
    NodeRegistered {
        /// The revision of that write.
        revision: u64,
    },
    /// A write of the node's status was asked for.
    NodeReported {
        /// Its `Ready` condition.
        ready: bool,
    },
    /// The node's lease is renewed.
    LeaseRenewed,
    /// Sandboxes and containers were listed, at the start or after events were lost.
    RuntimeListed {
        /// How many containers run.
        running: u32,
    },
    /// A container that ran before this kubelet started is taken over as it is.
    ContainerAdopted {
        /// Of which pod.
        pod: PodName,
        /// Its name.
        container: String,
        /// Which instance, from 0.
        attempt: u32,
    },
    /// The pod was accepted: its requests are set aside.
    PodAdmitted {
        /// Which pod.
        pod: PodName,
        /// Processor time in thousandths of a core.
        cpu_milli: i64,
        /// Memory in bytes.
        memory_bytes: i64,
    },
    /// The pod was refused and has failed.
    PodRejected {
        /// Which pod.
        pod: PodName,
        /// `OutOfcpu`, `OutOfmemory`, `OutOfpods`, `NodeAffinity`.
        reason: String,
    },
    /// A graceful deletion was seen; nothing of this pod is started from here on.
    DeletionSeen {
        /// Which pod.
        pod: PodName,
        /// Seconds it may take.
        grace_s: u64,
    },
    /// The pod is not, or no longer, in the API; nothing of it is started from here on.
    PodGone {
        /// Which pod.
        pod: PodName,
    },
    /// A sandbox was asked of the runtime.
    SandboxCreating {
        /// Of which pod.
        pod: PodName,
        /// Which sandbox of the pod, from 0.
        attempt: u32,
    },
    /// The sandbox is ready and has its addresses.
    SandboxCreated {
        /// Of which pod.
        pod: PodName,
        /// Which sandbox of the pod, from 0.
        attempt: u32,
    },
    /// The sandbox ended with everything in it, uncalled for.
    SandboxDied {
        /// Of which pod.
        pod: PodName,
        /// Which sandbox of the pod, from 0.
        attempt: u32,
    },
    /// A container was asked of the runtime: from here on it may be alive.
    ContainerStarting {
        /// Of which pod.
        pod: PodName,
        /// Its name.
        container: String,
        /// Which instance, from 0.
        attempt: u32,
    },
    /// The container runs.
    ContainerStarted {
        /// Of which pod.
        pod: PodName,
        /// Its name.
        container: String,
        /// Which instance, from 0.
        attempt: u32,
    },
    /// The container could not be started.
    ContainerFailed {
        /// Of which pod.
        pod: PodName,
        /// Its name.
        container: String,
        /// As in the waiting state: `ErrImagePull`, `CreateContainerConfigError`, ….
        reason: String,
    },
    /// The container has ended.
    ContainerEnded {
        /// Of which pod.
        pod: PodName,
        /// Its name.
        container: String,
        /// Which instance, from 0.
        attempt: u32,
        /// Its exit code.
        exit_code: i32,
    },
    /// SIGTERM now, SIGKILL after the grace time, to every container of the pod.
    StopAsked {
        /// Which pod.
        pod: PodName,
        /// Seconds between the two.
        grace_s: u64,
    },
    /// No container of the pod is alive.
    PodStopped {
        /// Which pod.
        pod: PodName,
    },
    /// A sandbox of the pod is taken down with its network.
    SandboxRemoved {
        /// Of which pod.
        pod: PodName,
    },
    /// Another step of the pod's life failed and is tried again.
    StepFailed {
        /// Which pod.
        pod: PodName,
        /// `FailedMount`, `FailedCreatePodSandBox`, `FailedKillPod`, ….
        reason: String,
    },
    /// A write of the pod's status was asked for.
    StatusReporting {
        /// Of which pod.
        pod: PodName,
        /// Its phase.
        phase: String,
    },
    /// The API server has that status (step 11).
    StatusReported {
        /// Of which pod.
        pod: PodName,
    },
    /// The final deletion of the object was asked for: nothing of it is left on this node.
    RemovalAsked {
        /// Which pod.
        pod: PodName,
    },
    /// The API server has taken the final deletion.
    PodRemoved {
        /// Which pod.
        pod: PodName,
    },
    /// Neither the API nor this node has anything of the pod.
    PodForgotten {
        /// Which pod.
        pod: PodName,
    },
    /// The whole node was asked to stop.
    NodeStopping,
    /// No pod has a container or a sandbox on this node.
    NodeStopped,
}

impl KubeletAction {
    /// Which pod it is about; `None` for what concerns the node.
    pub fn pod(&self) -> Option<&PodName> {
        match self {
            KubeletAction::NodeRegistered { .. }
            | KubeletAction::NodeReported { .. }
            | KubeletAction::LeaseRenewed
            | KubeletAction::RuntimeListed { .. }
            | KubeletAction::NodeStopping
            | KubeletAction::NodeStopped => None,
            KubeletAction::ContainerAdopted { pod, .. }
            | KubeletAction::PodAdmitted { pod, .. }
            | KubeletAction::PodRejected { pod, .. }
            | KubeletAction::DeletionSeen { pod, .. }
            | KubeletAction::PodGone { pod }
            | KubeletAction::SandboxCreating { pod, .. }
            | KubeletAction::SandboxCreated { pod, .. }
            | KubeletAction::SandboxDied { pod, .. }
            | KubeletAction::ContainerStarting { pod, .. }
            | KubeletAction::ContainerStarted { pod, .. }
            | KubeletAction::ContainerFailed { pod, .. }
            | KubeletAction::ContainerEnded { pod, .. }
            | KubeletAction::StopAsked { pod, .. }
            | KubeletAction::PodStopped { pod }
            | KubeletAction::SandboxRemoved { pod }
            | KubeletAction::StepFailed { pod, .. }
            | KubeletAction::StatusReporting { pod, .. }
            | KubeletAction::StatusReported { pod }
            | KubeletAction::RemovalAsked { pod }
            | KubeletAction::PodRemoved { pod }
            | KubeletAction::PodForgotten { pod } => Some(pod),
        }
    }
}
