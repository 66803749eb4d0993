//! Pods created by a number of clients, each with one request under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Serialize;
use serde_json::json;

use super::fleet;
use super::latency::Latency;
use crate::client::{Request, Server};

/// Rates are compared between the first and the last so many pods.
const WINDOW: usize = 1_000;

/// What a number of clients achieved.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Creation {
    /// How many clients.
    pub clients: usize,
    /// How many pods.
    pub pods: usize,
    /// From before the request is sent until its answer is read.
    #[serde(flatten)]
    pub latency: Latency,
    /// Pods a second over the whole time.
    pub per_second: f64,
    /// Pods a second among the first thousand; none for fewer than 2,000 pods.
    pub first_thousand_per_second: Option<f64>,
    /// Pods a second among the last thousand.
    pub last_thousand_per_second: Option<f64>,
}

/// Creates `pods` pods in a namespace.
pub(super) fn measure(
    server: &Server,
    namespace: &str,
    clients: usize,
    pods: usize,
) -> anyhow::Result<Creation> {
    let next = Arc::new(AtomicUsize::new(0));
    let connected = Arc::new(tokio::sync::Barrier::new(clients));
    let path = format!("/api/v1/namespaces/{namespace}/pods");
    let made = fleet::spread(clients, |_| {
        let (server, path) = (server.clone(), path.clone());
        let (next, connected) = (next.clone(), connected.clone());
        async move {
            let mut connection = server.connect().await?;
            connected.wait().await;
            let mut done = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= pods {
                    return Ok(done);
                }
                let body = pod(&format!("pod-{number}"));
                let begun = Instant::now();
                connection
                    .send(Request::post(&path, body))
                    .await?
                    .done()
                    .await?;
                done.push((begun, Instant::now()));
            }
        }
    })?;
    Ok(summary(clients, made.into_iter().flatten().collect()))
}

fn summary(clients: usize, mut requests: Vec<(Instant, Instant)>) -> Creation {
    requests.sort_unstable_by_key(|(_, ended)| *ended);
    let begun = requests.iter().map(|(begun, _)| *begun).min();
    let ended: Vec<Instant> = requests.iter().map(|(_, ended)| *ended).collect();
    let rate = |count: usize, from: Option<Instant>, to: Option<&Instant>| {
        let span = from
            .zip(to)
            .map_or(Duration::ZERO, |(from, to)| to.duration_since(from));
        count as f64 / span.as_secs_f64().max(f64::EPSILON)
    };
    let total = ended.len();
    let windows = total >= 2 * WINDOW;
    Creation {
        clients,
        pods: total,
        latency: Latency::of(
            requests
                .iter()
                .map(|(begun, ended)| ended.duration_since(*begun))
                .collect(),
        ),
        per_second: rate(total, begun, ended.last()),
        first_thousand_per_second: windows.then(|| rate(WINDOW, begun, ended.get(WINDOW - 1))),
        last_thousand_per_second: windows
            .then(|| rate(WINDOW, ended.get(total - WINDOW - 1).copied(), ended.last())),
    }
}

/// A pod of ordinary size that no scheduler takes.
pub(super) fn pod(name: &str) -> Bytes {
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "plimsoll-bench", "pod": name}},
        "spec": {
            "schedulerName": "plimsoll-bench",
            "automountServiceAccountToken": false,
            "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": "echo",
                "image": "plimsoll/echo",
                "env": [{"name": "PURPOSE", "value": "benchmark"}],
                "ports": [{"containerPort": 8080}],
                "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
            }],
        },
    });
    Bytes::from(pod.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_of_the_first_and_last_thousand_differ_when_a_server_slows_down() {
        let begun = Instant::now();
        let at = |ms: u64| begun + Duration::from_millis(ms);
        // The first thousand end one a millisecond, everything later one in two.
        let ended = (1..=1_000).chain((1..=2_000).map(|n| 1_000 + 2 * n));
        let summary = summary(1, ended.map(|ms| (at(ms - 1), at(ms))).collect());
        assert_eq!(summary.pods, 3_000);
        assert_eq!(
            summary.first_thousand_per_second.map(f64::round),
            Some(1_000.0)
        );
        assert_eq!(
            summary.last_thousand_per_second.map(f64::round),
            Some(500.0)
        );
        assert_eq!(summary.per_second.round(), 600.0);
        assert_eq!(summary.latency.p99_ms, 1.0);
    }
}
