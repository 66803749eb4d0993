//! The store from its start to its end.

use std::cell::RefCell;
use std::rc::Rc;

use anyhow::Context;
use model::machines::store::Store;
use model::messages::store::{Segment, StoreRequest, Wire};
use model::trace::Header;
use shell::{
    Component, Environment, Handle, Ready, Running, Shutdown, Start, TraceWriter, Tracing,
};
use tokio::sync::watch;
use transport::{Connection, Endpoint, Incoming, Limits, Message, Responder};

use crate::clients::Clients;
use crate::config::{Config, Engine};
use crate::disk::{Disk, DiskThread};
use crate::effects::{SharedDisk, StoreEffects};
use crate::etcd::{self, EtcdAddress};
use crate::front::Front;
use crate::voices::{Voice, Voices};
use crate::watching;

/// Runs a store until it is asked to end: on the file in `config.directory`, or over an etcd. `ready` is called when it
/// can be connected to.
///
/// # Errors
/// What kept it from starting or ended it: the disk or etcd, the port, the credentials, the trace.
pub fn run(
    config: Config,
    environment: Environment,
    shutdown: Shutdown,
    ready: Ready,
) -> Running<anyhow::Error> {
    Box::pin(async move {
        if let Engine::Etcd(address) = config.engine.clone() {
            return run_over(&address, config, environment, shutdown, ready).await;
        }
        let disk = DiskThread::start(config.directory.clone())
            .context("the store's disk has no thread")?;
        run_on(disk, config, environment, shutdown, ready).await
    })
}

/// The same on another disk, such as a simulation's.
///
/// # Errors
/// As [`run`].
pub fn run_on(
    disk: impl Disk,
    config: Config,
    environment: Environment,
    shutdown: Shutdown,
    ready: Ready,
) -> Running<anyhow::Error> {
    let disk: SharedDisk = Rc::new(RefCell::new(disk));
    close_after(disk, config, environment, shutdown, ready)
}

fn close_after(
    disk: SharedDisk,
    config: Config,
    environment: Environment,
    shutdown: Shutdown,
    ready: Ready,
) -> Running<anyhow::Error> {
    Box::pin(async move {
        let ended = run_embedded(disk.clone(), config, environment, shutdown, ready).await;
        let closed = disk.borrow_mut().close();
        closed.await.context("closing the store")?;
        ended
    })
}

/// Runs a store whose keys an etcd keeps, until it is asked to end.
async fn run_over(
    address: &EtcdAddress,
    config: Config,
    environment: Environment,
    shutdown: Shutdown,
    ready: Ready,
) -> anyhow::Result<()> {
    let attached = tokio::select! {
        biased;
        _ = shutdown.requested() => return Ok(()),
        attached = etcd::attach(address, &config.limits) => attached?,
    };
    tracing::info!(
        revision = attached.1.revision,
        after = attached.1.after,
        "etcd is followed"
    );
    let opened = Opened::new(&config, &environment)?;
    let handle = etcd::start(
        attached,
        config.limits,
        opened.clients.clone(),
        opened.trace,
        environment,
    );
    ready();
    serve(
        &opened.endpoint,
        &opened.clients,
        handle,
        shutdown,
        std::future::pending(),
    )
    .await
}

async fn run_embedded(
    disk: SharedDisk,
    config: Config,
    environment: Environment,
    shutdown: Shutdown,
    ready: Ready,
) -> anyhow::Result<()> {
    let loaded = disk.borrow_mut().load();
    let durable = loaded.await?;
    tracing::info!(
        revision = durable.revision(),
        compacted = durable.compacted,
        "the store is loaded"
    );
    let opened = Opened::new(&config, &environment)?;
    let (stop, mut stopped) = watch::channel(None);
    let handle = Component::start(Start {
        machine: Store::new(config.limits),
        durable: Some(durable),
        effects: StoreEffects {
            clients: opened.clients.clone(),
            disk,
            stop,
        },
        trace: opened.trace,
        environment,
    });
    let failed = async move {
        let reason = stopped.wait_for(Option::is_some).await;
        reason
            .ok()
            .and_then(|reason| reason.clone())
            .unwrap_or_default()
    };
    ready();
    serve(&opened.endpoint, &opened.clients, handle, shutdown, failed).await
}

/// What a store has open, whichever engine is behind it.
struct Opened {
    endpoint: Endpoint,
    clients: Clients,
    trace: Option<TraceWriter>,
}

