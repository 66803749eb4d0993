//! What the kubelet's machine asks for, carried out.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use model::actions::kubelet::PodName;
use model::machines::kubelet::pod::Requests;
use model::machines::kubelet::status::PodStatus;
use model::machines::kubelet::{Event, Input, Kubelet, Operation, Outcome, Output, Written};
use model::messages::api::{DeleteOptions, PatchType};
use model::objects::bytes::Bytes;
use model::objects::key::ObjectKey;
use model::objects::kinds;
use model::objects::meta;
use model::objects::status::Reason;
use runtime::Runtime;
use serde_json::json;
use shell::{ApiClient, CallError, Effects, Environment, EventRecorder, Handle, ObjectReference};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::config::Config;
use crate::hardware::Hardware;
use crate::node::NodeWriter;
use crate::pods::{Directories, Pods};
use crate::refresh::{self, Refreshing};
use crate::report;

/// What every task of a kubelet shares.
pub(crate) struct Node<R> {
    pub(crate) config: Config,
    pub(crate) environment: Environment,
    pub(crate) client: ApiClient,
    pub(crate) runtime: Rc<R>,
    pub(crate) pods: Pods,
    pub(crate) refreshing: Refreshing,
    pub(crate) directories: Directories,
    /// What pods may request together.
    pub(crate) allocatable: Requests,
}

/// What the machine told its shell, once each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// The revision of the node's registration: its pods are to be followed.
    pub(crate) follow: Option<u64>,
    /// Every pod is stopped.
    pub(crate) stopped: bool,
}

/// Operations that may be abandoned, by pod and operation.
pub(crate) type Running = Rc<RefCell<BTreeMap<(String, Operation), AbortHandle>>>;

/// Carries out outputs in tasks of their own.
pub(crate) struct KubeletEffects<R> {
    pub(crate) node: Rc<Node<R>>,
    pub(crate) writer: Rc<NodeWriter>,
    pub(crate) hardware: Box<dyn Hardware>,
    pub(crate) recorder: EventRecorder,
    pub(crate) told: watch::Sender<Told>,
    pub(crate) running: Running,
}

impl<R: Runtime + 'static> Effects<Kubelet> for KubeletEffects<R> {
    fn perform(&mut self, output: Output, handle: &Handle<Kubelet>) {
        let (node, writer) = (self.node.clone(), self.writer.clone());
        let client = node.client.caused_by(handle.cause());
        match output {
            Output::ListRuntime => {
                answer(handle, async move { list_runtime(&*node.runtime).await })
            }
            Output::FollowPods { not_before } => {
                self.told.send_modify(|told| told.follow = Some(not_before));
            }
            Output::Run { pod, operation } => self.run(pod, operation, handle),
            Output::Abandon { pod, operation } => {
                if let Some(task) = self.running.borrow_mut().remove(&(pod.uid, operation)) {
                    task.abort();
                }
            }
            Output::WriteStatus { pod, status } => answer(handle, async move {
                let outcome = write_status(&client, &pod, &status).await;
                Input::StatusWritten {
                    uid: pod.uid,
                    outcome,
                }
            }),
            Output::DeletePod(pod) => answer(handle, async move {
                let outcome = delete_pod(&client, &pod).await;
                Input::PodDeleted {
                    uid: pod.uid,
                    outcome,
                }
            }),
            Output::Forget(pod) => node.pods.forget(&pod.uid),
            Output::Event(event) => self.record(&event),
            Output::RegisterNode(conditions) => answer(handle, async move {
                match writer.register(&client, &conditions).await {
                    Ok(revision) => Input::NodeRegistered { revision },
                    Err(error) => {
                        tracing::warn!(%error, "the node could not be registered");
                        Input::RegistrationFailed(error.to_string())
                    }
                }
            }),
            Output::WriteNodeStatus(conditions) => answer(handle, async move {
                Input::NodeWritten(written(
                    writer.write_status(&client, &conditions).await.map(drop),
                ))
            }),
            Output::RenewLease => answer(handle, async move {
                Input::LeaseWritten(written(writer.renew_lease(&client).await))
            }),
            Output::Measure => match self.hardware.measure() {
                Ok(measure) => answer(handle, async move { Input::Measured(measure) }),
                Err(error) => tracing::warn!(%error, "the node could not be measured"),
            },
            Output::Stopped => self.told.send_modify(|told| told.stopped = true),
        }
    }
}

