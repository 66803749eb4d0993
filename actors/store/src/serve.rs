//! The store from its start to its end.

use std::cell::RefCell;
use std::rc::Rc;

use anyhow::Context;
use model::machines::store::{Input, Store};
use model::messages::store::{Segment, StoreRequest, Wire};
use model::objects::bytes::Bytes;
use model::trace::Header;
use shell::{Component, Environment, Handle, Shutdown, Start, TraceWriter};
use tokio::sync::watch;
use transport::{Connection, Endpoint, Incoming, Limits, Message, Responder};

use crate::Config;
use crate::disk::{Disk, DiskThread};
use crate::effects::{Clients, SharedDisk, StoreEffects};
use crate::watching;

/// Runs a store on the file in `config.directory` until it is asked to end. `ready` is called when it can be
/// connected to.
///
/// # Errors
/// What kept it from starting or ended it: the disk, the port, the credentials, the trace.
pub async fn run(
    config: Config,
    environment: Environment,
    shutdown: Shutdown,
    ready: impl FnOnce(),
) -> anyhow::Result<()> {
    let disk =
        DiskThread::start(config.directory.clone()).context("the store's disk has no thread")?;
    run_on(disk, config, environment, shutdown, ready).await
}

/// The same on another disk, such as a simulation's.
///
/// # Errors
/// As [`run`].
pub async fn run_on(
    disk: impl Disk,
    config: Config,
    environment: Environment,
    shutdown: Shutdown,
    ready: impl FnOnce(),
) -> anyhow::Result<()> {
    let disk: SharedDisk = Rc::new(RefCell::new(disk));
    let ended = serve(disk.clone(), config, environment, shutdown, ready).await;
    let closed = disk.borrow_mut().close();
    closed.await.context("closing the store")?;
    ended
}

async fn serve(
    disk: SharedDisk,
    config: Config,
    environment: Environment,
    shutdown: Shutdown,
    ready: impl FnOnce(),
) -> anyhow::Result<()> {
    let loaded = disk.borrow_mut().load();
    let durable = loaded.await?;
    tracing::info!(
        revision = durable.revision(),
        compacted = durable.compacted,
        "the store is loaded"
    );
    let endpoint = Endpoint::bind(transport::Config {
        address: config.address,
        credentials: config.credentials,
        limits: Limits::default(),
        environment: environment.transport.clone(),
        origin: None,
    })
    .with_context(|| format!("the store cannot listen on {}", config.address))?;
    let trace = config
        .trace
        .map(|directory| {
            let header = Header {
                machine: "store".to_owned(),
                component: "store".to_owned(),
                incarnation: config.incarnation,
            };
            TraceWriter::create(&directory, &header)
        })
        .transpose()?;
    let clients = Clients::new();
    let (stop, mut stopped) = watch::channel(None);
    let handle = Component::start(Start {
        machine: Store::new(config.limits),
        durable: Some(durable),
        effects: StoreEffects {
            clients: clients.clone(),
            disk,
            stop,
        },
        trace,
        environment,
    });
    let _guard = handle.end_with();
    ready();
    let ended = tokio::select! {
        biased;
        _ = shutdown.requested() => Ok(()),
        failed = stopped.wait_for(Option::is_some) => Err(anyhow::anyhow!(
            "the store has failed: {}",
            failed.ok().and_then(|reason| reason.clone()).unwrap_or_default()
        )),
        stopped = handle.stopped() => Err(stopped.into()),
        () = accept(&endpoint, &clients, &handle) => Err(anyhow::anyhow!("the store's endpoint was closed")),
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

async fn accept(endpoint: &Endpoint, clients: &Clients, handle: &Handle<Store<Bytes>>) {
    while let Some(accepted) = endpoint.accept().await {
        match accepted {
            Ok(connection)
                if connection.identity().component() == transport::Component::Apiserver =>
            {
                tokio::task::spawn_local(converse(connection, clients.clone(), handle.clone()));
            }
            Ok(connection) => {
                tracing::warn!(peer = %connection.identity(), "refused: only the API server talks to the store");
                connection.close("only the API server talks to the store");
            }
            Err(error) => tracing::warn!(%error, "a peer could not connect"),
        }
    }
}

/// Takes what one API server sends until its connection ends.
async fn converse(connection: Connection, clients: Clients, handle: Handle<Store<Bytes>>) {
    loop {
        match connection.next().await {
            Incoming::Ask(message, responder) => {
                if !ask(&message, responder, &clients, &handle).await {
                    return connection.close("the store is ending");
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
                return;
            }
        }
    }
}

/// Gives one ask to the machine; false if the machine has ended.
async fn ask(
    message: &Message,
    responder: Responder,
    clients: &Clients,
    handle: &Handle<Store<Bytes>>,
) -> bool {
    let request = message
        .decode::<StoreRequest<Segment>>()
        .map_err(|error| error.to_string())
        .and_then(|header| {
            StoreRequest::join(header, &message.body).map_err(|error| error.to_string())
        });
    match request {
        Ok(request) => {
            let from = clients.ask(responder);
            handle
                .caused_by(message.id)
                .send(Input::Ask { from, request })
                .await
                .is_ok()
        }
        Err(reason) => {
            responder.refuse(&reason);
            true
        }
    }
}