impl Opened {
    fn new(config: &Config, environment: &Environment) -> anyhow::Result<Self> {
        let endpoint = Endpoint::bind(transport::Config {
            address: config.address,
            credentials: config.credentials.clone(),
            limits: Limits::default(),
            environment: environment.transport.clone(),
            origin: None,
        })
        .with_context(|| format!("the store cannot listen on {}", config.address))?;
        let header = || Header {
            machine: "store".to_owned(),
            component: "store".to_owned(),
            incarnation: config.incarnation,
        };
        let trace = config
            .trace
            .as_ref()
            .map(|tracing| {
                // Inputs of the relay are not recorded: a trace of the name `store` is run again as the embedded store.
                let inputs = tracing.inputs && matches!(config.engine, Engine::Embedded);
                let tracing = Tracing {
                    inputs,
                    ..tracing.clone()
                };
                tracing.writer(&header())
            })
            .transpose()?;
        Ok(Opened {
            endpoint,
            clients: Clients::new(),
            trace,
        })
    }
}

/// Serves API servers until the end.
async fn serve<M: Front>(
    endpoint: &Endpoint,
    clients: &Clients,
    handle: Handle<M>,
    shutdown: Shutdown,
    failed: impl Future<Output = String>,
) -> anyhow::Result<()> {
    let _guard = handle.end_with();
    let ended = tokio::select! {
        biased;
        _ = shutdown.requested() => Ok(()),
        reason = failed => Err(anyhow::anyhow!("the store has failed: {reason}")),
        stopped = handle.stopped() => Err(stopped.into()),
        () = accept(endpoint, clients, &handle) => Err(anyhow::anyhow!("the store's endpoint was closed")),
    };
    let goodbye = if ended.is_ok() {
        "the store is ending"
    } else {
        "the store has failed"
    };
    endpoint.close(goodbye).await;
    handle.stop().await;
    ended
}

/// Talks with every API server that connects.
async fn accept<M: Front>(endpoint: &Endpoint, clients: &Clients, handle: &Handle<M>) {
    let mut voices = Voices::default();
    while let Some(accepted) = endpoint.accept().await {
        match accepted {
            Ok(connection)
                if connection.identity().component() == transport::Component::Apiserver =>
            {
                let voice = voices.of(connection.peer_origin());
                let (clients, handle) = (clients.clone(), handle.clone());
                tokio::task::spawn_local(async move {
                    let ended = tokio::select! {
                        biased;
                        () = voice.over() => "the process is heard over a later connection",
                        ended = converse(&connection, &voice, &clients, &handle) => ended,
                    };
                    connection.close(ended);
                });
            }
            Ok(connection) => {
                tracing::warn!(peer = %connection.identity(), "refused: only the API server talks to the store");
                connection.close("only the API server talks to the store");
            }
            Err(error) => tracing::warn!(%error, "a peer could not connect"),
        }
    }
}

/// Takes what one API server sends until its connection ends, or has to; why.
async fn converse<M: Front>(
    connection: &Connection,
    voice: &Voice,
    clients: &Clients,
    handle: &Handle<M>,
) -> &'static str {
    loop {
        match connection.next().await {
            Incoming::Ask(message, _) | Incoming::Open(message, _) if !voice.speaks(message.id) => {
                return "the process was heard over a later connection";
            }
            Incoming::Ask(message, responder) => {
                if !ask(&message, responder, clients, handle).await {
                    return "the store is ending";
                }
            }
            Incoming::Open(opening, stream) => {
                tokio::task::spawn_local(watching::watch(
                    opening,
                    stream,
                    clients.clone(),
                    handle.clone(),
                ));
            }
            Incoming::Tell(_) => {
                tracing::warn!("the store was told something, and takes only asks and watches")
            }
            Incoming::Closed(reason) => {
                tracing::debug!(%reason, "the API server's connection has ended");
                return "it has ended";
            }
        }
    }
}

/// Gives one ask to the machine; false if the machine has ended.
async fn ask<M: Front>(
    message: &Message,
    responder: Responder,
    clients: &Clients,
    handle: &Handle<M>,
) -> bool {
    let request = message
        .decode::<StoreRequest<Segment>>()
        .map_err(|error| error.to_string())
        .and_then(|header| {
            StoreRequest::join(header, &message.body).map_err(|error| error.to_string())
        });
    match request {
        Ok(request) => {
            let asked = clients.ask(responder);
            let taken = handle.caused_by(message.id);
            let taken = taken.send(M::ask(asked.id(), request)).await.is_ok();
            asked.taken();
            taken
        }
        Err(reason) => {
            responder.refuse(&reason);
            true
        }
    }
}
