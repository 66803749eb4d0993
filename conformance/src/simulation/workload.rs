//! Clients that create, delete, scale, count and list at random, and note what they are told.

use std::cell::Cell;
use std::time::Duration;

use model::messages::api::{DeleteOptions, ListOptions, PatchType};
use model::objects::bytes::Bytes;
use model::objects::key::{GroupResource, ObjectKey};
use model::objects::object::Object;
use model::objects::status::Reason;
use model::objects::{kinds, meta};
use serde_json::{Value, json};
use shell::ApiClient;
use tokio::time::{Instant, sleep, timeout};
use transport::sim::SeededRandom;

use super::containers::{IMAGE, Script};
use super::deeds::{Act, Deeds, End};
use super::hardware::CPUS;
use super::ledger::Ledger;
use super::part::node_name;

/// Where nearly everything happens.
pub(super) const NAMESPACE: &str = "default";
/// How long a client waits between two actions, in milliseconds.
const PAUSE_MS: (u64, u64) = (20, 1_500);
/// How long a client waits for an answer before it takes the outcome for unknown.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many different pods, ReplicaSets and counters there are: few, so that names are used again.
const PODS: u64 = 8;
const REPLICA_SETS: u64 = 3;
const COUNTERS: u64 = 2;
/// The most replicas that are asked for.
const REPLICAS: u64 = 4;

/// A client with a mind of its own.
pub struct Client {
    api: ApiClient,
    random: SeededRandom,
    ledger: Ledger,
    deeds: Deeds,
    number: u8,
    /// How many nodes there are.
    nodes: u8,
    /// How many namespaces it has created; the latest is its own. No name of one is used again.
    namespaces: Cell<u32>,
}

impl Client {
    /// The client of that number, in a cluster of so many nodes.
    pub fn new(
        api: ApiClient,
        seed: u64,
        (number, nodes): (u8, u8),
        ledger: Ledger,
        deeds: Deeds,
    ) -> Self {
        Client {
            api,
            random: SeededRandom::stream(seed, &format!("client {number}")),
            ledger,
            deeds,
            number,
            nodes,
            namespaces: Cell::new(0),
        }
    }

    /// Acts until then.
    pub async fn act(self, until: Instant) {
        loop {
            sleep(Duration::from_millis(
                self.random.between(PAUSE_MS.0, PAUSE_MS.1),
            ))
            .await;
            if Instant::now() >= until {
                return;
            }
            let act = match self.random.below(24) {
                0..=5 => Act::CreatePod,
                6..=9 => Act::DeletePod,
                10 => Act::LabelPod,
                11 | 12 => Act::CreateReplicaSet,
                13..=15 => Act::Scale,
                16 => Act::DeleteReplicaSet,
                17 | 18 => Act::Count,
                19 => Act::List,
                20 => Act::CreateNamespace,
                21 | 22 => Act::BindPod,
                _ => Act::DeleteNamespace,
            };
            let ended = match act {
                Act::CreatePod => self.create_pod().await,
                Act::BindPod => self.bind_pod().await,
                Act::DeletePod => self.delete(kinds::pods()).await,
                Act::LabelPod => self.label().await,
                Act::CreateReplicaSet => self.create_replica_set().await,
                Act::Scale => self.scale().await,
                Act::DeleteReplicaSet => self.delete(kinds::replicasets()).await,
                Act::Count => self.count().await,
                Act::List => self.list().await,
                Act::CreateNamespace => self.create_namespace().await,
                Act::DeleteNamespace => self.delete_namespace().await,
            };
            self.deeds.note(act, &ended);
        }
    }

    fn name(&self, stem: &str, count: u64) -> String {
        format!("{stem}-{}", self.random.below(count))
    }

    async fn create(&self, resource: GroupResource, body: Value) -> End<Object> {
        self.create_in(NAMESPACE, resource, body).await
    }

    async fn create_in(
        &self,
        namespace: &str,
        resource: GroupResource,
        body: Value,
    ) -> End<Object> {
        let body = Bytes::from(body.to_string().as_str());
        let made = self.api.create(&resource, namespace, body);
        let end = End::of(timeout(PATIENCE, made).await);
        if let End::Done(object) = &end {
            let uid = uid(object);
            tracing::info!(key = %object.key, uid, "client: created");
            self.ledger.created(&uid, &object.key);
        }
        end
    }

