//! The runtime trait over a simulated node. Every call takes its time, and what was begun is done when half of that
//! is over: a kubelet that dies in between finds a container that nobody told it of.

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use runtime::cri::{
    ContainerConfig, ContainerId, ContainerStatus, ExecConfig, ExecSession, Image,
    PodSandboxConfig, PodSandboxStatus, RuntimeVersion, SandboxId, SandboxState,
};
use runtime::{Error, Events, Result, Runtime};
use tokio::time::sleep;

use super::node::{Containers, Inner};

/// Half of what an operation takes, in milliseconds, each a time of its own in between.
const HALF_MS: (u64, u64) = (1, 60);

/// What a kubelet's process has in hands of its node's containers.
pub struct SimulatedRuntime(Rc<Inner>);

impl Containers {
    /// The runtime for a kubelet that starts.
    pub fn runtime(&self) -> SimulatedRuntime {
        SimulatedRuntime(self.0.clone())
    }
}

impl SimulatedRuntime {
    async fn half(&self) {
        let (least, most) = HALF_MS;
        sleep(Duration::from_millis(self.0.random.between(least, most))).await;
    }

    /// Waits as an operation does before its effect; an error if it fails.
    async fn begin(&self, error: impl FnOnce(String) -> Error) -> Result<()> {
        self.half().await;
        match self.0.random.below(1000) < self.0.failing_per_mille.get() {
            true => Err(error("the simulation lets it fail".to_owned())),
            false => Ok(()),
        }
    }

    fn image(&self, name: &str) -> Image {
        Image {
            id: format!("sha256:{name}"),
            repo_tags: vec![name.to_owned()],
            repo_digests: Vec::new(),
            size: 0,
            uid: None,
            username: String::new(),
        }
    }
}

impl Runtime for SimulatedRuntime {
    async fn version(&self) -> Result<RuntimeVersion> {
        Ok(RuntimeVersion {
            runtime_name: "simulated".to_owned(),
            runtime_version: "1".to_owned(),
        })
    }

    async fn run_pod_sandbox(&self, config: &PodSandboxConfig) -> Result<PodSandboxStatus> {
        self.begin(|message| Error::Sandbox {
            pod: config.name.clone(),
            message,
        })
        .await?;
        let status = self.0.make_sandbox(config);
        self.half().await;
        Ok(status)
    }

    async fn stop_pod_sandbox(&self, id: &SandboxId) -> Result<()> {
        self.begin(|message| Error::Sandbox {
            pod: id.0.clone(),
            message,
        })
        .await?;
        self.0.stop_sandbox(id);
        self.half().await;
        Ok(())
    }

    async fn remove_pod_sandbox(&self, id: &SandboxId) -> Result<()> {
        self.begin(|message| Error::Sandbox {
            pod: id.0.clone(),
            message,
        })
        .await?;
        self.0.remove_sandbox(id);
        self.half().await;
        Ok(())
    }

    async fn pod_sandbox_status(&self, id: &SandboxId) -> Result<PodSandboxStatus> {
        let found = self.0.sandbox(id);
        found.ok_or_else(|| not_found("pod sandbox", &id.0))
    }

    async fn list_pod_sandboxes(&self) -> Result<Vec<PodSandboxStatus>> {
        self.begin(Error::Runtime).await?;
        let all = self.0.sandboxes();
        self.half().await;
        Ok(all)
    }

    async fn create_container(
        &self,
        sandbox: &SandboxId,
        config: &ContainerConfig,
    ) -> Result<ContainerId> {
        self.begin(|message| Error::CreateContainer {
            container: config.name.clone(),
            message,
        })
        .await?;
        let sandbox = self
            .0
            .sandbox(sandbox)
            .filter(|sandbox| sandbox.state == SandboxState::Ready)
            .ok_or_else(|| not_found("pod sandbox", &sandbox.0))?;
        let id = self.0.make_container(&sandbox, config);
        self.half().await;
        Ok(id)
    }

    async fn start_container(&self, id: &ContainerId) -> Result<()> {
        let failed = |message| Error::RunContainer {
            container: id.0.clone(),
            message,
        };
        self.begin(failed).await?;
        if !self.0.start(id) {
            return Err(failed("it cannot be started".to_owned()));
        }
        self.half().await;
        Ok(())
    }

    async fn stop_container(&self, id: &ContainerId, grace: Duration) -> Result<()> {
        self.begin(|message| Error::KillContainer {
            container: id.0.clone(),
            message,
        })
        .await?;
        self.0.terminate(id, grace);
        self.0.ended(id).await;
        self.half().await;
        Ok(())
    }

    async fn remove_container(&self, id: &ContainerId) -> Result<()> {
        self.begin(|message| Error::KillContainer {
            container: id.0.clone(),
            message,
        })
        .await?;
        self.0.remove(id);
        self.half().await;
        Ok(())
    }

    async fn list_containers(&self) -> Result<Vec<ContainerStatus>> {
        self.begin(Error::Runtime).await?;
        let all = self.0.containers();
        self.half().await;
        Ok(all)
    }

    async fn container_status(&self, id: &ContainerId) -> Result<ContainerStatus> {
        let found = self.0.container(id);
        found.ok_or_else(|| not_found("container", &id.0))
    }

    async fn reopen_container_log(&self, _: &ContainerId) -> Result<()> {
        Ok(())
    }

    async fn exec(&self, id: &ContainerId, _: &ExecConfig) -> Result<ExecSession> {
        Err(Error::Exec {
            container: id.0.clone(),
            message: "a simulated container runs no commands".to_owned(),
        })
    }

    fn events(&self) -> Events {
        Events::new(self.0.events.subscribe())
    }

    async fn pull_image(&self, image: &str) -> Result<Image> {
        self.begin(|message| Error::PullImage {
            image: image.to_owned(),
            message,
        })
        .await?;
        self.half().await;
        Ok(self.image(image))
    }

    async fn image_status(&self, image: &str) -> Result<Option<Image>> {
        Ok(Some(self.image(image)))
    }

    async fn list_images(&self) -> Result<Vec<Image>> {
        Ok(vec![self.image(super::script::IMAGE)])
    }

    async fn import_image(&self, tar: &Path) -> Result<Vec<Image>> {
        Err(Error::Image {
            image: tar.display().to_string(),
            message: "a simulated node has no files".to_owned(),
        })
    }
}

fn not_found(what: &'static str, id: &str) -> Error {
    Error::NotFound {
        what,
        id: id.to_owned(),
    }
}
