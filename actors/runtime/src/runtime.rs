//! The trait every container runtime of Plimsoll implements.

use std::path::Path;
use std::time::Duration;

use tokio::sync::broadcast;

use crate::cri::{
    ContainerConfig, ContainerEvent, ContainerId, ContainerStatus, ExecConfig, ExecSession, Image,
    PodSandboxConfig, PodSandboxStatus, RuntimeVersion, SandboxId,
};
use crate::error::Result;

/// RuntimeService and ImageService of the Container Runtime Interface, `runtime.v1`
/// (kubernetes/cri-api `api.proto`), as far as the kubelet uses them.
///
/// Native async functions without a `Send` bound: every process of Plimsoll runs a current-thread
/// runtime, and callers are generic over the trait. Every call may be repeated: `stop_*` and
/// `remove_*` of something absent succeed, as CRI asks.
#[allow(async_fn_in_trait)]
pub trait Runtime {
    /// Name and version of the runtime (CRI `Version`), shown in the node's `containerRuntimeVersion`.
    async fn version(&self) -> Result<RuntimeVersion>;

    /// Creates and starts a sandbox with its network, and tells its address (CRI `RunPodSandbox`).
    /// A sandbox of the same pod uid and attempt that is ready is returned as it is.
    /// Errors: `Sandbox` with everything half made taken back.
    async fn run_pod_sandbox(&self, config: &PodSandboxConfig) -> Result<PodSandboxStatus>;

    /// Kills the sandbox's containers and gives its network back (CRI `StopPodSandbox`).
    async fn stop_pod_sandbox(&self, id: &SandboxId) -> Result<()>;

    /// Stops the sandbox if need be and removes it with its containers (CRI `RemovePodSandbox`).
    /// Log files stay: they belong to the kubelet.
    async fn remove_pod_sandbox(&self, id: &SandboxId) -> Result<()>;

    /// The sandbox's state and address (CRI `PodSandboxStatus`). Errors: `NotFound`.
    async fn pod_sandbox_status(&self, id: &SandboxId) -> Result<PodSandboxStatus>;

    /// Every sandbox of this node, in order of id (CRI `ListPodSandbox`).
    async fn list_pod_sandboxes(&self) -> Result<Vec<PodSandboxStatus>>;

    /// Prepares a container's root file system and configuration (CRI `CreateContainer`).
    /// Errors: `NotFound` for the sandbox, `ImageNotPresent`, `ContainerConfig` for a request that can
    /// never succeed, `CreateContainer` for one that failed.
    async fn create_container(
        &self,
        sandbox: &SandboxId,
        config: &ContainerConfig,
    ) -> Result<ContainerId>;

    /// Starts a created container (CRI `StartContainer`); returns when its process runs.
    /// Errors: `NotFound`, `RunContainer` (for example a command that does not exist).
    async fn start_container(&self, id: &ContainerId) -> Result<()>;

    /// Sends the image's stop signal (SIGTERM by default), after `grace` SIGKILL, and returns when the
    /// container has exited (CRI `StopContainer`). A later call with less grace shortens the wait.
    async fn stop_container(&self, id: &ContainerId, grace: Duration) -> Result<()>;

    /// Kills the container if it runs and removes it (CRI `RemoveContainer`). Its log file stays.
    async fn remove_container(&self, id: &ContainerId) -> Result<()>;

    /// Every container of this node, in order of id (CRI `ListContainers`).
    async fn list_containers(&self) -> Result<Vec<ContainerStatus>>;

    /// The container's state (CRI `ContainerStatus`). Errors: `NotFound`.
    async fn container_status(&self, id: &ContainerId) -> Result<ContainerStatus>;

    /// Opens the container's log file again after it was moved away (CRI `ReopenContainerLog`).
    async fn reopen_container_log(&self, id: &ContainerId) -> Result<()>;

    /// Runs a command in a running container (CRI `Exec` and `ExecSync` in one).
    /// Errors: `NotFound`, `Exec` if the container does not run or the command cannot be started.
    async fn exec(&self, id: &ContainerId, config: &ExecConfig) -> Result<ExecSession>;

    /// What happens to containers from this call on (CRI `GetContainerEvents`). Subscribe first, list
    /// second: then nothing is missed.
    fn events(&self) -> Events;

    /// Fetches an image (CRI `PullImage`) and tells it. Errors: `PullImage`, `InvalidImageName`.
    async fn pull_image(&self, image: &str) -> Result<Image>;

    /// The image if it is present (CRI `ImageStatus`). Errors: `InvalidImageName`.
    async fn image_status(&self, image: &str) -> Result<Option<Image>>;

    /// Every image present, in order of id (CRI `ListImages`).
    async fn list_images(&self) -> Result<Vec<Image>>;

    /// Adds the images of a tar file: an OCI layout or what `docker save` writes. Not in CRI.
    /// Errors: `Image` naming the part that was refused.
    async fn import_image(&self, tar: &Path) -> Result<Vec<Image>>;
}

/// A subscription to [`ContainerEvent`]s.
#[derive(Debug)]
pub struct Events(broadcast::Receiver<ContainerEvent>);

/// Why a subscription has no next event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventsEnd {
    /// The receiver stayed behind and the oldest events are gone: list again, then go on reading.
    #[error(
        "the receiver of container events stayed behind and lost {0} of them: list the containers again"
    )]
    Behind(u64),
    /// The runtime was closed.
    #[error("the container runtime was closed")]
    Closed,
}

impl Events {
    /// Events that `receiver` gets.
    pub fn new(receiver: broadcast::Receiver<ContainerEvent>) -> Self {
        Self(receiver)
    }

    /// Waits for the next event. Cancelling the wait loses nothing.
    pub async fn next(&mut self) -> std::result::Result<ContainerEvent, EventsEnd> {
        self.0.recv().await.map_err(|end| match end {
            broadcast::error::RecvError::Lagged(lost) => EventsEnd::Behind(lost),
            broadcast::error::RecvError::Closed => EventsEnd::Closed,
        })
    }
}
