//! The API server from its start to its end.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::Context;
use model::trace::Header;
use serde_json::Value;
use shell::{Environment, Ready, Running, Shutdown, TraceWriter, Tracing};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use transport::{Backoff, Endpoint, Identity, Link};

use crate::api::Api;
use crate::backend::Start;
use crate::http::listen::{self, Entrance};
use crate::http::service::Front;
use crate::kubelets::Kubelets;
use crate::metrics::Metrics;
use crate::strategy::{Change, Kinds};
use crate::{Config, certificates, components};

/// Runs an API server until it is asked to end. `ready` is called when it serves: its cache is filled, and the
/// namespaces that every cluster has are there.
///
/// # Errors
/// What kept it from starting or ended it: an address, the certificates, the trace, the store.
pub fn run(
    config: Config,
    environment: Environment,
    shutdown: Shutdown,
    ready: Ready,
) -> Running<anyhow::Error> {
    Box::pin(async move {
        let entrances = entrances(&config).await?;
        run_on(entrances, config, environment, shutdown, ready).await
    })
}

/// Where HTTP clients come in, by what `config` says.
async fn entrances(config: &Config) -> anyhow::Result<Vec<(TcpListener, Entrance)>> {
    let tls = certificates::acceptor(&config.serving)?;
    let api = match &config.api_socket {
        Some(socket) => take_over(socket).with_context(|| cannot_listen(config.api_address))?,
        None => bind(config.api_address).await?,
    };
    let mut entrances = vec![(api, Entrance::Tls(tls))];
    if let Some(address) = config.insecure_address {
        entrances.push((bind(address).await?, Entrance::Insecure));
    }
    Ok(entrances)
}

/// The same for HTTP clients that come in by these listeners. Without any it serves components alone and has no
/// socket but that of its environment, as a simulation needs it.
///
/// # Errors
/// As [`run`].
pub fn run_on(
    entrances: Vec<(TcpListener, Entrance)>,
    config: Config,
    environment: Environment,
    shutdown: Shutdown,
    ready: Ready,
) -> Running<anyhow::Error> {
    Box::pin(live(entrances, config, environment, shutdown, ready))
}

async fn live(
    entrances: Vec<(TcpListener, Entrance)>,
    config: Config,
    environment: Environment,
    shutdown: Shutdown,
    ready: Ready,
) -> anyhow::Result<()> {
    let endpoint = Endpoint::bind(transport::Config {
        address: config.address,
        credentials: config.credentials,
        limits: transport::Limits::default(),
        environment: environment.transport.clone(),
        origin: None,
    })
    .with_context(|| format!("the API server cannot listen on {}", config.address))?;
    let link = Link::new(
        endpoint.clone(),
        config.store,
        Identity::store(),
        Backoff::default(),
    );
    let trace = |machine: &str| trace(config.trace.as_ref(), machine, config.incarnation);
    let backend = Start {
        link: link.clone(),
        strategy: Kinds,
        ttl_seconds: config.event_ttl_seconds,
        limits: config.cache,
        environment: environment.clone(),
        cache_trace: trace("watch_cache")?,
        write_trace: trace("transaction")?,
    }
    .start();
    let _guards = backend.end_with();
    let api = Api {
        backend: backend.clone(),
        kubelets: Kubelets::default(),
        metrics: Rc::new(Metrics::default()),
        environment,
    };
    let mut listeners = JoinSet::new();
    let front = Front::new(api.clone(), config.limits, shutdown.clone());
    // Health is answered from the start, so that who waits for readiness is told why it waits.
    for (listener, entrance) in entrances {
        let (front, shutdown) = (front.clone(), shutdown.clone());
        listeners.spawn_local(listen::serve(listener, entrance, front, shutdown));
    }
    let ended = serve(api, &endpoint, &shutdown, ready).await;
    if ended.is_ok() {
        // A listener ends by itself after the shutdown; one that panicked has nothing left to end.
        while listeners.join_next().await.is_some() {}
    }
    listeners.shutdown().await;
    endpoint.close("the API server ends").await;
    backend.stop().await;
    link.close("the API server ends");
    ended
}

/// Serves the components until the end is asked for.
async fn serve(
    api: Api,
    endpoint: &Endpoint,
    shutdown: &Shutdown,
    ready: Ready,
) -> anyhow::Result<()> {
    tokio::select! {
        biased;
        _ = shutdown.requested() => return Ok(()),
        filled = fill(&api) => filled?,
    }
    ready();
    tokio::select! {
        biased;
        _ = shutdown.requested() => Ok(()),
        () = components::serve(endpoint.clone(), api) => Err(anyhow::anyhow!("the API server's QUIC endpoint was closed")),
    }
}

/// Waits for the cache, then makes what every cluster has.
async fn fill(api: &Api) -> anyhow::Result<()> {
    let unreached = "the store's objects could not be read";
    api.backend.filled().await.context(unreached)?;
    let change = |object: Value| Ok(Change::Whole(Arc::new(object)));
    api.backend
        .bootstrap(change)
        .await
        .context("the system's namespaces could not be made")
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| cannot_listen(address))
}

/// A handle of a socket that stays open.
fn take_over(socket: &std::net::TcpListener) -> std::io::Result<TcpListener> {
    let socket = socket.try_clone()?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket)
}

fn cannot_listen(address: SocketAddr) -> String {
    format!("the API server cannot listen on {address}")
}

fn trace(
    tracing: Option<&Tracing>,
    machine: &str,
    incarnation: u64,
) -> anyhow::Result<Option<TraceWriter>> {
    let Some(tracing) = tracing else {
        return Ok(None);
    };
    let header = Header {
        machine: machine.to_owned(),
        component: "apiserver".to_owned(),
        incarnation,
    };
    Ok(Some(tracing.writer(&header)?))
}
