//! What happens to containers.

use super::{ContainerId, ContainerStatus, PodSandboxStatus, SandboxId};

/// Something happened to a container or a sandbox (CRI `ContainerEventResponse`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerEvent {
    /// The container was made.
    Created(ContainerStatus),
    /// Its process runs.
    Started(ContainerStatus),
    /// Its process has ended; the status is final.
    Stopped(ContainerStatus),
    /// It was removed.
    Deleted {
        /// The container.
        id: ContainerId,
        /// Its sandbox.
        sandbox: SandboxId,
    },
    /// The sandbox is not ready any more: it was stopped, or its shim has died.
    SandboxStopped(PodSandboxStatus),
}