    /// A namespace, and a pod that goes with it; the namespace's own end is looked for by [`super::verdict`].
    async fn create_namespace(&self) -> End<()> {
        self.namespaces.set(self.namespaces.get() + 1);
        let name = self.own_namespace();
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        let body = Bytes::from(body.to_string().as_str());
        let namespaces = kinds::namespaces();
        let made = self.api.create(&namespaces, "", body);
        let end = End::of(timeout(PATIENCE, made).await);
        if let End::Done(_) = end {
            tracing::info!(name, "client: created a namespace");
            let pod = json!({
                "apiVersion": "v1", "kind": "Pod", "metadata": {"name": self.name("pod", PODS)},
                "spec": self.pod_spec(&["Always", "Never"]),
            });
            self.create_in(&name, kinds::pods(), pod).await;
        }
        end.word()
    }

    async fn delete_namespace(&self) -> End<()> {
        let name = self.own_namespace();
        let key = ObjectKey::new(kinds::namespaces(), "", &name);
        self.ledger.deletes_namespace(&name);
        let deleted = self.api.delete(&key, DeleteOptions::default());
        let end = End::of(timeout(PATIENCE, deleted).await);
        if let End::Done(_) = end {
            tracing::info!(name, "client: deleted a namespace");
            self.ledger.deleted_namespace(&name);
        }
        end.word()
    }

    fn own_namespace(&self) -> String {
        format!("client-{}-{}", self.number, self.namespaces.get())
    }

