//! Who may do what clients do not: removes nodes that are off, binds pods to them, has the store forget its history.

use std::cell::Cell;
use std::time::Duration;

use model::messages::api::DeleteOptions;
use model::messages::store::{StoreRequest, StoreResponse};
use model::objects::bytes::Bytes;
use model::objects::key::ObjectKey;
use model::objects::kinds;
use model::objects::status::Reason;
use serde_json::json;
use shell::{ApiClient, CallError};
use tokio::time::{sleep, timeout};

use super::cluster::Cluster;
use super::containers::{IMAGE, Script};
use super::ledger::Ledger;
use super::store_client::StoreClient;
use super::workload::{NAMESPACE, uid};

/// How long to wait for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long to wait after a failure.
const RETRY: Duration = Duration::from_millis(500);

/// An administrator. No fault severs its ways.
pub struct Administrator {
    api: ApiClient,
    store: StoreClient,
    ledger: Ledger,
    /// How many pods it has tried to bind: no name is used again.
    pods: Cell<u64>,
    /// How many namespaces it has tried to create.
    namespaces: Cell<u64>,
}

impl Administrator {
    /// An administrator of this cluster, on the host of the client of that number and on the one after it.
    ///
    /// # Errors
    /// If it has no certificate or no socket.
    pub fn new(cluster: &Cluster, number: u8, ledger: Ledger) -> anyhow::Result<Self> {
        Ok(Administrator {
            api: cluster.client(number)?,
            store: cluster.store_client(number + 1)?,
            ledger,
            pods: Cell::new(0),
            namespaces: Cell::new(0),
        })
    }

    /// Removes a Node whose machine is off. When it returns the Node is not there, and nothing that was sent can remove
    /// the one that comes after it: a deletion is of one UID, and each was seen to be gone.
    pub async fn remove_node(&self, name: &str) {
        let key = ObjectKey::new(kinds::nodes(), "", name);
        loop {
            match timeout(PATIENCE, self.remove_once(&key)).await {
                Ok(Ok(())) => return,
                Ok(Err(error)) if error.reason() == Some(Reason::NotFound) => return,
                Ok(Err(_)) | Err(_) => sleep(RETRY).await,
            }
        }
    }

    async fn remove_once(&self, key: &ObjectKey) -> Result<(), CallError> {
        let options = DeleteOptions {
            uid: Some(uid(&self.api.get(key).await?)),
            ..DeleteOptions::default()
        };
        self.ledger.removes_node(&key.name);
        self.api.delete(key, options).await?;
        tracing::info!(%key, "administrator: removed");
        Ok(())
    }

    /// Creates a pod that is bound to a node from its beginning, whether or not that node is there, as one does that has
    /// not heard of its removal. Returns when that is done or was not.
    pub async fn bind_pod(&self, node: &str) {
        self.pods.set(self.pods.get() + 1);
        let script = Script {
            runs: Some(Duration::from_secs(1)),
            ..Script::default()
        };
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": format!("late-{}", self.pods.get())},
            "spec": {
                "nodeName": node, "restartPolicy": "Never",
                "containers": [{
                    "name": "c1", "image": IMAGE, "args": script.args(),
                    "imagePullPolicy": "IfNotPresent",
                }],
            },
        });
        let (pods, body) = (kinds::pods(), Bytes::from(pod.to_string().as_str()));
        let created = timeout(PATIENCE, self.api.create(&pods, NAMESPACE, body)).await;
        if let Ok(Ok(pod)) = created {
            tracing::info!(key = %pod.key, node, "administrator: bound");
            self.ledger.created(&uid(&pod), &pod.key);
        }
    }

    /// Creates a namespace. Returns when that is done or was not.
    pub async fn create_namespace(&self) {
        self.namespaces.set(self.namespaces.get() + 1);
        let name = format!("late-{}", self.namespaces.get());
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        let (namespaces, body) = (
            kinds::namespaces(),
            Bytes::from(namespace.to_string().as_str()),
        );
        let created = self.api.create(&namespaces, "", body);
        if let Ok(Ok(_)) = timeout(PATIENCE, created).await {
            tracing::info!(name, "administrator: created a namespace");
        }
    }

    /// Has the store forget everything before its newest revision; false if it was not told that this is done.
    pub async fn compact(&self) -> bool {
        matches!(
            timeout(PATIENCE, self.compact_to_newest()).await,
            Ok(Some(()))
        )
    }

    async fn compact_to_newest(&self) -> Option<()> {
        let revision = self.revision(StoreRequest::Progress).await?;
        // As the compactors of two API servers: the store refuses the one that comes second.
        let compact = || self.revision(StoreRequest::Compact { revision });
        let (one, other) = tokio::join!(compact(), compact());
        one.or(other)?;
        tracing::info!(revision, "fault: the store's history was compacted");
        Some(())
    }

    /// The revision of an answer that tells of success.
    async fn revision(&self, request: StoreRequest<Bytes>) -> Option<u64> {
        match self.store.ask(request).await? {
            StoreResponse::Done { revision } => Some(revision),
            _ => None,
        }
    }
}
