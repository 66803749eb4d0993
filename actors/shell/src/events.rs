//! Kubernetes events: what happened to an object, for people to read (`kubectl describe`).

use std::collections::BTreeMap;
use std::sync::Arc;

use model::machines::controller::{Event, EventType};
use model::messages::api::PatchType;
use model::objects::bytes::Bytes;
use model::objects::key::ObjectKey;
use model::objects::kinds;
use model::objects::status::Reason;
use model::rules::time;
use serde_json::json;
use tokio::sync::mpsc;

use crate::Environment;
use crate::client::{ApiClient, CallError};

/// How many events may wait to be written; what comes on top is dropped with a line in the log, since events
/// are told to people and nothing may be decided by them.
const WAITING_MAX: usize = 1024;

/// How many different events are remembered so that a repetition counts up instead of making another object.
const REMEMBERED_MAX: usize = 1024;

/// `ObjectReference` of `core/v1`: what an event is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectReference {
    /// As in `v1`.
    pub api_version: String,
    /// As in `Pod`.
    pub kind: String,
    /// Empty for cluster scope.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// The object's UID.
    pub uid: String,
    /// Which part, as in `spec.containers{web}`; empty for the whole.
    pub field_path: String,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Happening {
    about: ObjectReference,
    warning: bool,
    reason: String,
    message: String,
}

/// Writes events through the API server, in the order in which they are recorded, without making the recorder
/// wait. A repetition raises the `count` of the event that is there.
#[derive(Clone)]
pub struct EventRecorder {
    queue: mpsc::Sender<Happening>,
}

impl EventRecorder {
    /// A recorder for a component (`kubelet`, `default-scheduler`) on a host (empty where there is none).
    pub fn start(client: ApiClient, environment: Environment, component: &str, host: &str) -> Self {
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        let writer = Writer {
            client,
            environment,
            component: component.to_owned(),
            host: host.to_owned(),
            known: BTreeMap::new(),
            written: 0,
        };
        tokio::task::spawn_local(writer.run(waiting));
        EventRecorder { queue }
    }

    /// Records what a machine tells of an object.
    pub fn tell(&self, event: Event) {
        let Some(kind) = kinds::find(&event.about.resource) else {
            return;
        };
        let about = ObjectReference {
            api_version: kind.api_version(),
            kind: kind.kind.to_owned(),
            namespace: event.about.namespace,
            name: event.about.name,
            uid: event.uid,
            field_path: String::new(),
        };
        let warning = event.kind == EventType::Warning;
        self.record(&about, warning, event.reason, &event.message);
    }

    /// Records something expected (`Normal`) or not (`warning`).
    pub fn record(&self, about: &ObjectReference, warning: bool, reason: &str, message: &str) {
        let happening = Happening {
            about: about.clone(),
            warning,
            reason: reason.to_owned(),
            message: message.to_owned(),
        };
        if self.queue.try_send(happening).is_err() {
            tracing::warn!(
                reason,
                message,
                "too many events wait to be written; this one is dropped"
            );
        }
    }
}

struct Known {
    key: ObjectKey,
    count: u32,
}

struct Writer {
    client: ApiClient,
    environment: Environment,
    component: String,
    host: String,
    known: BTreeMap<Arc<Happening>, Known>,
    /// Tells apart the events of one millisecond.
    written: u32,
}

impl Writer {
    async fn run(mut self, mut waiting: mpsc::Receiver<Happening>) {
        while let Some(happening) = waiting.recv().await {
            if let Err(error) = self.write(Arc::new(happening)).await {
                tracing::warn!(%error, "an event could not be written");
            }
        }
    }

    async fn write(&mut self, happening: Arc<Happening>) -> Result<(), CallError> {
        if let Some(known) = self.known.get_mut(&happening) {
            let count = known.count + 1;
            let now = time::seconds(self.environment.now());
            let patch = json!({"count": count, "lastTimestamp": now}).to_string();
            match self
                .client
                .patch(
                    &known.key,
                    "",
                    PatchType::Merge,
                    Bytes::from(patch.as_str()),
                )
                .await
            {
                Ok(_) => {
                    known.count = count;
                    return Ok(());
                }
                Err(error) if error.reason() == Some(Reason::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        self.create(happening).await
    }

    async fn create(&mut self, happening: Arc<Happening>) -> Result<(), CallError> {
        let namespace = if happening.about.namespace.is_empty() {
            "default"
        } else {
            happening.about.namespace.as_str()
        };
        let body = self.body(&happening, namespace);
        let created = self
            .client
            .create(&kinds::events(), namespace, Bytes::from(body.as_str()))
            .await?;
        if self.known.len() >= REMEMBERED_MAX {
            self.known.clear();
        }
        self.known.insert(
            happening,
            Known {
                key: created.key,
                count: 1,
            },
        );
        Ok(())
    }

    /// Named as client-go names them: the object's name and a number that does not repeat.
    fn body(&mut self, happening: &Happening, namespace: &str) -> String {
        let Happening {
            about,
            warning,
            reason,
            message,
        } = happening;
        let (moment, now) = (
            self.environment.now().0,
            time::seconds(self.environment.now()),
        );
        self.written = self.written.wrapping_add(1);
        json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": format!("{}.{moment:x}{:05x}", about.name, self.written & 0xf_ffff),
                "namespace": namespace,
            },
            "involvedObject": {
                "apiVersion": about.api_version,
                "kind": about.kind,
                "namespace": about.namespace,
                "name": about.name,
                "uid": about.uid,
                "fieldPath": about.field_path,
            },
            "type": if *warning { "Warning" } else { "Normal" },
            "reason": reason,
            "message": message,
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": {"component": self.component, "host": self.host},
            "reportingComponent": self.component,
            "reportingInstance": self.host,
        })
        .to_string()
    }
}
