//! An endpoint: one UDP port, from which a process connects and at which it is connected to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use quinn::ServerConfig;
use tokio::sync::{Mutex, mpsc};

use crate::connection::Connection;
use crate::environment::Environment;
use crate::error::{CloseReason, Error, Peer, code};
use crate::handshake::{Accepted, Shared, accept_all};
use crate::identity::Identity;
use crate::limits::Limits;
use crate::pki::Credentials;
use crate::quic;
use crate::tls::Tls;

/// Connections that wait for [`Endpoint::accept`].
const ACCEPTED_MAX: usize = 64;
/// How long [`Endpoint::close`] waits for the peers to hear of it.
const GOODBYE_TIME_MAX: Duration = Duration::from_millis(500);

/// What an endpoint is made of.
#[derive(Clone, Debug)]
pub struct Config {
    /// The local address; port 0 chooses a free port.
    pub address: SocketAddr,
    /// The certificate, which also says who this process is.
    pub credentials: Credentials,
    /// The bounds of everything that can grow.
    pub limits: Limits,
    /// Clock, sockets, randomness.
    pub environment: Environment,
    /// The incarnation of this process in the ids of its messages, never 0 and never used twice in a
    /// cluster. `None` draws a random one.
    pub origin: Option<u64>,
}

impl Config {
    /// The machine's own environment, default limits, a random origin.
    pub fn new(address: SocketAddr, credentials: Credentials) -> Self {
        Self {
            address,
            credentials,
            limits: Limits::default(),
            environment: Environment::system(),
            origin: None,
        }
    }
}

/// One UDP port with an identity, for any number of connections in both directions. Clones are handles
/// to the same one.
#[derive(Clone, Debug)]
pub struct Endpoint {
    guard: Arc<EndpointGuard>,
    accepted: Arc<Mutex<mpsc::Receiver<Accepted>>>,
}

/// Closes the port when the last handle and the last connection are gone.
#[derive(Debug)]
pub(crate) struct EndpointGuard {
    shared: Arc<Shared>,
}

impl Drop for EndpointGuard {
    fn drop(&mut self) {
        self.shared
            .quic
            .close(code::DONE, b"the endpoint was dropped");
    }
}

impl Endpoint {
    /// Opens the port. It must be called within a tokio runtime, which then drives the endpoint.
    ///
    /// # Errors
    /// [`Error::Bind`], [`Error::Credentials`], [`Error::OwnIdentity`], [`Error::Limits`].
    pub fn bind(config: Config) -> Result<Self, Error> {
        let Config {
            address,
            credentials,
            limits,
            environment,
            origin,
        } = config;
        let identity = match credentials.chain().first() {
            Some(certificate) => {
                Identity::from_certificate(certificate).map_err(Error::OwnIdentity)?
            }
            None => return Err(Error::Credentials("there is no certificate".to_owned())),
        };
        let tls = Tls::new(&credentials, &environment)?;
        let transport = Arc::new(quic::transport(&limits)?);
        let random = &*environment.random;
        let mut server =
            ServerConfig::new(tls.server, quic::token_key(random).map_err(Error::Random)?);
        server.transport_config(transport.clone());
        let mut client = quinn::ClientConfig::new(tls.client);
        client.transport_config(transport);
        client.initial_dst_cid_provider(quic::first_connection_ids(random).map_err(Error::Random)?);
        let socket = environment
            .sockets
            .bind(address, &*environment.runtime)
            .map_err(|source| Error::Bind { address, source })?;
        let quic = quic::endpoint_config(random, &credentials).map_err(Error::Random)?;
        let quic = quinn::Endpoint::new_with_abstract_socket(
            quic,
            Some(server),
            socket,
            environment.runtime.clone(),
        )
        .map_err(|source| Error::Bind { address, source })?;
        let origin = match origin {
            Some(origin) => origin,
            None => random.next_u64().map_err(Error::Random)?,
        };
        let shared = Arc::new(Shared {
            quic,
            client,
            identity,
            origin: origin.max(1),
            sequence: Arc::new(AtomicU64::new(1)),
            limits: Arc::new(limits),
            environment,
        });
        let (sender, accepted) = mpsc::channel(ACCEPTED_MAX);
        tokio::spawn(accept_all(shared.clone(), sender));
        Ok(Self {
            guard: Arc::new(EndpointGuard { shared }),
            accepted: Arc::new(Mutex::new(accepted)),
        })
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.guard.shared
    }

    /// Who this endpoint is.
    pub fn identity(&self) -> &Identity {
        &self.shared().identity
    }

    /// The origin of the ids of this endpoint's messages.
    pub fn origin(&self) -> u64 {
        self.shared().origin
    }

    /// The address of the port.
    ///
    /// # Errors
    /// If the system does not tell it.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.shared().quic.local_addr()
    }

    /// The environment the endpoint was made with.
    pub fn environment(&self) -> &Environment {
        &self.shared().environment
    }

    /// The limits the endpoint was made with.
    pub fn limits(&self) -> &Limits {
        &self.shared().limits
    }

    /// Connects to the peer at `address`, which must prove to be `expected`.
    ///
    /// # Errors
    /// [`Error::Connect`] with the reason: nobody there, another identity, a certificate that either
    /// side refuses, no common version.
    pub async fn connect(
        &self,
        address: SocketAddr,
        expected: &Identity,
    ) -> Result<Connection, Error> {
        let shared = self.shared();
        let peer = Peer {
            identity: Some(expected.clone()),
            address,
        };
        let time_max = shared.limits.handshake_time_max;
        let inner = tokio::time::timeout(time_max, shared.connect(address, expected))
            .await
            .unwrap_or(Err(CloseReason::NoHandshake(time_max)))
            .map_err(|reason| Error::Connect { peer, reason })?;
        Ok(Connection::new(inner, self.guard.clone()))
    }

    /// Waits for the next peer that connects, or has tried to; `None` once the endpoint is closed. An
    /// error concerns that peer alone.
    pub async fn accept(&self) -> Option<Result<Connection, Error>> {
        let accepted = self.accepted.lock().await.recv().await?;
        Some(accepted.map(|inner| Connection::new(inner, self.guard.clone())))
    }

    /// Closes every connection with a reason for the peer. It returns when the peers have heard of it, or cannot. The
    /// port is free once everything that holds the endpoint or a connection of it is dropped, a moment later.
    pub async fn close(&self, reason: &str) {
        let quic = &self.shared().quic;
        quic.close(code::DONE, reason.as_bytes());
        // Whoever does not answer learns it by the silence.
        let _ = tokio::time::timeout(GOODBYE_TIME_MAX, quic.wait_idle()).await;
    }
}
