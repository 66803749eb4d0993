//! Containers as the runtime has them.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::sandbox::{Sandbox, remove_directory};
use super::shim::CallError;
use super::{blocking, failed, locked, spec};
use crate::cri::{
    ContainerConfig, ContainerEvent, ContainerId, ContainerState, ContainerStatus, reason,
};
use crate::durable;
use crate::error::{Error, Result};
use crate::image::resolve_user;
use crate::shim::protocol::{Answer, Call, Refusal};
use crate::state::{ContainerRecord, Launch, Progress, file};

/// Exit code of a container whose end was not seen: it was killed with its shim.
const LOST_CODE: i32 = 137;

/// A container of a sandbox.
pub(super) struct Container {
    pub(super) record: ContainerRecord,
    /// `None` until it was started.
    pub(super) progress: Option<Progress>,
}

impl Container {
    pub(super) fn runs(&self) -> bool {
        self.progress
            .as_ref()
            .is_some_and(|progress| progress.state == ContainerState::Running)
    }

    fn status(&self, sandbox: &Sandbox) -> ContainerStatus {
        let ContainerRecord {
            id,
            config,
            created_at,
            image_ref,
            launch,
            ..
        } = &self.record;
        let none = Progress {
            state: ContainerState::Created,
            pid: None,
            started_at: 0,
            finished_at: 0,
            exit_code: 0,
            reason: String::new(),
            message: String::new(),
        };
        let progress = self.progress.clone().unwrap_or(none);
        ContainerStatus {
            id: id.clone(),
            sandbox: sandbox.id.clone(),
            name: config.name.clone(),
            attempt: config.attempt,
            state: progress.state,
            pid: progress.pid,
            created_at: *created_at,
            started_at: progress.started_at,
            finished_at: progress.finished_at,
            exit_code: progress.exit_code,
            reason: progress.reason,
            message: progress.message,
            image: config.image.clone(),
            image_ref: image_ref.clone(),
            log_path: launch.log_path.clone(),
            labels: config.labels.clone(),
            annotations: config.annotations.clone(),
        }
    }
}

impl Sandbox {
    /// The states of its containers.
    pub(super) fn containers(&self) -> Vec<ContainerStatus> {
        locked(&self.state)
            .containers
            .values()
            .map(|container| container.status(self))
            .collect()
    }

    /// The directory's name and the state of a container.
    pub(super) fn container(&self, id: &ContainerId) -> Option<(String, ContainerStatus)> {
        let state = locked(&self.state);
        let (name, container) = state
            .containers
            .iter()
            .find(|(_, container)| container.record.id == *id)?;
        Some((name.clone(), container.status(self)))
    }

    /// Prepares a container: everything but its mounts and its process, which are the shim's.
    pub(super) async fn create(self: &Arc<Self>, config: &ContainerConfig) -> Result<ContainerId> {
        let refused = |message: String| Error::ContainerConfig {
            container: config.name.clone(),
            message,
        };
        let create = |message: String| Error::CreateContainer {
            container: config.name.clone(),
            message,
        };
        let plain = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        if !plain(&config.name) || config.name.len() > 63 {
            return Err(refused(
                "a name is made of 1 to 63 letters, digits and dashes".to_owned(),
            ));
        }
        self.shim(create)?;
        let name = format!("{}_{}", config.name, config.attempt);
        if locked(&self.state).containers.contains_key(&name) {
            return Err(create(format!("{name} exists already")));
        }
        let (sandbox, wanted) = (Arc::clone(self), config.clone());
        let directory_name = name.clone();
        let record = blocking(move || sandbox.prepare(&directory_name, &wanted)).await?;
        let id = record.id.clone();
        let container = Container {
            record,
            progress: None,
        };
        let status = container.status(self);
        locked(&self.state).containers.insert(name, container);
        self.node.tell(ContainerEvent::Created(status));
        Ok(id)
    }

    fn prepare(&self, name: &str, config: &ContainerConfig) -> Result<ContainerRecord> {
        let refused = |message: String| Error::ContainerConfig {
            container: config.name.clone(),
            message,
        };
        let store = &self.node.store;
        let image = store.find(&config.image)?;
        let mut image = image.ok_or_else(|| Error::ImageNotPresent {
            image: config.image.clone(),
        })?;
        if image.is_echo() {
            // It answers with its node, which nothing else tells it.
            let node = format!("NODE_NAME={}", self.node.options.node_name);
            image.config.env.push(node);
        }
        let layers = store.layer_paths(&image);
        let user = resolve_user(&image.config.user, &config.security, &layers).map_err(refused)?;
        let record = locked(&self.state).record.clone();
        let cgroup = record.cgroup.join(name);
        let spec = spec::build(&spec::Sources {
            pod: &record.config,
            config,
            image: &image.config,
            user: &user,
            sandbox: &self.directory,
            cgroup: &cgroup,
            oom_score_adj_min: self.node.oom_score_adj_min,
        });
        let spec = spec.map_err(refused)?;
        for mount in &config.mounts {
            // As containerd does for a hostPath that says nothing about what it must be.
            if !mount.host_path.exists() {
                fs::create_dir_all(&mount.host_path).map_err(|e| failed(&mount.host_path, e))?;
            }
        }
        let log_path = match config.log_path.as_os_str().is_empty() {
            true => Default::default(),
            false => record.config.log_directory.join(&config.log_path),
        };
        let launch = Launch {
            layers_directory: store.layers_directory(),
            layers: image.layers,
            tty: config.tty,
            stdin: config.stdin,
            log_path,
            cgroup,
        };
        let record = ContainerRecord {
            id: ContainerId(format!("{}_{name}", self.id)),
            config: config.clone(),
            created_at: durable::now(),
            image_ref: image.id,
            stop_signal: image.config.stop_signal,
            launch,
        };
        let directory = self.directory.join(file::CONTAINERS).join(name);
        let create = |e: String| Error::CreateContainer {
            container: config.name.clone(),
            message: e,
        };
        let prepared = remove_directory(&directory).and_then(|()| fs::create_dir_all(&directory));
        prepared.map_err(|e| create(e.to_string()))?;
        // A directory without its record is no container: the record comes last.
        spec.save(directory.join(file::CONFIG))
            .map_err(|e| create(e.to_string()))?;
        durable::write_json(&directory.join(file::CONTAINER), &record)
            .map_err(|e| create(e.to_string()))?;
        Ok(record)
    }

