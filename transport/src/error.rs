//! What can go wrong, in words that name the thing, the reason and the mend.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use quinn::{ConnectionError, TransportErrorCode, VarInt};

use crate::codec::DecodeError;
use crate::frame::FrameError;
use crate::identity::{Identity, IdentityError};
use crate::limits::Limits;
use crate::tls;

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The UDP socket was not opened.
    #[error(
        "UDP {address} cannot be opened: {source}; choose another port or end the process that holds it"
    )]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The certificate, key or authority is not usable.
    #[error(
        "the endpoint's credentials cannot be used: {0}; have the cluster's authority issue them again"
    )]
    Credentials(String),
    /// The endpoint's own certificate is no identity.
    #[error("the endpoint's certificate names no identity: {0}")]
    OwnIdentity(IdentityError),
    /// Limits that no endpoint can hold.
    #[error("the limit {name} cannot be {value}: {reason}")]
    Limits {
        /// Which of [`Limits`](crate::Limits).
        name: &'static str,
        /// What it was set to.
        value: u64,
        /// What it has to be.
        reason: &'static str,
    },
    /// No connection came about.
    #[error("no connection with {peer}: {reason}")]
    Connect {
        /// Whom it was to be with.
        peer: Peer,
        /// Why not.
        reason: CloseReason,
    },
    /// The connection is closed.
    #[error("the connection with {peer} is closed: {reason}; the message {sent}")]
    Closed {
        /// Whom it was with.
        peer: Peer,
        /// Why.
        reason: CloseReason,
        /// What became of the message.
        sent: Sent,
    },
    /// The peer took the ask and gave no answer.
    #[error("{peer} gave no answer: {reason}")]
    Refused {
        /// Who was asked.
        peer: Peer,
        /// The peer's reason.
        reason: String,
    },
    /// The peer ended a stream early.
    #[error("{peer} ended the stream: {reason}")]
    Aborted {
        /// Whose end it was.
        peer: Peer,
        /// The peer's reason.
        reason: String,
    },
    /// This side has finished the stream or ended it.
    #[error("nothing can be sent on a stream after its end")]
    Finished,
    /// The header is longer than [`header_bytes_max`](crate::Limits::header_bytes_max).
    #[error(
        "a header is longer than header_bytes_max, {limit} bytes; move what is large into the body"
    )]
    Header {
        /// The limit.
        limit: usize,
    },
    /// The body is longer than [`body_bytes_max`](crate::Limits::body_bytes_max).
    #[error(
        "a body of {length} bytes is longer than body_bytes_max, {limit}; send it in parts on a stream"
    )]
    Body {
        /// Its length.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// The message that opens a stream is longer than
    /// [`inline_bytes_max`](crate::Limits::inline_bytes_max).
    #[error(
        "an opening of {length} bytes is longer than inline_bytes_max, {limit}; send the rest as the \
         stream's next message"
    )]
    Opening {
        /// Its length.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// [`asks_in_flight_max`](crate::Limits::asks_in_flight_max) asks wait for answers.
    #[error(
        "{peer} has left {limit} asks (asks_in_flight_max) unanswered for {waited:?}; not sent, ask again when it \
         answers"
    )]
    AsksInFlight {
        /// Who was to be asked.
        peer: Peer,
        /// The limit.
        limit: usize,
        /// How long the ask waited.
        waited: Duration,
    },
    /// [`queued_bytes_max`](crate::Limits::queued_bytes_max) bytes wait to be sent.
    #[error(
        "{peer} has not read the {limit} bytes (queued_bytes_max) before this message for {waited:?}; not sent, send it \
         again when it reads"
    )]
    QueuedBytes {
        /// Whom it was for.
        peer: Peer,
        /// The limit.
        limit: usize,
        /// How long the message waited.
        waited: Duration,
    },
    /// [`long_messages_max`](crate::Limits::long_messages_max) long messages are under way.
    #[error(
        "{limit} long messages (long_messages_max) to {peer} have been under way for {waited:?}; not sent, send it again \
         when they are through"
    )]
    LongMessages {
        /// Whom it was for.
        peer: Peer,
        /// The limit.
        limit: u32,
        /// How long the message waited.
        waited: Duration,
    },
    /// [`streams_max`](crate::Limits::streams_max) streams are open.
    #[error(
        "{limit} streams (streams_max) with {peer} are open already; finish one or raise the limit"
    )]
    Streams {
        /// With whom.
        peer: Peer,
        /// The limit.
        limit: u32,
    },
    /// The header's `Encode` refused.
    #[error("a header cannot be encoded: {0}")]
    Encode(String),
    /// What arrived is not what was expected.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The environment gave no random bytes.
    #[error("no random bytes: {0}")]
    Random(#[source] io::Error),
}

impl Error {
    /// Whether the message certainly did not reach the peer, so that sending it again is safe even if
    /// it is not idempotent.
    pub fn certainly_not_sent(&self) -> bool {
        !matches!(
            self,
            Self::Closed {
                sent: Sent::Unknown,
                ..
            } | Self::Refused { .. }
                | Self::Aborted { .. }
                | Self::Decode(_)
        )
    }
}

/// What became of a message when its connection closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Nothing of it left this process.
    No,
    /// It may have reached the peer and may have been acted upon.
    Unknown,
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::No => "was not sent",
            Self::Unknown => "may have been received",
        })
    }
}

