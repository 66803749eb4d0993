//! The part of an API server that a kubelet sees: objects in memory behind the real transport and messages. Component
//! crates do not depend on each other; a kubelet against the real API server is tested in `/tests`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use model::messages::api::{
    ApiRequest, ApiResponse, Change, DeleteOptions, EventHead, Verb, WatchFrame, join_items,
};
use model::messages::node::NodeRequest;
use model::objects::bytes::Bytes;
use model::objects::key::ObjectKey;
use model::objects::kinds;
use model::objects::object::Object;
use model::objects::status::{Reason, Status};
use serde_json::{Value, json};
use tokio::sync::{broadcast, watch};
use transport::pki::{Authority, Credentials, Validity};
use transport::{Connection, Endpoint, Environment, Identity, Incoming, Stream};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

type Answer = Result<(u64, Vec<Object>), Status>;

#[derive(Clone)]
pub struct Api {
    pub address: SocketAddr,
    shared: Rc<Shared>,
}

struct Shared {
    authority: Authority,
    environment: Environment,
    objects: RefCell<BTreeMap<String, Value>>,
    revision: RefCell<u64>,
    changes: broadcast::Sender<(Change, Object)>,
    touched: watch::Sender<u64>,
    kubelet: RefCell<Option<Connection>>,
}

impl Api {
    pub fn start() -> Self {
        let environment = Environment::system();
        let validity = Validity::lasting(&environment, Duration::from_secs(3600));
        let authority = Authority::create(&*environment.random, validity).expect("an authority");
        let credentials = authority
            .issue_identity(&*environment.random, &Identity::apiserver(), validity)
            .expect("credentials");
        let address = "127.0.0.1:0".parse().expect("an address");
        let endpoint =
            Endpoint::bind(transport::Config::new(address, credentials)).expect("a port");
        let api = Api {
            address: endpoint.address().expect("an address"),
            shared: Rc::new(Shared {
                authority,
                environment,
                objects: RefCell::default(),
                revision: RefCell::new(1),
                changes: broadcast::channel(1024).0,
                touched: watch::channel(0).0,
                kubelet: RefCell::default(),
            }),
        };
        let served = api.clone();
        tokio::task::spawn_local(async move {
            while let Some(accepted) = endpoint.accept().await {
                if let Ok(connection) = accepted {
                    *served.shared.kubelet.borrow_mut() = Some(connection.clone());
                    tokio::task::spawn_local(served.clone().serve(connection));
                }
            }
        });
        api
    }

    pub fn credentials(&self, node: &str) -> Credentials {
        let shared = &self.shared;
        let validity = Validity::lasting(&shared.environment, Duration::from_secs(3600));
        let identity = Identity::kubelet(node).expect("an identity");
        shared
            .authority
            .issue_identity(&*shared.environment.random, &identity, validity)
            .expect("credentials")
    }

    async fn serve(self, connection: Connection) {
        loop {
            match connection.next().await {
                Incoming::Ask(message, responder) => {
                    let request: ApiRequest = message.decode().expect("a request");
                    let (head, body) = match self.answer(&request, &message.body) {
                        Ok((revision, objects)) => {
                            let (items, body) = join_items(&objects);
                            (ApiResponse::Done { revision, items }, body)
                        }
                        Err(status) => (
                            ApiResponse::Failed {
                                revision: 0,
                                status,
                            },
                            Vec::new(),
                        ),
                    };
                    let _ = responder.answer(&head, body.into()).await;
                }
                Incoming::Open(message, stream) => {
                    let request: ApiRequest = message.decode().expect("a request");
                    tokio::task::spawn_local(self.clone().watch(request, stream));
                }
                Incoming::Tell(_) => {}
                Incoming::Closed(_) => return,
            }
        }
    }

