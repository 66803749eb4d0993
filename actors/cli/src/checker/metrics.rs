//! How far the check is, for Prometheus (the text format, version 0.0.4).

use std::cell::RefCell;
use std::convert::Infallible;
use std::fmt::Write;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use shell::{Clock, SystemClock};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use super::Standing;

/// More connections at a time are not taken.
const CONNECTIONS: usize = 16;
/// How long a request may take to arrive.
const REQUEST: Duration = Duration::from_secs(10);

/// Serves `GET /metrics` until it is dropped.
pub(super) struct Metrics(AbortHandle);

impl Drop for Metrics {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Metrics {
    pub(super) async fn serve(
        address: SocketAddr,
        standing: Rc<RefCell<Standing>>,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("the check cannot serve its figures on {address}"))?;
        let task = tokio::task::spawn_local(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                if connections.len() >= CONNECTIONS {
                    connections.join_next().await;
                }
                let Ok((stream, _)) = listener.accept().await else {
                    // Out of file descriptors, perhaps: the next one may do better.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                };
                while connections.try_join_next().is_some() {}
                connections.spawn_local(answer(stream, standing.clone()));
            }
        });
        Ok(Metrics(task.abort_handle()))
    }
}

async fn answer(stream: TcpStream, standing: Rc<RefCell<Standing>>) {
    let service = service_fn(|request: Request<Incoming>| {
        let answer = respond(&request, &standing.borrow());
        async move { Ok::<_, Infallible>(answer) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a reader of the figures went away");
    }
}

fn respond(request: &Request<Incoming>, standing: &Standing) -> Response<Full<Bytes>> {
    let (status, text) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/metrics") => (StatusCode::OK, text(standing, SystemClock.now().0)),
        (&Method::GET, _) => (StatusCode::NOT_FOUND, "only /metrics is here\n".to_owned()),
        _ => (StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let plain = header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}

/// The specifications, so that a figure is there before anything is wrong.
const SPECIFICATIONS: [&str; 5] = [
    "alphabet",
    "create-pod",
    "reflector",
    "store",
    "watch cache",
];

fn text(standing: &Standing, now_ms: u64) -> String {
    let mut text = String::new();
    let figures = &standing.figures;
    let lag_ms = figures.oldest_ms.map_or(0, |at| now_ms.saturating_sub(at));
    let mut figure = |name: &str, kind: &str, help: &str, value: String| {
        let _ = writeln!(
            text,
            "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}"
        );
    };
    figure(
        "plimsoll_check_files",
        "gauge",
        "Traces that are followed or were.",
        figures.files.to_string(),
    );
    figure(
        "plimsoll_check_records_total",
        "counter",
        "Records that were read.",
        figures.records.to_string(),
    );
    figure(
        "plimsoll_check_actions_total",
        "counter",
        "Actions that were held against the specifications.",
        figures.actions.to_string(),
    );
    figure(
        "plimsoll_check_waiting_actions",
        "gauge",
        "Actions that were read and wait for what can have led to them.",
        figures.waiting.to_string(),
    );
    figure(
        "plimsoll_check_lag_seconds",
        "gauge",
        "Age of the oldest action that is not judged.",
        format!("{}.{:03}", lag_ms / 1000, lag_ms % 1000),
    );
    let name = "plimsoll_check_violations_total";
    let _ = writeln!(
        text,
        "# HELP {name} Runs that left a specification.\n# TYPE {name} counter"
    );
    for specification in SPECIFICATIONS {
        let count = standing.violations.get(specification).unwrap_or(&0);
        let _ = writeln!(text, "{name}{{specification=\"{specification}\"}} {count}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_what_prometheus_reads() {
        let standing = Standing {
            figures: Figures {
                files: 2,
                records: 30,
                container_starts: 1,
                actions: 40,
                waiting: 5,
                oldest_ms: Some(1_000),
            },
            violations: [("store", 1)].into(),
        };
        insta::assert_snapshot!(text(&standing, 2_250));
    }

    use conformance::follow::Figures;
}
