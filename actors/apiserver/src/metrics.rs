//! What is counted, in the names that Kubernetes gives it (`/metrics`, Prometheus text).

use std::sync::atomic::AtomicI64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};
use tokio::sync::OwnedSemaphorePermit;

/// Upper bounds of durations, in seconds.
const SECONDS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0,
];

/// What a request is counted by.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct RequestLabels {
    /// `GET`, `LIST`, `WATCH`, `POST`, ….
    pub verb: String,
    /// API group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Plural; empty for what is no object.
    pub resource: String,
    /// What of the object.
    pub subresource: String,
    /// `cluster`, `namespace` or `resource`; empty for what is no object.
    pub scope: String,
}

/// A request with its answer.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct AnswerLabels {
    /// `GET`, `LIST`, `WATCH`, `POST`, ….
    pub verb: String,
    /// API group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Plural; empty for what is no object.
    pub resource: String,
    /// What of the object.
    pub subresource: String,
    /// `cluster`, `namespace` or `resource`; empty for what is no object.
    pub scope: String,
    /// The code of the answer.
    pub code: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct InFlightLabels {
    request_kind: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct WatcherLabels {
    group: String,
    version: String,
    kind: String,
}

#[derive(Clone)]
struct Durations;

impl MetricConstructor<Histogram> for Durations {
    fn new_metric(&self) -> Histogram {
        Histogram::new(SECONDS)
    }
}

/// Everything that is counted.
pub struct Metrics {
    registry: Registry,
    requests: Family<AnswerLabels, Counter>,
    durations: Family<RequestLabels, Histogram, Durations>,
    in_flight: Family<InFlightLabels, Gauge>,
    streams: Gauge,
    watchers: Family<WatcherLabels, Gauge>,
    given_up: Counter,
    dropped: Counter,
    connections: Gauge,
    resident: Gauge<i64, AtomicI64>,
}

/// Counts something for as long as it lives.
#[derive(Debug)]
pub struct Held(Vec<Gauge>, Option<OwnedSemaphorePermit>);

impl Held {
    fn new(gauges: Vec<Gauge>) -> Self {
        for gauge in &gauges {
            gauge.inc();
        }
        Held(gauges, None)
    }

    /// The same, keeping its room too.
    pub fn with(mut self, room: Option<OwnedSemaphorePermit>) -> Self {
        self.1 = room;
        self
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        for gauge in &self.0 {
            gauge.dec();
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let into = &mut registry;
        Metrics {
            requests: counted(
                into,
                "apiserver_request",
                "Requests by verb, resource and code of the answer",
                Family::default(),
            ),
            durations: counted(
                into,
                "apiserver_request_duration_seconds",
                "How long requests take that are not streams",
                Family::new_with_constructor(Durations),
            ),
            in_flight: counted(
                into,
                "apiserver_current_inflight_requests",
                "Requests under way that are not streams",
                Family::default(),
            ),
            streams: counted(
                into,
                "apiserver_longrunning_requests",
                "Watches, logs and sessions under way",
                Gauge::default(),
            ),
            watchers: counted(
                into,
                "apiserver_registered_watchers",
                "Open watches by kind",
                Family::default(),
            ),
            given_up: counted(
                into,
                "apiserver_terminated_watchers",
                "Watches ended because their reader took nothing",
                Counter::default(),
            ),
            dropped: counted(
                into,
                "apiserver_dropped_requests",
                "Requests refused because too many were under way",
                Counter::default(),
            ),
            connections: counted(
                into,
                "apiserver_connections",
                "HTTP connections",
                Gauge::default(),
            ),
            resident: counted(
                into,
                "process_resident_memory_bytes",
                "Resident memory in bytes",
                Gauge::default(),
            ),
            registry,
        }
    }
}

/// Shows a metric under a name.
fn counted<M: Metric + Clone>(into: &mut Registry, name: &str, help: &str, metric: M) -> M {
    into.register(name, help, metric.clone());
    metric
}

impl Metrics {
    /// Counts a request that has been answered.
    pub fn answered(&self, labels: RequestLabels, code: u16, took: Option<Duration>) {
        if let Some(took) = took {
            self.durations
                .get_or_create(&labels)
                .observe(took.as_secs_f64());
        }
        let RequestLabels {
            verb,
            group,
            version,
            resource,
            subresource,
            scope,
        } = labels;
        let labels = AnswerLabels {
            verb,
            group,
            version,
            resource,
            subresource,
            scope,
            code,
        };
        self.requests.get_or_create(&labels).inc();
    }

    /// A request is under way; a write if it is `mutating`.
    pub fn in_flight(&self, mutating: bool) -> Held {
        let request_kind = if mutating { "mutating" } else { "readOnly" };
        Held::new(vec![
            self.in_flight
                .get_or_create(&InFlightLabels { request_kind })
                .clone(),
        ])
    }

    /// A watch, a log or a session is under way.
    pub fn stream(&self) -> Held {
        Held::new(vec![self.streams.clone()])
    }

    /// A watch of a kind is open.
    pub fn watcher(&self, group: &str, version: &str, kind: &str) -> Held {
        let labels = WatcherLabels {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
        };
        Held::new(vec![
            self.streams.clone(),
            self.watchers.get_or_create(&labels).clone(),
        ])
    }

    /// A connection is open.
    pub fn connection(&self) -> Held {
        Held::new(vec![self.connections.clone()])
    }

    /// A watch was ended because its reader took nothing.
    pub fn watch_given_up(&self) {
        self.given_up.inc();
    }

    /// A request was refused because too many were under way.
    pub fn dropped(&self) {
        self.dropped.inc();
    }

    /// All of it as text.
    pub fn text(&self) -> String {
        if let Some(bytes) = resident_bytes() {
            self.resident.set(bytes);
        }
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// Resident memory of this process, from `/proc/self/statm` (proc(5)): its second field, in pages.
fn resident_bytes() -> Option<i64> {
    const PAGE_BYTES: i64 = 4096;
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: i64 = statm.split(' ').nth(1)?.parse().ok()?;
    pages.checked_mul(PAGE_BYTES)
}
