//! A namespace of a measurement's own.

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::fleet;
use crate::client::{Connection, Request, Server};

/// How long a server may take to give a namespace its service account, or to empty and remove it.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(180);

/// A namespace that exists until it is removed.
pub struct Made<'a> {
    server: &'a Server,
    name: String,
}

impl<'a> Made<'a> {
    /// Makes one, and waits for its service account: without it real Kubernetes refuses pods.
    ///
    /// # Errors
    /// If the server refuses it, or does not give it a service account.
    pub fn new(server: &'a Server, prefix: &str) -> anyhow::Result<Self> {
        let name = fleet::block_on(async {
            let mut connection = server.connect().await?;
            let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": prefix}});
            let request = Request::post("/api/v1/namespaces", Bytes::from(body.to_string()));
            let made = connection.send(request).await?.json().await?;
            let name = made["metadata"]["name"]
                .as_str()
                .context("the server named no namespace")?
                .to_owned();
            let accounts = format!("/api/v1/namespaces/{name}/serviceaccounts");
            await_event(server, &mut connection, &accounts, "default", "ADDED").await?;
            Ok(name)
        })?;
        Ok(Made { server, name })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Deletes it with everything in it and waits until it is gone.
    ///
    /// # Errors
    /// If the server refuses, or it is not gone in time.
    pub fn remove(self) -> anyhow::Result<()> {
        fleet::block_on(async {
            let mut connection = self.server.connect().await?;
            let pods = format!("/api/v1/namespaces/{}/pods?gracePeriodSeconds=0", self.name);
            connection
                .send(Request::new(Method::DELETE, &pods))
                .await?
                .done()
                .await?;
            let namespace = format!("/api/v1/namespaces/{}", self.name);
            connection
                .send(Request::new(Method::DELETE, &namespace))
                .await?
                .done()
                .await?;
            await_event(
                self.server,
                &mut connection,
                "/api/v1/namespaces",
                &self.name,
                "DELETED",
            )
            .await
        })
    }
}

/// Waits until the object `name` of a collection is there (`ADDED`) or gone (`DELETED`).
async fn await_event(
    server: &Server,
    connection: &mut Connection,
    collection: &str,
    name: &str,
    wanted: &str,
) -> anyhow::Result<()> {
    let list = connection
        .send(Request::get(&format!("{collection}?limit=1")))
        .await?
        .json()
        .await?;
    let revision = list["metadata"]["resourceVersion"]
        .as_str()
        .context("a list without resourceVersion")?
        .to_owned();
    let present = connection
        .send(Request::get(&format!("{collection}/{name}")))
        .await?;
    let exists = present.status() != StatusCode::NOT_FOUND;
    present.bytes().await?;
    if exists == (wanted == "ADDED") {
        return Ok(());
    }
    let path = format!(
        "{collection}?watch=1&fieldSelector=metadata.name%3D{name}&resourceVersion={revision}&timeoutSeconds=180"
    );
    // A watch takes its connection for itself.
    let mut lines = server
        .connect()
        .await?
        .send(Request::get(&path))
        .await?
        .lines();
    let seen = async {
        while let Some(line) = lines.next().await? {
            let event: Value = serde_json::from_slice(&line)?;
            if event["type"] == wanted {
                return Ok(());
            }
        }
        bail!("the watch of {collection}/{name} ended before it was {wanted}")
    };
    tokio::time::timeout(PATIENCE, seen)
        .await
        .with_context(|| {
            format!(
                "{collection}/{name} was not {wanted} within {} s",
                PATIENCE.as_secs()
            )
        })?
}