    async fn create_pod(&self) -> End<()> {
        let name = self.name("pod", PODS);
        let spec = self.pod_spec(&["Always", "Always", "OnFailure", "Never"]);
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec,
        });
        self.create(kinds::pods(), pod).await.word()
    }

    /// Binds a pod of its own, with its creation or as another scheduler would: one that any node may take, or that no node has room for, or
    /// that wants to be elsewhere. The last two the kubelet has to reject.
    async fn bind_pod(&self) -> End<()> {
        let name = self.name("pod", PODS);
        let mut spec = self.pod_spec(&["Always", "Never"]);
        match self.random.below(3) {
            0 => {
                spec["containers"][0]["resources"]["requests"]["cpu"] =
                    json!((CPUS + 1).to_string())
            }
            1 => spec["nodeSelector"] = json!({"kubernetes.io/hostname": "elsewhere"}),
            _ => {}
        }
        let number = self.random.between(1, u64::from(self.nodes)) as u8;
        let at_once = self.random.once_in(3);
        if at_once {
            spec["nodeName"] = json!(node_name(number));
        }
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec,
        });
        let made = match self.create(kinds::pods(), pod).await {
            End::Done(made) if !at_once => made,
            end => return end.word(),
        };
        let binding = json!({
            "apiVersion": "v1", "kind": "Binding",
            "metadata": {"name": made.key.name, "namespace": NAMESPACE, "uid": uid(&made)},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node_name(number)},
        });
        let body = Bytes::from(binding.to_string().as_str());
        End::of(timeout(PATIENCE, self.api.bind(&made.key, body)).await)
    }

    async fn create_replica_set(&self) -> End<()> {
        let name = self.name("set", REPLICA_SETS);
        let replicas = self.random.below(REPLICAS + 1).cast_signed();
        let labels = json!({"set": name});
        let set = json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": name},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": self.pod_spec(&["Always"])},
            },
        });
        let asked = Instant::now();
        let end = self.create(kinds::replicasets(), set).await;
        if let End::Done(object) = &end {
            self.ledger.wrote(&uid(object), replicas, asked, true);
        }
        end.word()
    }

    fn pod_spec(&self, policies: &[&str]) -> Value {
        let policy = self.random.pick(policies).copied().unwrap_or("Always");
        let runs = match policy {
            "Always" => None,
            _ => Some(Duration::from_millis(self.random.between(50, 20_000))),
        };
        let script = Script {
            runs,
            exit_code: i32::from(policy == "Never" && self.random.once_in(2)),
            stops_in: Duration::from_millis(self.random.between(1, 6_000)),
        };
        // The last is more than a node has left beside another of its kind.
        let cpu = ["0", "100m", "500m", "2500m"];
        let cpu = self.random.pick(&cpu).copied().unwrap_or("0");
        let containers: Vec<Value> = (0..self.random.between(1, 2))
            .map(|number| {
                json!({
                    "name": format!("c{number}"), "image": IMAGE, "args": script.args(),
                    "imagePullPolicy": "IfNotPresent",
                    "resources": {"requests": {"cpu": cpu}},
                })
            })
            .collect();
        json!({
            "restartPolicy": policy, "containers": containers,
            "terminationGracePeriodSeconds": self.random.between(1, 5),
        })
    }

    async fn delete(&self, resource: GroupResource) -> End<()> {
        let name = match resource == kinds::pods() {
            true => self.name("pod", PODS),
            false => self.name("set", REPLICA_SETS),
        };
        let key = ObjectKey::new(resource, NAMESPACE, &name);
        let found = match End::of(timeout(PATIENCE, self.api.get(&key)).await) {
            End::Done(found) => found,
            End::Refused | End::Unknown => return End::Refused,
        };
        let uid = uid(&found);
        let options = DeleteOptions {
            uid: Some(uid.clone()),
            ..DeleteOptions::default()
        };
        self.ledger.deletes(&uid);
        let end = End::of(timeout(PATIENCE, self.api.delete(&key, options)).await);
        if let End::Done(_) = end {
            tracing::info!(%key, uid, "client: deleted");
            self.ledger.deleted(&uid);
        }
        end.word()
    }

    async fn label(&self) -> End<()> {
        let key = ObjectKey::new(kinds::pods(), NAMESPACE, &self.name("pod", PODS));
        let patch = json!({"metadata": {"labels": {"mark": format!("m{}", self.random.below(4))}}});
        self.patch(&key, &patch).await.word()
    }

    async fn patch(&self, key: &ObjectKey, patch: &Value) -> End<Object> {
        let body = Bytes::from(patch.to_string().as_str());
        let patched = self.api.patch(key, "", PatchType::Merge, body);
        End::of(timeout(PATIENCE, patched).await)
    }

    async fn scale(&self) -> End<()> {
        let key = ObjectKey::new(
            kinds::replicasets(),
            NAMESPACE,
            &self.name("set", REPLICA_SETS),
        );
        let found = match End::of(timeout(PATIENCE, self.api.get(&key)).await) {
            End::Done(found) => found,
            End::Refused | End::Unknown => return End::Refused,
        };
        let (uid, asked) = (uid(&found), Instant::now());
        let replicas = self.random.below(REPLICAS + 1).cast_signed();
        let patch = json!({"metadata": {"uid": uid}, "spec": {"replicas": replicas}});
        let end = self.patch(&key, &patch).await;
        match &end {
            End::Done(_) => {
                tracing::info!(%key, replicas, "client: scaled");
                self.ledger.wrote(&uid, replicas, asked, true);
            }
            End::Unknown => self.ledger.wrote(&uid, replicas, asked, false),
            End::Refused => {}
        }
        end.word()
    }

    /// Reads a number and writes it back, one more, if it is still as it was read.
    async fn count(&self) -> End<()> {
        let key = ObjectKey::new(
            kinds::configmaps(),
            NAMESPACE,
            &self.name("counter", COUNTERS),
        );
        let (body, end) = match timeout(PATIENCE, self.api.get(&key)).await {
            Ok(Ok(found)) => {
                let Ok(mut value) = serde_json::from_slice::<Value>(&found.body) else {
                    self.deeds.fault(format!("{key} is no JSON"));
                    return End::Refused;
                };
                value["data"]["count"] = json!((counted(&value) + 1).to_string());
                let body = Bytes::from(value.to_string().as_str());
                let updated = self.api.update(&key, "", body);
                ("updated", End::of(timeout(PATIENCE, updated).await))
            }
            Ok(Err(error)) if error.reason() == Some(Reason::NotFound) => {
                let map = json!({
                    "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": key.name},
                    "data": {"count": "1"},
                });
                ("created", self.create(kinds::configmaps(), map).await)
            }
            _ => return End::Refused,
        };
        match &end {
            End::Done(_) => {
                tracing::info!(%key, how = body, "client: counted");
                self.ledger.counted(&key, true);
            }
            End::Unknown => self.ledger.counted(&key, false),
            End::Refused => {}
        }
        end.word()
    }

    /// A list as of now contains every write that was acknowledged before it began (guarantee 16).
    async fn list(&self) -> End<()> {
        let resource = kinds::pods();
        let before = self.ledger.must_be(&resource);
        let listed = self.api.list(&resource, "", ListOptions::default());
        let end = End::of(timeout(PATIENCE, listed).await);
        if let End::Done(listed) = &end {
            let uids: Vec<String> = listed.items.iter().map(uid).collect();
            let still = self.ledger.must_be(&resource);
            for (uid, key) in before.iter().filter(|known| still.contains(known)) {
                if !uids.contains(uid) {
                    self.deeds.fault(format!(
                        "a list at revision {} lacks {key} of UID {uid}, whose creation was acknowledged before",
                        listed.revision
                    ));
                }
            }
        }
        end.word()
    }
}

/// The number in a counter.
pub fn counted(map: &Value) -> u64 {
    let text = map["data"]["count"].as_str().unwrap_or_default();
    text.parse().unwrap_or(0)
}

/// An object's UID; empty for what has none.
pub fn uid(object: &Object) -> String {
    meta::read(&object.body)
        .map(|meta| meta.uid)
        .unwrap_or_default()
}
