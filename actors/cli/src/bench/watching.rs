//! How soon many watchers learn of a new pod.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::Barrier;

use super::creation::pod;
use super::fleet;
use super::latency::Latency;
use crate::client::{Request, Server};

/// How many pods are created, one after another.
const PODS: usize = 50;
/// Pause between two, so that the deliveries of one do not overlap with those of the next.
const PAUSE: Duration = Duration::from_millis(20);

/// What watchers saw.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Watching {
    /// How many watchers, each on a connection of its own.
    pub watchers: usize,
    /// How many events reached them altogether.
    pub events: usize,
    /// From before the create is sent until a watcher has read its event.
    #[serde(flatten)]
    pub latency: Latency,
}

enum Role {
    Creator(Vec<Instant>),
    Watcher(Vec<Instant>),
}

/// Opens the watches, creates pods, and compares the times.
pub(super) fn measure(
    server: &Server,
    namespace: &str,
    watchers: usize,
) -> anyhow::Result<Watching> {
    let path = format!("/api/v1/namespaces/{namespace}/pods");
    let watching = Arc::new(Barrier::new(watchers + 1));
    let roles = fleet::spread(watchers + 1, |number| {
        let (server, path, watching) = (server.clone(), path.clone(), watching.clone());
        async move {
            if number == 0 {
                create(server, path, watching).await.map(Role::Creator)
            } else {
                watch(server, path, watching).await.map(Role::Watcher)
            }
        }
    })?;
    let created = roles.iter().find_map(|role| match role {
        Role::Creator(times) => Some(times.as_slice()),
        Role::Watcher(_) => None,
    });
    let created = created.context("nobody created pods")?;
    let mut delays = Vec::new();
    for role in &roles {
        if let Role::Watcher(seen) = role {
            ensure!(
                seen.len() == created.len(),
                "a watcher saw {} of {} events",
                seen.len(),
                created.len()
            );
            delays.extend(
                seen.iter()
                    .zip(created)
                    .map(|(seen, created)| seen.duration_since(*created)),
            );
        }
    }
    Ok(Watching {
        watchers,
        events: delays.len(),
        latency: Latency::of(delays),
    })
}

/// Creates the pods and tells when each request was sent.
async fn create(
    server: Server,
    path: String,
    watching: Arc<Barrier>,
) -> anyhow::Result<Vec<Instant>> {
    let mut connection = server.connect().await?;
    watching.wait().await;
    let mut times = Vec::new();
    for number in 0..PODS {
        let body = pod(&format!("watched-{number}"));
        times.push(Instant::now());
        connection
            .send(Request::post(&path, body))
            .await?
            .done()
            .await?;
        tokio::time::sleep(PAUSE).await;
    }
    Ok(times)
}

/// Watches until every pod has been seen, and tells when each was.
async fn watch(
    server: Server,
    path: String,
    watching: Arc<Barrier>,
) -> anyhow::Result<Vec<Instant>> {
    let mut connection = server.connect().await?;
    let list = connection
        .send(Request::get(&format!("{path}?limit=1")))
        .await?
        .json()
        .await?;
    let revision = list["metadata"]["resourceVersion"]
        .as_str()
        .context("a list without resourceVersion")?;
    let path = format!("{path}?watch=1&resourceVersion={revision}&timeoutSeconds=600");
    let reply = connection.send(Request::get(&path)).await?;
    ensure!(
        reply.status().is_success(),
        "the watch was answered with {}",
        reply.status()
    );
    let mut lines = reply.lines();
    watching.wait().await;
    let mut seen = Vec::new();
    while seen.len() < PODS {
        let line = lines.next().await?.context("the server ended a watch")?;
        let at = Instant::now();
        // Real clusters touch a new pod again; only its creation counts.
        let event: Value = serde_json::from_slice(&line).context("an event is not JSON")?;
        match event["type"].as_str() {
            Some("ADDED") => seen.push(at),
            Some("ERROR") => anyhow::bail!("a watch ended: {}", event["object"]["message"]),
            _ => {}
        }
    }
    Ok(seen)
}
