//! An endpoint: one UDP port, from which a process connects and at which it is connected to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::{Buf, BufMut};
use quinn::{ReadError, ReadToEndError, ServerConfig, VarInt};
use tokio::sync::{Mutex, Semaphore, mpsc};

use crate::connection::{Beginning, Connection, Inner};
use crate::environment::Environment;
use crate::error::{CloseReason, Error, Peer, code};
use crate::identity::Identity;
use crate::lane::purpose;
use crate::limits::Limits;
use crate::pki::Credentials;
use crate::quic;
use crate::tls::{self, Tls};

/// Handshakes with connecting peers that may be under way at a time; further ones are refused.
const HANDSHAKES_MAX: usize = 64;
/// Connections that wait for [`Endpoint::accept`].
const ACCEPTED_MAX: usize = 64;
/// Bytes of the list of versions that a peer of another version tells.
const VERSIONS_BYTES_MAX: usize = 256;
/// A welcome: its purpose and its sender's origin.
const WELCOME_BYTES: usize = 9;
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
    accepted: Arc<Mutex<mpsc::Receiver<Result<Arc<Inner>, Error>>>>,
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

/// What handshakes need.
#[derive(Debug)]
pub(crate) struct Shared {
    quic: quinn::Endpoint,
    client: quinn::ClientConfig,
    identity: Identity,
    origin: u64,
    sequence: Arc<AtomicU64>,
    limits: Arc<Limits>,
    environment: Environment,
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

    /// Closes every connection with a reason for the peer, and the port. It returns when the peers have
    /// heard of it, or cannot.
    pub async fn close(&self, reason: &str) {
        let quic = &self.shared().quic;
        quic.close(code::DONE, reason.as_bytes());
        // Whoever does not answer learns it by the silence.
        let _ = tokio::time::timeout(GOODBYE_TIME_MAX, quic.wait_idle()).await;
    }
}

/// Completes the handshakes of those who connect, each in a task of its own.
async fn accept_all(shared: Arc<Shared>, accepted: mpsc::Sender<Result<Arc<Inner>, Error>>) {
    let room = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    while let Some(incoming) = shared.quic.accept().await {
        let Ok(room) = room.clone().try_acquire_owned() else {
            incoming.refuse();
            continue;
        };
        let (shared, accepted) = (shared.clone(), accepted.clone());
        tokio::spawn(async move {
            let address = incoming.remote_address();
            let time_max = shared.limits.handshake_time_max;
            let result = tokio::time::timeout(time_max, shared.accept(incoming))
                .await
                .unwrap_or(Err((None, CloseReason::NoHandshake(time_max))));
            let result = match result {
                Err((_, reason @ CloseReason::Abandoned)) => {
                    tracing::debug!(%address, %reason, "not accepted");
                    return;
                }
                result => result.map_err(|(identity, reason)| Error::Connect {
                    peer: Peer { identity, address },
                    reason,
                }),
            };
            // Without a receiver the endpoint is closed, and this connection with it.
            let _ = accepted.send(result).await;
            drop(room);
        });
    }
}

impl Shared {
    async fn connect(
        &self,
        address: SocketAddr,
        expected: &Identity,
    ) -> Result<Arc<Inner>, CloseReason> {
        let connecting = self
            .quic
            .connect_with(self.client.clone(), address, &expected.dns_name())
            .map_err(|error| CloseReason::Quic(error.to_string()))?;
        let quic = connecting.await.map_err(|error| self.reason(error))?;
        if !tls::agreed(&quic) {
            return Err(self.tell_versions(&quic).await);
        }
        // TLS has checked the name; this reads it back, so that there is one way to know a peer.
        let identity = tls::peer_identity(&quic)?;
        let peer_origin = self.welcome(&quic).await?;
        let inner = self.begin(quic, identity, peer_origin);
        tokio::spawn(inner.clone().keep_alive());
        Ok(inner)
    }

