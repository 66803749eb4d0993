//! The node's own objects: what it is and what it offers, and its lease.

use std::cell::RefCell;

use model::machines::kubelet::node::{LEASE_DURATION_S, NodeCondition};
use model::machines::kubelet::pod::Requests;
use model::messages::api::PatchType;
use model::objects::bytes::Bytes;
use model::objects::key::ObjectKey;
use model::objects::kinds;
use model::objects::meta;
use model::objects::object::Object;
use model::objects::status::Reason;
use model::rules::time;
use serde_json::{Value, json};
use shell::{ApiClient, CallError, Environment};

use crate::config::Config;
use crate::hardware::{Facts, architecture};

/// Namespace of the nodes' leases.
const LEASES: &str = "kube-node-lease";

/// Writes the node's objects.
pub(crate) struct NodeWriter {
    environment: Environment,
    name: String,
    /// The node as it is created, without conditions.
    node: Value,
    /// UID of the node object, the owner of its lease.
    uid: RefCell<String>,
}

impl NodeWriter {
    pub(crate) fn new(config: &Config, facts: &Facts, environment: Environment) -> Self {
        NodeWriter {
            environment,
            name: config.node_name.clone(),
            node: node(config, facts),
            uid: RefCell::default(),
        }
    }

    fn key(&self) -> ObjectKey {
        ObjectKey::new(kinds::nodes(), "", &self.name)
    }

    /// Creates the node object or brings the present one up to date. Tells the revision of the last write.
    pub(crate) async fn register(
        &self,
        client: &ApiClient,
        conditions: &[NodeCondition],
    ) -> Result<u64, CallError> {
        let mut body = self.node.clone();
        body["status"]["conditions"] = json!(conditions);
        let created = client
            .create(&kinds::nodes(), "", Bytes::from(body.to_string().as_str()))
            .await;
        if let Err(error) = created {
            if error.reason() != Some(Reason::AlreadyExists) {
                return Err(error);
            }
            let patch = json!({"metadata": {"labels": self.node["metadata"]["labels"]}});
            self.patch(client, "", &patch).await?;
        }
        let written = self.write_status(client, conditions).await?;
        if let Ok(meta) = meta::read(&written.body) {
            *self.uid.borrow_mut() = meta.uid;
        }
        Ok(written.revision)
    }

    /// Writes the node's status.
    pub(crate) async fn write_status(
        &self,
        client: &ApiClient,
        conditions: &[NodeCondition],
    ) -> Result<Object, CallError> {
        let mut status = self.node["status"].clone();
        status["conditions"] = json!(conditions);
        self.patch(client, "status", &json!({"status": status}))
            .await
    }

    async fn patch(
        &self,
        client: &ApiClient,
        subresource: &str,
        patch: &Value,
    ) -> Result<Object, CallError> {
        let body = Bytes::from(patch.to_string().as_str());
        client
            .patch(&self.key(), subresource, PatchType::Merge, body)
            .await
    }

    /// Renews the node's lease, or creates it (KEP-589).
    pub(crate) async fn renew_lease(&self, client: &ApiClient) -> Result<(), CallError> {
        let now = time::micros(self.environment.now());
        let key = ObjectKey::new(kinds::leases(), LEASES, &self.name);
        let renewal = json!({"spec": {"renewTime": now}}).to_string();
        let renewed = client
            .patch(&key, "", PatchType::Merge, Bytes::from(renewal.as_str()))
            .await;
        match renewed {
            Err(error) if error.reason() == Some(Reason::NotFound) => {}
            renewed => return renewed.map(drop),
        }
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": self.name,
                "namespace": LEASES,
                "ownerReferences": [{
                    "apiVersion": "v1", "kind": "Node", "name": self.name, "uid": *self.uid.borrow(),
                }],
            },
            "spec": {
                "holderIdentity": self.name,
                "leaseDurationSeconds": LEASE_DURATION_S,
                "renewTime": now,
            },
        });
        let body = Bytes::from(lease.to_string().as_str());
        client
            .create(&kinds::leases(), LEASES, body)
            .await
            .map(drop)
    }
}

/// What the node offers: as configured, else the whole machine.
pub(crate) fn capacity(facts: &Facts, config: &Config) -> Requests {
    let capacity = &config.capacity;
    Requests {
        cpu_milli: capacity
            .cpu_milli
            .unwrap_or(facts.cpus.saturating_mul(1000)),
        memory_bytes: capacity.memory_bytes.unwrap_or(facts.memory_bytes),
    }
}

fn node(config: &Config, facts: &Facts) -> Value {
    let capacity = capacity(facts, config);
    let cpu = match capacity.cpu_milli {
        milli if milli % 1000 == 0 => (milli / 1000).to_string(),
        milli => format!("{milli}m"),
    };
    let offers = json!({
        "cpu": cpu,
        "memory": format!("{}Ki", capacity.memory_bytes / 1024),
        "pods": config.capacity.pods.to_string(),
        "ephemeral-storage": format!("{}Ki", facts.storage_bytes / 1024),
    });
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": config.node_name, "labels": labels(config)},
        "spec": {
            "podCIDR": config.pod_cidr.to_string(),
            "podCIDRs": [config.pod_cidr.to_string()],
        },
        "status": {
            "capacity": offers,
            "allocatable": offers,
            "addresses": [
                {"type": "InternalIP", "address": config.node_address.to_string()},
                {"type": "Hostname", "address": config.node_name},
            ],
            "nodeInfo": facts.info,
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
        },
    })
}

/// The labels that every node has.
pub(crate) fn labels(config: &Config) -> Value {
    json!({
        "kubernetes.io/hostname": config.node_name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": architecture(),
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": architecture(),
    })
}