    fn answer(&self, request: &ApiRequest, body: &[u8]) -> Answer {
        let key = ObjectKey::new(request.resource.clone(), &request.namespace, &request.name);
        let path = key.path();
        match &request.verb {
            Verb::Get => Ok((
                0,
                vec![self.object(&path).ok_or_else(|| Status::not_found(&key))?],
            )),
            Verb::List(_) => {
                let prefix = request.resource.prefix();
                let objects = self.shared.objects.borrow();
                let paths = objects.keys().filter(|path| path.starts_with(&prefix));
                let items = paths.filter_map(|path| self.object(path)).collect();
                Ok((*self.shared.revision.borrow(), items))
            }
            Verb::Create => {
                let value: Value = serde_json::from_slice(body).expect("an object");
                Ok(self.create(request.resource.clone(), &request.namespace, value)?)
            }
            Verb::Patch(_) => {
                let mut value = self.value(&path).ok_or_else(|| Status::not_found(&key))?;
                let patch: Value = serde_json::from_slice(body).expect("a patch");
                let asked = &patch["metadata"]["uid"];
                if !asked.is_null() && *asked != value["metadata"]["uid"] {
                    return Err(Status::conflict(&key, "the UID differs"));
                }
                merge(&mut value, &patch);
                Ok(self.write(&path, Change::Modified, value))
            }
            Verb::Delete(options) => self.delete_key(&key, options),
            Verb::Watch(_) | Verb::Update | Verb::DeleteCollection(_, _) => {
                Err(Status::new(Reason::MethodNotAllowed, "not in this test"))
            }
        }
    }

    fn create(
        &self,
        resource: model::objects::key::GroupResource,
        namespace: &str,
        mut value: Value,
    ) -> Answer {
        let next = *self.shared.revision.borrow() + 1;
        if let Some(prefix) = value["metadata"]["generateName"].as_str() {
            value["metadata"]["name"] = json!(format!("{prefix}{next}"));
        }
        let name = value["metadata"]["name"]
            .as_str()
            .expect("a name")
            .to_owned();
        let key = ObjectKey::new(resource, namespace, &name);
        if self.value(&key.path()).is_some() {
            return Err(Status::already_exists(&key));
        }
        value["metadata"]["namespace"] = json!(namespace);
        value["metadata"]["uid"] = json!(format!("00000000-0000-4000-8000-{next:012}"));
        value["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
        Ok(self.write(&key.path(), Change::Added, value))
    }

    fn delete_key(&self, key: &ObjectKey, options: &DeleteOptions) -> Answer {
        let mut value = self
            .value(&key.path())
            .ok_or_else(|| Status::not_found(key))?;
        if options
            .uid
            .as_deref()
            .is_some_and(|uid| value["metadata"]["uid"] != uid)
        {
            return Err(Status::conflict(key, "the UID differs"));
        }
        let grace = options.grace_period_seconds.unwrap_or(30);
        if key.resource == kinds::pods() && grace > 0 {
            value["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:01:00Z");
            value["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
            return Ok(self.write(&key.path(), Change::Modified, value));
        }
        Ok(self.write(&key.path(), Change::Deleted, value))
    }

    fn write(&self, path: &str, change: Change, mut value: Value) -> (u64, Vec<Object>) {
        let revision = *self.shared.revision.borrow() + 1;
        *self.shared.revision.borrow_mut() = revision;
        value["metadata"]["resourceVersion"] = json!(revision.to_string());
        let object = object(path, &value);
        match change {
            Change::Deleted => self.shared.objects.borrow_mut().remove(path),
            Change::Added | Change::Modified => self
                .shared
                .objects
                .borrow_mut()
                .insert(path.to_owned(), value),
        };
        let _ = self.shared.changes.send((change, object.clone()));
        self.shared.touched.send_replace(revision);
        (revision, vec![object])
    }

    async fn watch(self, request: ApiRequest, mut stream: Stream) {
        let mut changes = self.shared.changes.subscribe();
        let Verb::Watch(options) = &request.verb else {
            return stream.close("not a watch");
        };
        // What changed between the list and this subscription is told first.
        let mut missed = Vec::new();
        for path in self.shared.objects.borrow().keys() {
            missed.extend(
                self.object(path)
                    .filter(|object| object.revision > options.after),
            );
        }
        // The oldest is taken first, from the end.
        missed.sort_by_key(|object: &Object| std::cmp::Reverse(object.revision));
        let mut missed: Vec<_> = missed
            .into_iter()
            .map(|object| (Change::Added, object))
            .collect();
        loop {
            let (change, object) = match missed.pop() {
                Some(missed) => missed,
                None => match changes.recv().await {
                    Ok(change) => change,
                    Err(_) => return stream.close("the test is over"),
                },
            };
            if object.key.resource != request.resource {
                continue;
            }
            let (mut heads, body) = join_items([&object]);
            let Some(item) = heads.pop() else {
                continue;
            };
            let frame = WatchFrame::Events(vec![EventHead { change, item }]);
            if stream.send(&frame, body.into(), None).await.is_err() {
                return;
            }
        }
    }

    fn value(&self, path: &str) -> Option<Value> {
        self.shared.objects.borrow().get(path).cloned()
    }

    fn object(&self, path: &str) -> Option<Object> {
        let objects = self.shared.objects.borrow();
        objects.get(path).map(|value| object(path, value))
    }

    /// A pod bound to the node, as the scheduler leaves it.
    pub fn bind_pod(&self, node: &str, name: &str, spec: Value) -> String {
        let mut pod =
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec});
        pod["spec"]["nodeName"] = json!(node);
        let (_, mut made) = self
            .create(kinds::pods(), "default", pod)
            .expect("a new pod");
        let made: Value = serde_json::from_slice(&made.remove(0).body).expect("a pod");
        made["metadata"]["uid"].as_str().expect("a UID").to_owned()
    }

