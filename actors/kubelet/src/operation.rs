//! Carrying out one step of a pod's life ([`Operation`]) on disk and in the runtime.

use std::time::Duration;

use model::actions::kubelet::PodName;
use model::machines::kubelet::pod::Pod;
use model::machines::kubelet::{
    ContainerReport, Input, Kubelet, Operation, Outcome, ReportedState,
};
use model::objects::pod::{ContainerSpec, PodView};
use model::rules::env::NodeFacts;
use runtime::Runtime;
use runtime::cri::{ContainerId, Image, SandboxId, SandboxState};
use shell::Handle;

use crate::container::{self, Surroundings};
use crate::effects::Node;
use crate::log_rotation;
use crate::report;
use crate::volumes;

/// Why an operation failed, in the words of a waiting state or an event.
struct Failure {
    reason: &'static str,
    message: String,
}

impl From<runtime::Error> for Failure {
    fn from(error: runtime::Error) -> Self {
        Failure {
            reason: error.reason(),
            message: error.to_string(),
        }
    }
}

fn failure(reason: &'static str) -> impl Fn(runtime::Error) -> Failure {
    move |error| Failure {
        reason,
        message: error.to_string(),
    }
}

impl<R: Runtime + 'static> Node<R> {
    /// Carries out an operation and tells how it ended.
    pub(crate) async fn carry_out(
        &self,
        pod: &PodName,
        operation: &Operation,
        handle: &Handle<Kubelet>,
    ) -> Outcome {
        let done = match operation {
            Operation::PrepareVolumes => self.prepare_volumes(pod).await,
            Operation::CreateSandbox { attempt } => self.create_sandbox(pod, *attempt).await,
            Operation::EnsureImage { container } => self.ensure_image(pod, container, handle).await,
            Operation::StartContainer { container, attempt } => {
                self.start_container(pod, container, *attempt).await
            }
            Operation::StopContainers { grace_s } => self.stop_containers(pod, *grace_s).await,
            Operation::RemoveContainer { id } => self.remove_container(pod, id).await,
            Operation::StopSandbox { id } => {
                let id = SandboxId(id.clone());
                let stopped = self.runtime.stop_pod_sandbox(&id).await;
                stopped
                    .map(|()| Outcome::Done)
                    .map_err(failure("FailedKillPod"))
            }
            Operation::RemoveSandbox { id } => {
                let id = SandboxId(id.clone());
                let removed = self.runtime.remove_pod_sandbox(&id).await;
                removed
                    .map(|()| Outcome::Done)
                    .map_err(failure("FailedKillPod"))
            }
            Operation::RemoveDirectories => self.remove_directories(pod),
        };
        done.unwrap_or_else(|Failure { reason, message }| {
            tracing::warn!(pod = %pod.name, namespace = %pod.namespace, reason, message, "a step of a pod failed");
            Outcome::Failed {
                reason: reason.to_owned(),
                message,
            }
        })
    }

    fn spec(&self, pod: &PodName) -> Result<std::rc::Rc<PodView>, Failure> {
        self.pods.get(&pod.uid).ok_or_else(|| Failure {
            reason: "FailedSync",
            message: "the pod's spec is not known".to_owned(),
        })
    }

    async fn facts(&self, pod: &PodName) -> Result<NodeFacts, runtime::Error> {
        let sandboxes = self.runtime.list_pod_sandboxes().await?;
        let ready = sandboxes
            .into_iter()
            .find(|sandbox| sandbox.uid == pod.uid && sandbox.state == SandboxState::Ready);
        Ok(NodeFacts {
            host_ip: self.config.node_address.to_string(),
            pod_ips: ready
                .map(|sandbox| sandbox.ips.iter().map(ToString::to_string).collect())
                .unwrap_or_default(),
            allocatable: self.allocatable,
        })
    }

    async fn prepare_volumes(&self, pod: &PodName) -> Result<Outcome, Failure> {
        let view = self.spec(pod)?;
        let facts = NodeFacts {
            host_ip: self.config.node_address.to_string(),
            pod_ips: Vec::new(),
            allocatable: self.allocatable,
        };
        match volumes::prepare(&self.client, &self.directories, &view, &facts).await {
            Ok(()) => Ok(Outcome::Done),
            Err(message) => Err(Failure {
                reason: "FailedMount",
                message,
            }),
        }
    }

    async fn create_sandbox(&self, pod: &PodName, attempt: u32) -> Result<Outcome, Failure> {
        let view = self.spec(pod)?;
        let read = Pod::read(&view).map_err(|error| Failure {
            reason: "FailedCreatePodSandBox",
            message: error.to_string(),
        })?;
        if let Some(asked) = view.spec.unserved_isolation() {
            return Err(Failure {
                reason: "FailedCreatePodSandBox",
                message: format!("{asked} is not served yet"),
            });
        }
        let config = container::sandbox(&view, &read, attempt, &self.directories);
        let made = self.runtime.run_pod_sandbox(&config).await?;
        Ok(Outcome::Sandbox {
            id: made.id.0,
            ips: made.ips.iter().map(ToString::to_string).collect(),
        })
    }

    async fn ensure_image(
        &self,
        pod: &PodName,
        container: &str,
        handle: &Handle<Kubelet>,
    ) -> Result<Outcome, Failure> {
        let view = self.spec(pod)?;
        let spec = find(&view, container)?;
        let present = self.runtime.image_status(&spec.image).await?;
        let (image, pulled) = match (spec.image_pull_policy.as_str(), present) {
            ("Always", _) | ("" | "IfNotPresent", None) => {
                let pulling = Input::Pulling {
                    uid: pod.uid.clone(),
                    container: container.to_owned(),
                };
                // A machine that has stopped does not ask what became of it.
                let _ = handle.send(pulling).await;
                (self.runtime.pull_image(&spec.image).await?, true)
            }
            (_, Some(present)) => (present, false),
            (_, None) => {
                let message = format!(
                    "Container image {:?} is not present with pull policy of Never",
                    spec.image
                );
                return Err(Failure {
                    reason: "ErrImageNeverPull",
                    message,
                });
            }
        };
        Ok(Outcome::Image {
            id: image.id,
            pulled,
        })
    }

    async fn start_container(
        &self,
        pod: &PodName,
        name: &str,
        attempt: u32,
    ) -> Result<Outcome, Failure> {
        let view = self.spec(pod)?;
        let spec = find(&view, name)?;
        let image = self.image(spec).await?;
        let sandboxes = self.runtime.list_pod_sandboxes().await?;
        let sandbox = sandboxes
            .into_iter()
            .find(|sandbox| sandbox.uid == pod.uid && sandbox.state == SandboxState::Ready)
            .ok_or_else(|| Failure {
                reason: "CreateContainerError",
                message: "the pod's sandbox is not ready".to_owned(),
            })?;
        let around = Surroundings {
            client: &self.client,
            directories: &self.directories,
            facts: self.facts(pod).await?,
            memory_bytes: self.allocatable.memory_bytes,
        };
        let config = container::container(&around, &view, spec, attempt, &image)
            .await
            .map_err(|error| Failure {
                reason: "CreateContainerConfigError",
                message: error.to_string(),
            })?;
        let id = self.runtime.create_container(&sandbox.id, &config).await?;
        if let Err(error) = self.runtime.start_container(&id).await {
            // What did not start is not kept: its end is in the pod's status.
            if let Err(error) = self.runtime.remove_container(&id).await {
                tracing::warn!(container = %id, %error, "a container that did not start stays");
            }
            return Err(error.into());
        }
        Ok(Outcome::Started(
            self.started(pod, name, attempt, &id, &image).await?,
        ))
    }

    /// The container as it is just after its start; one that has been removed meanwhile has ended unseen.
    async fn started(
        &self,
        pod: &PodName,
        name: &str,
        attempt: u32,
        id: &ContainerId,
        image: &Image,
    ) -> Result<ContainerReport, Failure> {
        let status = self.runtime.container_status(id).await?;
        let now = self.environment.now();
        Ok(
            report::container(status).unwrap_or_else(|| ContainerReport {
                uid: pod.uid.clone(),
                sandbox: String::new(),
                name: name.to_owned(),
                id: id.0.clone(),
                attempt,
                state: ReportedState::Running,
                started: now,
                finished: model::machine::Now(0),
                exit_code: 0,
                reason: String::new(),
                message: String::new(),
                image_id: image.id.clone(),
            }),
        )
    }

    async fn image(&self, spec: &ContainerSpec) -> Result<Image, Failure> {
        let present = self.runtime.image_status(&spec.image).await?;
        present.ok_or_else(|| Failure {
            reason: "ErrImageNeverPull",
            message: format!(
                "image {:?} has been removed since it was looked at",
                spec.image
            ),
        })
    }

    /// Every container of the pod at once, so that their grace times pass together.
    async fn stop_containers(&self, pod: &PodName, grace_s: u64) -> Result<Outcome, Failure> {
        let kill = failure("FailedKillPod");
        let all = self.runtime.list_containers().await.map_err(&kill)?;
        let own = |status: &runtime::cri::ContainerStatus| {
            status.labels.get(report::label::UID) == Some(&pod.uid)
        };
        let ids: Vec<ContainerId> = all
            .into_iter()
            .filter(own)
            .map(|status| status.id)
            .collect();
        let grace = Duration::from_secs(grace_s);
        let mut stops = tokio::task::JoinSet::new();
        for id in ids.clone() {
            let runtime = self.runtime.clone();
            stops.spawn_local(async move { runtime.stop_container(&id, grace).await });
        }
        let mut failed = None;
        while let Some(stopped) = stops.join_next().await {
            match stopped {
                Ok(Ok(())) => {}
                Ok(Err(error)) => failed = Some(error),
                Err(error) => failed = Some(runtime::Error::Runtime(error.to_string())),
            }
        }
        if let Some(error) = failed {
            return Err(kill(error));
        }
        let mut reports = Vec::new();
        for id in &ids {
            if let Ok(status) = self.runtime.container_status(id).await {
                reports.extend(report::container(status));
            }
        }
        Ok(Outcome::Stopped(reports))
    }

    async fn remove_container(&self, pod: &PodName, id: &str) -> Result<Outcome, Failure> {
        let id = ContainerId(id.to_owned());
        let log = match self.runtime.container_status(&id).await {
            Ok(status) => Some(status.log_path),
            Err(runtime::Error::NotFound { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        self.runtime.remove_container(&id).await?;
        let own = self.directories.pod_logs(pod);
        match log.filter(|log| log.starts_with(&own)) {
            Some(log) => {
                log_rotation::remove_former(&log).map_err(|error| Failure {
                    reason: "FailedKillPod",
                    message: format!("{}: {error}", log.display()),
                })?;
                removed(volumes::remove(&log))
            }
            None => Ok(Outcome::Done),
        }
    }

    fn remove_directories(&self, pod: &PodName) -> Result<Outcome, Failure> {
        removed(volumes::remove(&self.directories.pod(&pod.uid)))?;
        removed(volumes::remove(&self.directories.pod_logs(pod)))
    }
}

fn removed(result: Result<(), volumes::VolumeError>) -> Result<Outcome, Failure> {
    result.map(|()| Outcome::Done).map_err(|error| Failure {
        reason: "FailedKillPod",
        message: error.to_string(),
    })
}

fn find<'a>(view: &'a PodView, name: &str) -> Result<&'a ContainerSpec, Failure> {
    let spec = &view.spec;
    let mut all = spec.init_containers.iter().chain(&spec.containers);
    all.find(|container| container.name == name)
        .ok_or_else(|| Failure {
            reason: "CreateContainerConfigError",
            message: format!("the pod has no container {name:?}"),
        })
}
