//! The embedded runtime in CRI's terms.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::sandbox::Sandbox;
use super::{EmbeddedRuntime, blocking, exec};
use crate::cri::{
    ContainerConfig, ContainerId, ContainerState, ContainerStatus, ExecConfig, ExecSession, Image,
    PodSandboxConfig, PodSandboxStatus, RuntimeVersion, SandboxId,
};
use crate::error::{Error, Result};
use crate::runtime::{Events, Runtime};
use crate::shim::protocol::Call;

/// The runtime's name, as it is seen before `://` in a container's id.
const NAME: &str = "plimsoll";

impl EmbeddedRuntime {
    fn sandbox(&self, id: &SandboxId) -> Option<Arc<Sandbox>> {
        self.sandboxes().get(id).cloned()
    }

    fn ready_sandbox(&self, id: &SandboxId) -> Result<Arc<Sandbox>> {
        self.sandbox(id).ok_or_else(|| Error::NotFound {
            what: "pod sandbox",
            id: id.0.clone(),
        })
    }

    /// The sandbox, the directory's name and the state of a container.
    fn find(&self, id: &ContainerId) -> Option<(Arc<Sandbox>, String, ContainerStatus)> {
        let sandboxes = self.sandboxes();
        // A container's id begins with its sandbox's, but names may be cut in many ways: ask each.
        sandboxes
            .values()
            .filter(|sandbox| id.0.starts_with(&sandbox.id.0))
            .find_map(|sandbox| {
                let (name, status) = sandbox.container(id)?;
                Some((Arc::clone(sandbox), name, status))
            })
    }

    fn present(&self, id: &ContainerId) -> Result<(Arc<Sandbox>, String, ContainerStatus)> {
        self.find(id).ok_or_else(|| Error::NotFound {
            what: "container",
            id: id.0.clone(),
        })
    }
}

impl Runtime for EmbeddedRuntime {
    async fn version(&self) -> Result<RuntimeVersion> {
        let runtime_version = env!("CARGO_PKG_VERSION").to_owned();
        Ok(RuntimeVersion {
            runtime_name: NAME.to_owned(),
            runtime_version,
        })
    }

    async fn run_pod_sandbox(&self, config: &PodSandboxConfig) -> Result<PodSandboxStatus> {
        let planned = Sandbox::planned(&self.node, config)?;
        let sandbox = Arc::clone(
            self.sandboxes()
                .entry(planned.id.clone())
                .or_insert(planned),
        );
        let made = sandbox.make().await;
        if made.is_err() && sandbox.phase() == crate::state::Phase::Preparing {
            self.sandboxes().remove(&sandbox.id);
        }
        made.map(|()| sandbox.status())
    }

    async fn stop_pod_sandbox(&self, id: &SandboxId) -> Result<()> {
        match self.sandbox(id) {
            Some(sandbox) => sandbox.stop().await,
            None => Ok(()),
        }
    }

    async fn remove_pod_sandbox(&self, id: &SandboxId) -> Result<()> {
        let Some(sandbox) = self.sandbox(id) else {
            return Ok(());
        };
        sandbox.remove().await?;
        self.sandboxes().remove(id);
        Ok(())
    }

    async fn pod_sandbox_status(&self, id: &SandboxId) -> Result<PodSandboxStatus> {
        self.ready_sandbox(id).map(|sandbox| sandbox.status())
    }

    async fn list_pod_sandboxes(&self) -> Result<Vec<PodSandboxStatus>> {
        Ok(self
            .sandboxes()
            .values()
            .map(|sandbox| sandbox.status())
            .collect())
    }

    async fn create_container(
        &self,
        sandbox: &SandboxId,
        config: &ContainerConfig,
    ) -> Result<ContainerId> {
        self.ready_sandbox(sandbox)?.create(config).await
    }

    async fn start_container(&self, id: &ContainerId) -> Result<()> {
        let (sandbox, name, _) = self.present(id)?;
        sandbox.start(&name, id).await
    }

    async fn stop_container(&self, id: &ContainerId, grace: Duration) -> Result<()> {
        match self.find(id) {
            Some((sandbox, name, _)) => sandbox.stop_container(&name, id, grace).await,
            None => Ok(()),
        }
    }

    async fn remove_container(&self, id: &ContainerId) -> Result<()> {
        match self.find(id) {
            Some((sandbox, name, _)) => sandbox.remove_container(&name, id).await,
            None => Ok(()),
        }
    }

    async fn list_containers(&self) -> Result<Vec<ContainerStatus>> {
        let mut all: Vec<_> = self
            .sandboxes()
            .values()
            .flat_map(|sandbox| sandbox.containers())
            .collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(all)
    }

    async fn container_status(&self, id: &ContainerId) -> Result<ContainerStatus> {
        self.present(id).map(|(_, _, status)| status)
    }

    async fn reopen_container_log(&self, id: &ContainerId) -> Result<()> {
        let (sandbox, container, _) = self.present(id)?;
        let shim = sandbox.shim(Error::Runtime)?;
        let reopened = shim.call(Call::ReopenLog { container }).await;
        reopened
            .map(drop)
            .map_err(|why| Error::Runtime(format!("log of {id}: {why}")))
    }

    async fn exec(&self, id: &ContainerId, config: &ExecConfig) -> Result<ExecSession> {
        let failed = |message: String| Error::Exec {
            container: id.0.clone(),
            message,
        };
        let (sandbox, name, status) = self.present(id)?;
        if status.state != ContainerState::Running {
            return Err(failed("the container does not run".to_owned()));
        }
        if config.command.is_empty() || config.command.iter().any(|word| word.contains('\0')) {
            return Err(failed(
                "a command is one word or more, without zero bytes".to_owned(),
            ));
        }
        exec::exec(&sandbox.directory, &name, config)
            .await
            .map_err(failed)
    }

    fn events(&self) -> Events {
        Events::new(self.node.events.subscribe())
    }

    async fn pull_image(&self, image: &str) -> Result<Image> {
        match self.image_status(image).await? {
            Some(present) => Ok(present),
            None => Err(Error::PullImage {
                image: image.to_owned(),
                message: "this runtime cannot fetch images from a registry yet; bring the image as a tar file with `plimsoll image import FILE`".to_owned(),
            }),
        }
    }

    async fn image_status(&self, image: &str) -> Result<Option<Image>> {
        Ok(self.node.store.find(image)?.map(|record| record.image()))
    }

    async fn list_images(&self) -> Result<Vec<Image>> {
        Ok(self
            .node
            .store
            .records()?
            .iter()
            .map(|record| record.image())
            .collect())
    }

    async fn import_image(&self, tar: &Path) -> Result<Vec<Image>> {
        let (store, tar) = (self.node.store.clone(), tar.to_owned());
        blocking(move || store.import(&tar)).await
    }
}