    /// Starts a created container. Starting one that runs does nothing.
    pub(super) async fn start(&self, name: &str, id: &ContainerId) -> Result<()> {
        let failed = |message: String| Error::RunContainer {
            container: id.0.clone(),
            message,
        };
        let shim = self.shim(failed)?;
        match shim
            .call(Call::Start {
                container: name.to_owned(),
            })
            .await
        {
            Ok(Answer::Started(progress)) => {
                if let Some(status) = self.note(name, progress) {
                    self.node.tell(ContainerEvent::Started(status));
                }
                Ok(())
            }
            Ok(other) => Err(failed(format!("the shim answered {other:?}"))),
            Err(CallError::Refused(Refusal::NotStarted(progress))) => {
                let why = progress.message.clone();
                if let Some(status) = self.note(name, progress) {
                    self.node.tell(ContainerEvent::Stopped(status));
                }
                Err(failed(why))
            }
            Err(why) => Err(failed(why.to_string())),
        }
    }

    /// Stops a container in time; returns when it has ended.
    pub(super) async fn stop_container(
        &self,
        name: &str,
        id: &ContainerId,
        grace: Duration,
    ) -> Result<()> {
        let failed = |message: String| Error::KillContainer {
            container: id.0.clone(),
            message,
        };
        let signal = {
            let state = locked(&self.state);
            match state.containers.get(name) {
                Some(container) if container.runs() => container.record.stop_signal,
                _ => return Ok(()),
            }
        };
        let shim = self.shim(failed)?;
        let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        match shim
            .call(Call::Stop {
                container: name.to_owned(),
                signal,
                grace_ms,
            })
            .await
        {
            Ok(_) => Ok(()),
            Err(why) => Err(failed(why.to_string())),
        }
    }

    /// Removes a container, killing it if it runs.
    pub(super) async fn remove_container(&self, name: &str, id: &ContainerId) -> Result<()> {
        let failed = |message: String| Error::KillContainer {
            container: id.0.clone(),
            message,
        };
        match self.shim(failed) {
            Ok(shim) => {
                let removed = shim
                    .call(Call::Remove {
                        container: name.to_owned(),
                    })
                    .await;
                removed.map_err(|why| failed(why.to_string()))?;
            }
            // Without its shim nothing of it runs or is mounted.
            Err(_) => {
                let directory = self.directory.join(file::CONTAINERS).join(name);
                blocking(move || {
                    remove_directory(&directory).map_err(|e| super::failed(&directory, e))
                })
                .await?;
            }
        }
        if locked(&self.state).containers.remove(name).is_some() {
            self.node.tell(ContainerEvent::Deleted {
                id: id.clone(),
                sandbox: self.id.clone(),
            });
        }
        Ok(())
    }

    /// A container's end, as its shim tells it.
    pub(super) fn container_ended(&self, name: &str, progress: Progress) {
        if let Some(status) = self.note(name, progress) {
            self.node.tell(ContainerEvent::Stopped(status));
        }
    }

    /// Notes how far a container is. An end is final: an older word that comes later changes nothing.
    fn note(&self, name: &str, progress: Progress) -> Option<ContainerStatus> {
        let mut state = locked(&self.state);
        let container = state.containers.get_mut(name)?;
        let ended = container
            .progress
            .as_ref()
            .is_some_and(|known| known.state == ContainerState::Exited);
        if ended {
            return None;
        }
        container.progress = Some(progress);
        Some(container.status(self))
    }

    /// Notes what the shim knows, after it was away or this runtime was.
    pub(super) fn take_progress(&self, answer: Answer) {
        let Answer::Containers(containers) = answer else {
            return;
        };
        for (name, progress) in containers {
            self.note(&name, progress);
        }
    }

    /// Nothing of the pod runs any more: containers that ran are ended, as far as is known.
    pub(super) fn note_lost_containers(&self) {
        let running: Vec<(String, Progress)> = {
            let state = locked(&self.state);
            let runs = state
                .containers
                .iter()
                .filter(|(_, container)| container.runs());
            runs.filter_map(|(name, c)| Some((name.clone(), c.progress.clone()?)))
                .collect()
        };
        for (name, progress) in running {
            let path = self
                .directory
                .join(file::CONTAINERS)
                .join(&name)
                .join(file::STATE);
            let lost = find_end(&path).unwrap_or(Progress {
                state: ContainerState::Exited,
                pid: None,
                finished_at: durable::now(),
                exit_code: LOST_CODE,
                reason: reason::UNKNOWN.to_owned(),
                message: "the container could not be located when the pod's shim died".to_owned(),
                ..progress
            });
            if let Err(error) = durable::write_json(&path, &lost) {
                tracing::warn!(sandbox = %self.id, %error, "a container's end could not be written down");
            }
            self.container_ended(&name, lost);
        }
    }
}

/// The end that the shim wrote down before it died.
fn find_end(path: &Path) -> Option<Progress> {
    let found: Option<Progress> = durable::find_json(path).ok().flatten();
    found.filter(|progress| progress.state == ContainerState::Exited)
}
