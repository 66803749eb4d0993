//! What the runtime tells, in the machine's words.

use std::collections::BTreeMap;

use model::machine::Now;
use model::machines::kubelet::pod::{DEFAULT_GRACE_S, Requests};
use model::machines::kubelet::{ContainerReport, ReportedState, SandboxReport};
use runtime::cri::{ContainerState, ContainerStatus, PodSandboxStatus, SandboxState};

/// Labels by which pods and containers are found again (kubernetes `pkg/kubelet/types/labels.go`).
pub(crate) mod label {
    /// Namespace of the pod.
    pub(crate) const NAMESPACE: &str = "io.kubernetes.pod.namespace";
    /// Name of the pod.
    pub(crate) const POD: &str = "io.kubernetes.pod.name";
    /// UID of the pod.
    pub(crate) const UID: &str = "io.kubernetes.pod.uid";
    /// Name of the container.
    pub(crate) const CONTAINER: &str = "io.kubernetes.container.name";
}

/// Annotations of a sandbox: what must be known of a pod that the API no longer has.
pub(crate) mod annotation {
    /// Seconds between SIGTERM and SIGKILL.
    pub(crate) const GRACE: &str = "io.kubernetes.pod.terminationGracePeriod";
    /// What was set aside: thousandths of a core.
    pub(crate) const CPU: &str = "plimsoll.dev/cpu-milli";
    /// What was set aside: bytes of memory.
    pub(crate) const MEMORY: &str = "plimsoll.dev/memory-bytes";
}

/// A sandbox as it is.
pub(crate) fn sandbox(status: PodSandboxStatus) -> SandboxReport {
    let number = |key: &str| -> Option<i64> { status.annotations.get(key)?.parse().ok() };
    let grace = number(annotation::GRACE).and_then(|grace| u64::try_from(grace).ok());
    SandboxReport {
        grace_s: grace.unwrap_or(DEFAULT_GRACE_S),
        requests: Requests {
            cpu_milli: number(annotation::CPU).unwrap_or(0),
            memory_bytes: number(annotation::MEMORY).unwrap_or(0),
        },
        ips: status.ips.iter().map(ToString::to_string).collect(),
        ready: status.state == SandboxState::Ready,
        uid: status.uid,
        namespace: status.namespace,
        name: status.name,
        id: status.id.0,
        attempt: status.attempt,
    }
}

/// A container as it is; `None` for one that no kubelet made.
pub(crate) fn container(status: ContainerStatus) -> Option<ContainerReport> {
    Some(ContainerReport {
        uid: status.labels.get(label::UID)?.clone(),
        sandbox: status.sandbox.0,
        name: status.name,
        id: status.id.0,
        attempt: status.attempt,
        state: match status.state {
            ContainerState::Created => ReportedState::Created,
            ContainerState::Running => ReportedState::Running,
            ContainerState::Exited => ReportedState::Exited,
            ContainerState::Unknown => ReportedState::Unknown,
        },
        started: milliseconds(status.started_at),
        finished: milliseconds(status.finished_at),
        exit_code: status.exit_code,
        reason: status.reason,
        message: status.message,
        image_id: status.image_ref,
    })
}

/// Nanoseconds since the epoch in the machine's measure; what lies before it counts as never.
fn milliseconds(nanoseconds: i64) -> Now {
    Now(u64::try_from(nanoseconds / 1_000_000).unwrap_or(0))
}

/// The labels of a pod's sandbox, and with a container's name of that container.
pub(crate) fn labels(
    namespace: &str,
    pod: &str,
    uid: &str,
    container: Option<&str>,
) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([
        (label::NAMESPACE.to_owned(), namespace.to_owned()),
        (label::POD.to_owned(), pod.to_owned()),
        (label::UID.to_owned(), uid.to_owned()),
    ]);
    if let Some(container) = container {
        labels.insert(label::CONTAINER.to_owned(), container.to_owned());
    }
    labels
}