/// The other end, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Who it is, or who it was expected to be; `None` for one that has not shown a certificate.
    pub identity: Option<Identity>,
    /// Where it is.
    pub address: SocketAddr,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.identity {
            Some(identity) => write!(f, "{identity} ({})", self.address),
            None => write!(f, "a peer at {}", self.address),
        }
    }
}

/// Why there is no connection, or no longer one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// This side closed it.
    #[error("closed here: {0}")]
    Here(String),
    /// The peer closed it.
    #[error("closed by the peer: {0}")]
    Peer(String),
    /// The peer was silent for [`idle_time_max`](crate::Limits::idle_time_max).
    #[error(
        "the peer has been silent for longer than idle_time_max ({0:?}): it is gone, stopped or cut off"
    )]
    Silent(Duration),
    /// The peer was not heard from during [`handshake_time_max`](crate::Limits::handshake_time_max).
    #[error(
        "no handshake within handshake_time_max ({0:?}): nobody listens there, or the network drops datagrams"
    )]
    NoHandshake(Duration),
    /// The peer changed its mind during the handshake. Links do that to attempts that take long.
    #[error("the peer gave up before the handshake was complete")]
    Abandoned,
    /// The peer does not know the connection any more.
    #[error("the peer has restarted")]
    Restarted,
    /// TLS refused: certificate, authority, name, validity.
    #[error("the handshake failed: {0}")]
    Handshake(String),
    /// There is no version of the protocol that both speak.
    #[error(
        "no common protocol version: this side speaks {ours}, the peer {theirs}; update the older one"
    )]
    Version {
        /// Versions of this side.
        ours: String,
        /// Versions of the peer.
        theirs: String,
    },
    /// The peer's certificate names no identity.
    #[error("the peer's certificate names no identity: {0}")]
    Identity(IdentityError),
    /// The peer's bytes are not this protocol's.
    #[error("the peer sent what no peer may: {0}")]
    Malformed(FrameError),
    /// The peer went beyond a limit of this side.
    #[error("the peer went beyond {name} ({limit})")]
    Limit {
        /// Which.
        name: &'static str,
        /// Its value.
        limit: u64,
    },
    /// QUIC itself failed.
    #[error("QUIC: {0}")]
    Quic(String),
}

impl CloseReason {
    /// The reason behind QUIC's error.
    pub(crate) fn of(error: ConnectionError, limits: &Limits) -> Self {
        match error {
            ConnectionError::ApplicationClosed(close) => {
                let text = String::from_utf8_lossy(&close.reason).into_owned();
                match close.error_code {
                    code::VERSION => Self::Version {
                        ours: tls::our_versions(),
                        theirs: text,
                    },
                    _ if text.is_empty() => Self::Peer("without a reason".to_owned()),
                    _ => Self::Peer(text),
                }
            }
            ConnectionError::ConnectionClosed(close) if is_another_protocol(close.error_code) => {
                Self::another_protocol()
            }
            ConnectionError::TransportError(error) if is_another_protocol(error.code) => {
                Self::another_protocol()
            }
            ConnectionError::ConnectionClosed(close) if is_tls(close.error_code) => {
                Self::Handshake(format!(
                    "refused by the peer: {}",
                    String::from_utf8_lossy(&close.reason)
                ))
            }
            ConnectionError::TransportError(error) if is_tls(error.code) => {
                Self::Handshake(error.reason)
            }
            ConnectionError::ConnectionClosed(close)
                if close.error_code == TransportErrorCode::APPLICATION_ERROR =>
            {
                Self::Abandoned
            }
            ConnectionError::Reset => Self::Restarted,
            ConnectionError::TimedOut => Self::Silent(limits.idle_time_max),
            ConnectionError::LocallyClosed => Self::Here("the endpoint was closed".to_owned()),
            error => Self::Quic(error.to_string()),
        }
    }

    fn another_protocol() -> Self {
        let ours = tls::our_versions();
        Self::Handshake(format!(
            "this side speaks {ours}, the peer another protocol altogether"
        ))
    }
}

/// TLS's alert 120, no application protocol, as QUIC carries it (RFC 9001, section 8.1).
fn is_another_protocol(code: TransportErrorCode) -> bool {
    u64::from(code) == 0x178
}

/// Codes 0x100 to 0x1ff carry a TLS alert (RFC 9001, section 4.8).
fn is_tls(code: TransportErrorCode) -> bool {
    (0x100..0x200).contains(&u64::from(code))
}

/// Codes of QUIC's application close and of stream resets.
pub(crate) mod code {
    use super::VarInt;

    /// An orderly end.
    pub(crate) const DONE: VarInt = VarInt::from_u32(0);
    /// No common version; the reason holds the versions of the closing side.
    pub(crate) const VERSION: VarInt = VarInt::from_u32(1);
    /// The peer's certificate names no identity.
    pub(crate) const IDENTITY: VarInt = VarInt::from_u32(2);
    /// The peer's bytes cannot be read.
    pub(crate) const MALFORMED: VarInt = VarInt::from_u32(3);
    /// The peer went beyond a limit.
    pub(crate) const LIMIT: VarInt = VarInt::from_u32(4);
    /// A stream's end was dropped without being finished.
    pub(crate) const DROPPED: VarInt = VarInt::from_u32(5);
    /// A stream was ended early; the reason comes by an [`Abort`](crate::frame::Kind::Abort).
    pub(crate) const ABORTED: VarInt = VarInt::from_u32(6);
}
