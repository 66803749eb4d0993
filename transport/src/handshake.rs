//! Handshakes: from a datagram to a connection with a verified peer of the same version.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::{Buf, BufMut};
use quinn::{ReadError, ReadToEndError};
use tokio::sync::{Semaphore, mpsc};

use crate::connection::{Beginning, Inner};
use crate::environment::Environment;
use crate::error::{CloseReason, Error, Peer, code};
use crate::identity::Identity;
use crate::lane::purpose;
use crate::limits::Limits;
use crate::tls;

/// Handshakes with connecting peers that may be under way at a time; further ones are refused.
const HANDSHAKES_MAX: usize = 64;
/// Bytes of the list of versions that a peer of another version tells.
const VERSIONS_BYTES_MAX: usize = 256;
/// A welcome: its purpose and its sender's origin.
const WELCOME_BYTES: usize = 9;

/// A connection that a peer has made, or its failed attempt.
pub(crate) type Accepted = Result<Arc<Inner>, Error>;

/// What handshakes need.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) quic: quinn::Endpoint,
    pub(crate) client: quinn::ClientConfig,
    pub(crate) identity: Identity,
    pub(crate) origin: u64,
    pub(crate) sequence: Arc<AtomicU64>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) environment: Environment,
}

/// Completes the handshakes of those who connect, each in a task of its own.
pub(crate) async fn accept_all(shared: Arc<Shared>, accepted: mpsc::Sender<Accepted>) {
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
    pub(crate) async fn connect(
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
