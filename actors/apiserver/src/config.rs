//! What an API server is started with.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use model::machines::watch_cache;
use shell::Tracing;
use transport::pki::Credentials;

use crate::http::Limits;

/// What an API server is started with.
#[derive(Clone)]
pub struct Config {
    /// Where components reach it, over QUIC.
    pub address: SocketAddr,
    /// Its certificate for QUIC, of the identity [`apiserver`](transport::Identity::apiserver).
    pub credentials: Credentials,
    /// Where the store listens.
    pub store: SocketAddr,
    /// Where clients reach it, over HTTPS.
    pub api_address: SocketAddr,
    /// A socket that listens there already and outlives this API server, so that clients wait while it is started again.
    /// `None` where it is to listen by itself.
    pub api_socket: Option<Arc<TcpListener>>,
    /// The certificate that clients see; clients' own certificates count if they are of its authority.
    pub serving: Credentials,
    /// Where clients are served without TLS too, each of them as an administrator. `None` for nowhere.
    pub insecure_address: Option<SocketAddr>,
    /// How long an event lives after its last write, in seconds, at least 1 (kube-apiserver's `--event-ttl`).
    pub event_ttl_seconds: u32,
    /// Bounds of what HTTP clients may ask.
    pub limits: Limits,
    /// How much the watch cache keeps and how long it waits.
    pub cache: watch_cache::Limits,
    /// What to record of its machines, and where; `None` for nothing.
    pub trace: Option<Tracing>,
    /// Which start of the API server this is, counted from 1 by who starts it.
    pub incarnation: u64,
}
