//! A real etcd as the store's engine: its v3 API over gRPC, behind the same QUIC protocol.
//!
//! - [`EtcdAddress`]: where it is, and what of its keys is ours.
//! - [`Etcd`]: a client that speaks the store's messages. The suite for stores uses it too.
//! - the relay's shell: its calls, and the feed that it is told everything by.

mod address;
mod answered;
mod asked;
mod client;
mod effects;
mod feed;
mod grpc;
mod refusal;
mod space;
mod watch;
mod wire;

use std::time::Duration;

use anyhow::Context;
use model::machines::relay::{Attachment, Relay};
use model::machines::store::Limits;
use model::objects::bytes::Bytes;
use shell::{Component, Environment, Handle, Start, TraceWriter};
use tokio::time::Instant;

pub use address::{AddressError, EtcdAddress};
pub use client::{Etcd, EtcdError};
pub use watch::{Batch, EtcdWatch, WatchEnd};

use crate::clients::Clients;
use effects::RelayEffects;

/// How long a store that starts waits for its etcd: whoever starts both at once need not care for their order.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long it waits between two attempts.
const RETRY_TIME: Duration = Duration::from_millis(100);

/// Connects to etcd and reads what of its history is kept.
///
/// # Errors
/// If etcd is not there, is too old, or cannot be followed.
pub(crate) async fn attach(
    address: &EtcdAddress,
    limits: &Limits,
) -> anyhow::Result<(Etcd, Attachment<Bytes>, EtcdWatch)> {
    let etcd = Etcd::new(address, limits.clone())
        .with_context(|| format!("{address} is not an address of etcd"))?;
    let began = Instant::now();
    loop {
        match etcd.attach(None, limits).await {
            Ok((attachment, watch)) => return Ok((etcd, attachment, watch)),
            Err(error) if began.elapsed() > PATIENCE => return Err(error.into()),
            Err(error) => tracing::warn!(%error, "etcd is not followed yet"),
        }
        etcd.turn_to_next();
        tokio::time::sleep(RETRY_TIME).await;
    }
}

/// Starts the relay over an etcd that was attached to.
pub(crate) fn start(
    (etcd, attachment, watch): (Etcd, Attachment<Bytes>, EtcdWatch),
    limits: Limits,
    clients: Clients,
    trace: Option<TraceWriter>,
    environment: Environment,
) -> Handle<Relay<Bytes>> {
    let reached = attachment.revision;
    let handle = Component::start(Start {
        machine: Relay::new(limits.clone()),
        durable: Some(attachment),
        effects: RelayEffects {
            clients,
            etcd: etcd.clone(),
        },
        trace,
        environment,
    });
    handle.spawn(feed::follow(etcd, limits, reached, watch, handle.clone()));
    handle
}