    async fn accept(
        &self,
        incoming: quinn::Incoming,
    ) -> Result<Arc<Inner>, (Option<Identity>, CloseReason)> {
        let quic = incoming.await.map_err(|error| (None, self.reason(error)))?;
        let identity = match tls::peer_identity(&quic) {
            Ok(identity) => identity,
            Err(reason) => {
                quic.close(
                    code::IDENTITY,
                    format!("your certificate is refused: {reason}").as_bytes(),
                );
                return Err((None, reason));
            }
        };
        if !tls::agreed(&quic) {
            let reason = self.hear_versions(&quic).await;
            quic.close(code::VERSION, tls::our_versions().as_bytes());
            return Err((Some(identity), reason));
        }
        match self.welcome(&quic).await {
            Ok(peer_origin) => Ok(self.begin(quic, identity, peer_origin)),
            Err(reason) => Err((Some(identity), reason)),
        }
    }

    /// Welcomes the peer and waits for its welcome: only then does each know that the other has accepted
    /// its certificate, which TLS does not tell the connecting side. Returns the peer's origin.
    async fn welcome(&self, quic: &quinn::Connection) -> Result<u64, CloseReason> {
        let exchanged = async {
            let mut stream = quic
                .open_uni()
                .await
                .map_err(quinn::ReadError::ConnectionLost)?;
            let mut ours = Vec::with_capacity(WELCOME_BYTES);
            ours.put_u8(purpose::WELCOME);
            ours.put_u64(self.origin);
            // An error here is the connection's, and reading tells it.
            let _ = stream.write_all(&ours).await;
            let _ = stream.finish();
            let mut stream = quic
                .accept_uni()
                .await
                .map_err(quinn::ReadError::ConnectionLost)?;
            stream.read_to_end(WELCOME_BYTES).await
        };
        match exchanged.await {
            Ok(theirs) => {
                if let Some((&purpose::WELCOME, mut origin)) =
                    theirs.split_first().filter(|(_, rest)| rest.len() == 8)
                {
                    return Ok(origin.get_u64());
                }
            }
            Err(ReadToEndError::Read(ReadError::ConnectionLost(error))) => {
                return Err(self.reason(error));
            }
            Err(_) => {}
        }
        quic.close(code::MALFORMED, b"no welcome");
        Err(CloseReason::Handshake(
            "the peer did not begin with a welcome".to_owned(),
        ))
    }

    fn begin(&self, quic: quinn::Connection, identity: Identity, peer_origin: u64) -> Arc<Inner> {
        Inner::start(Beginning {
            quic,
            identity,
            origin: self.origin,
            peer_origin,
            sequence: self.sequence.clone(),
            limits: self.limits.clone(),
        })
    }

    fn reason(&self, error: quinn::ConnectionError) -> CloseReason {
        match CloseReason::of(error, &self.limits) {
            CloseReason::Silent(_) => CloseReason::NoHandshake(self.limits.handshake_time_max),
            reason => reason,
        }
    }

    /// The connecting side of a handshake without a common version: says its versions and hears the
    /// other's in the reason with which that closes.
    async fn tell_versions(&self, quic: &quinn::Connection) -> CloseReason {
        let told = async {
            let mut stream = quic.open_uni().await?;
            stream.write_all(tls::our_versions().as_bytes()).await?;
            // The peer closes as soon as it has read them.
            let _ = stream.finish();
            Ok::<_, quinn::WriteError>(())
        };
        if let Err(error) = told.await {
            tracing::debug!(%error, "the peer closed before it heard this side's versions");
        }
        self.reason(quic.closed().await)
    }

    /// The other side of it.
    async fn hear_versions(&self, quic: &quinn::Connection) -> CloseReason {
        let heard = async {
            let mut stream = quic.accept_uni().await.ok()?;
            stream.read_to_end(VERSIONS_BYTES_MAX).await.ok()
        };
        let theirs = match heard.await {
            Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            None => "versions it does not tell".to_owned(),
        };
        CloseReason::Version {
            ours: tls::our_versions(),
            theirs,
        }
    }
}

/// A count that QUIC can carry.
pub(crate) fn varint(name: &'static str, value: u64) -> Result<VarInt, Error> {
    VarInt::from_u64(value).map_err(|_| Error::Limits {
        name,
        value,
        reason: "QUIC counts to 2^62 - 1",
    })
}