    pub fn put(&self, resource: model::objects::key::GroupResource, namespace: &str, value: Value) {
        self.create(resource, namespace, value)
            .expect("a new object");
    }

    /// Puts data into a config map that is there.
    pub fn set_data(&self, name: &str, data: Value) {
        let path = ObjectKey::new(kinds::configmaps(), "default", name).path();
        let mut value = self.value(&path).expect("a config map");
        value["data"] = data;
        self.write(&path, Change::Modified, value);
    }

    pub fn delete_pod(&self, name: &str, grace: i64) {
        let options = DeleteOptions {
            grace_period_seconds: Some(grace),
            ..DeleteOptions::default()
        };
        let key = ObjectKey::new(kinds::pods(), "default", name);
        self.delete_key(&key, &options).expect("a pod to delete");
    }

    pub fn pod(&self, name: &str) -> Option<Value> {
        self.value(&ObjectKey::new(kinds::pods(), "default", name).path())
    }

    /// Waits until a pod (or its absence) is as asked.
    pub async fn pod_becomes(
        &self,
        name: &str,
        as_asked: impl Fn(Option<&Value>) -> bool,
    ) -> Value {
        let path = ObjectKey::new(kinds::pods(), "default", name).path();
        self.becomes(&path, as_asked).await
    }

    pub async fn becomes(&self, path: &str, as_asked: impl Fn(Option<&Value>) -> bool) -> Value {
        let mut touched = self.shared.touched.subscribe();
        let wait = async {
            loop {
                touched.borrow_and_update();
                let present = self.value(path);
                if as_asked(present.as_ref()) {
                    return present.unwrap_or_default();
                }
                touched.changed().await.expect("the API lives");
            }
        };
        match tokio::time::timeout(PATIENCE, wait).await {
            Ok(value) => value,
            Err(_) => panic!("{path} stays {:#}", self.value(path).unwrap_or_default()),
        }
    }

    /// Opens a stream to the kubelet, as the API server does for logs and exec.
    pub async fn open(&self, request: &NodeRequest) -> Stream {
        let connection = self.shared.kubelet.borrow().clone().expect("a kubelet");
        connection
            .open(request, bytes::Bytes::new(), None)
            .await
            .expect("a stream")
    }
}

fn object(path: &str, value: &Value) -> Object {
    let revision = value["metadata"]["resourceVersion"].as_str().unwrap_or("0");
    Object {
        key: ObjectKey::parse(path).expect("a path"),
        revision: revision.parse().expect("a revision"),
        body: Bytes::from(value.to_string().as_str()),
    }
}

/// RFC 7386.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in fields {
        match value {
            Value::Null => {
                target.as_object_mut().expect("an object").remove(name);
            }
            value => merge(&mut target[name], value),
        }
    }
}