impl<R: Runtime + 'static> KubeletEffects<R> {
    fn run(&self, pod: PodName, operation: Operation, handle: &Handle<Kubelet>) {
        let (node, running, machine) = (self.node.clone(), self.running.clone(), handle.clone());
        let key = (pod.uid.clone(), operation.clone());
        let task = handle.spawn({
            let key = key.clone();
            async move {
                if operation == Operation::RemoveDirectories {
                    node.refreshing.end(&pod.uid);
                }
                let outcome = node.carry_out(&pod, &operation, &machine).await;
                if operation == Operation::PrepareVolumes && outcome == Outcome::Done {
                    refresh::follow(&node, &pod, &machine);
                }
                running.borrow_mut().remove(&key);
                let done = Input::Done {
                    uid: pod.uid,
                    operation,
                    outcome,
                };
                // A machine that has stopped needs no answer.
                let _ = machine.send(done).await;
            }
        });
        if let Some(task) = task {
            self.running.borrow_mut().insert(key, task);
        }
    }

    fn record(&self, event: &Event) {
        let about = ObjectReference {
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            namespace: event.pod.namespace.clone(),
            name: event.pod.name.clone(),
            uid: event.pod.uid.clone(),
            field_path: event.field.clone(),
        };
        self.recorder
            .record(&about, event.warning, &event.reason, &event.message);
    }
}

/// Gives the machine what a task brings.
fn answer(handle: &Handle<Kubelet>, task: impl Future<Output = Input> + 'static) {
    let machine = handle.clone();
    handle.spawn(async move {
        let input = task.await;
        // A machine that has stopped needs no answer.
        let _ = machine.send(input).await;
    });
}

async fn list_runtime(runtime: &impl Runtime) -> Input {
    let listed = async {
        let sandboxes = runtime.list_pod_sandboxes().await?;
        let containers = runtime.list_containers().await?;
        Ok::<_, runtime::Error>((sandboxes, containers))
    };
    match listed.await {
        Ok((sandboxes, containers)) => Input::RuntimeListed {
            sandboxes: sandboxes.into_iter().map(report::sandbox).collect(),
            containers: containers
                .into_iter()
                .filter_map(report::container)
                .collect(),
        },
        Err(error) => Input::RuntimeFailed(error.to_string()),
    }
}

/// Step 10 of a pod's path. A merge patch with the UID in it: another pod of that name is not touched.
async fn write_status(client: &ApiClient, pod: &PodName, status: &PodStatus) -> Written {
    let body = json!({"metadata": {"uid": pod.uid}, "status": status}).to_string();
    let key = key(pod);
    let patched = client
        .patch(&key, "status", PatchType::Merge, Bytes::from(body.as_str()))
        .await
        .map(drop);
    own(client, pod, patched).await
}

async fn delete_pod(client: &ApiClient, pod: &PodName) -> Written {
    let options = DeleteOptions {
        grace_period_seconds: Some(0),
        uid: Some(pod.uid.clone()),
        ..DeleteOptions::default()
    };
    let deleted = client.delete(&key(pod), options).await.map(drop);
    own(client, pod, deleted).await
}

fn key(pod: &PodName) -> ObjectKey {
    ObjectKey::new(kinds::pods(), &pod.namespace, &pod.name)
}

/// How a write to a pod ended. A conflict means another pod of that name, or another writer: a look tells.
async fn own(client: &ApiClient, pod: &PodName, result: Result<(), CallError>) -> Written {
    let conflict = matches!(&result, Err(error) if error.reason() == Some(Reason::Conflict));
    if conflict && let Ok(found) = client.get(&key(pod)).await {
        let same = meta::read(&found.body).is_ok_and(|meta| meta.uid == pod.uid);
        if !same {
            return Written::Absent;
        }
    }
    let outcome = written(result);
    if let Written::Failed(error) = &outcome {
        tracing::warn!(pod = %pod.name, namespace = %pod.namespace, error, "a pod could not be written");
    }
    outcome
}

/// How a write ended, in the machine's words.
pub(crate) fn written(result: Result<(), CallError>) -> Written {
    match result {
        Ok(()) => Written::Done,
        Err(error) if error.reason() == Some(Reason::NotFound) => Written::Absent,
        Err(error) => Written::Failed(error.to_string()),
    }
}
