//! A connection: asks, tells and streams, both ways.

mod asks;
mod life;
mod sending;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bincode::Encode;
use bytes::{Bytes, BytesMut};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::arriving::Incoming;
use crate::endpoint::EndpointGuard;
use crate::error::{CloseReason, Error, Sent, code};
use crate::frame::{self, Kind};
use crate::identity::Identity;
use crate::message::{MessageId, Reply};
use crate::stream::Stream;

use asks::{Ask, Unanswered};
pub(crate) use life::{Beginning, Inner};

/// How long [`Connection::finish`] waits for the peer.
const FINISH_TIME_MAX: Duration = Duration::from_millis(500);

/// A live connection with a verified peer. Clones are handles to the same one; when the last handle is
/// gone (streams and responders count), the connection closes.
///
/// Both sides are alike: who connected matters no more once the connection is there.
#[derive(Clone, Debug)]
pub struct Connection {
    pub(crate) inner: Arc<Inner>,
    _guard: Arc<Guard>,
}

/// Closes the connection when the last handle goes, and keeps the endpoint until then.
#[derive(Debug)]
struct Guard {
    inner: Arc<Inner>,
    _endpoint: Arc<EndpointGuard>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.inner.close(
            code::DONE,
            CloseReason::Here("every handle was dropped".to_owned()),
        );
    }
}

impl Connection {
    pub(crate) fn new(inner: Arc<Inner>, endpoint: Arc<EndpointGuard>) -> Self {
        let guard = Guard {
            inner: inner.clone(),
            _endpoint: endpoint,
        };
        Self {
            inner,
            _guard: Arc::new(guard),
        }
    }

    /// Who the peer is, as its certificate proves.
    pub fn identity(&self) -> &Identity {
        &self.inner.identity
    }

    /// The peer's incarnation: the origin of the ids of its messages. It differs after a restart.
    pub fn peer_origin(&self) -> u64 {
        self.inner.peer_origin
    }

    /// Whether this is a handle to the same connection.
    pub fn is(&self, other: &Connection) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// Where the peer is.
    pub fn peer_address(&self) -> SocketAddr {
        self.inner.quic.remote_address()
    }

    /// Sends an ask and waits for its answer. `cause` is the message because of which it is sent.
    ///
    /// Asks reach the peer in the order of the calls, except long ones (see
    /// [`inline_bytes_max`](crate::Limits::inline_bytes_max)); answers come in any order. Dropping the future gives up the
    /// answer, not the ask. An ask is sent at most once.
    ///
    /// # Errors
    /// [`Error::Refused`] if the peer gives no answer, [`Error::Closed`] if the connection ends before
    /// it does, [`Error::Header`] and [`Error::Body`] for a message that is too long,
    /// [`Error::AsksInFlight`], [`Error::QueuedBytes`] or [`Error::LongMessages`] if there is no room
    /// for [`room_wait_max`](crate::Limits::room_wait_max).
    pub async fn ask(
        &self,
        header: &impl Encode,
        body: Bytes,
        cause: Option<MessageId>,
    ) -> Result<Reply, Error> {
        let inner = &self.inner;
        let id = inner.next_id();
        let head = inner.head(Kind::Ask, id, cause, header, &body)?;
        let slot = inner.slot().await?;
        let (answer, answered) = oneshot::channel();
        if inner.fits_inline(&head, &body) {
            let cost = inner.room(&inner.requests, &head, &body).await?;
            let mut waiting = inner.waiting();
            let number = inner
                .requests
                .push(cost, &head, &body)
                .filter(|_| !waiting.closed);
            let number = Some(number.ok_or_else(|| inner.closed_error(Sent::No))?);
            waiting.asks.insert(
                id.sequence,
                Ask {
                    answer,
                    number,
                    _slot: slot,
                },
            );
        } else {
            let (room, stream) = inner.long_room().await?;
            {
                let mut waiting = inner.waiting();
                if waiting.closed {
                    return Err(inner.closed_error(Sent::No));
                }
                waiting.asks.insert(
                    id.sequence,
                    Ask {
                        answer,
                        number: None,
                        _slot: slot,
                    },
                );
            }
            // The connection's end fails the ask if the write does.
            drop(inner.write_long(room, stream, head, body));
        }
        match answered.await {
            Ok(Ok(frame)) => Ok(Reply {
                id: frame.id,
                ask: id,
                header: frame.header,
                body: frame.body,
            }),
            Ok(Err(Unanswered::Refused(reason))) => Err(Error::Refused {
                peer: inner.peer(),
                reason,
            }),
            Ok(Err(Unanswered::Closed(sent))) => Err(inner.closed_error(sent)),
            Err(_) => Err(inner.closed_error(Sent::Unknown)),
        }
    }

    /// Sends a message that wants no answer, and returns when it is queued. It reaches the peer in
    /// order with this side's other tells and asks, unless it is long, and not at all if the
    /// connection breaks.
    ///
    /// # Errors
    /// As [`Connection::ask`], but for answers.
    pub async fn tell(
        &self,
        header: &impl Encode,
        body: Bytes,
        cause: Option<MessageId>,
    ) -> Result<MessageId, Error> {
        let inner = &self.inner;
        let id = inner.next_id();
        let head = inner.head(Kind::Tell, id, cause, header, &body)?;
        inner.send(&inner.requests, head, body).await?;
        Ok(id)
    }

    /// Opens a stream of messages of its own, for a subscription or a session. The message given
    /// here is the first one the peer sees.
    ///
    /// # Errors
    /// [`Error::Streams`] if [`streams_max`](crate::Limits::streams_max) are open, [`Error::Opening`] for more than
    /// [`inline_bytes_max`](crate::Limits::inline_bytes_max), else as [`Connection::tell`].
    pub async fn open(
        &self,
        header: &impl Encode,
        body: Bytes,
        cause: Option<MessageId>,
    ) -> Result<Stream, Error> {
        let inner = &self.inner;
        let id = inner.next_id();
        let head = inner.head(Kind::Open, id, cause, header, &body)?;
        if !inner.fits_inline(&head, &body) {
            return Err(Error::Opening {
                length: head.len() - frame::PREFIX_BYTES + body.len(),
                limit: inner.limits.inline_bytes_max,
            });
        }
        let slot =
            inner
                .streams
                .clone()
                .try_acquire_owned()
                .map_err(|_| match inner.closed.get() {
                    Some(_) => inner.closed_error(Sent::No),
                    None => Error::Streams {
                        peer: inner.peer(),
                        limit: inner.limits.streams_max,
                    },
                })?;
        // A stream counts for QUIC until the peer has ended its direction, too.
        let (send, receive) = timeout(inner.limits.room_wait_max, inner.quic.open_bi())
            .await
            .map_err(|_| Error::Streams {
                peer: inner.peer(),
                limit: inner.limits.streams_max,
            })?
            .map_err(|_| inner.closed_error(Sent::No))?;
        let mut stream = Stream::new(self.clone(), id, send, receive, BytesMut::new(), Some(slot));
        stream.write(head, body).await?;
        Ok(stream)
    }

    /// Waits for the next thing the peer sends: an ask, a tell, a stream, the end.
    ///
    /// Nothing is lost if the future is dropped. A peer whose asks and tells are not taken is not
    /// read beyond [`arrived_bytes_max`](crate::Limits::arrived_bytes_max).
    pub async fn next(&self) -> Incoming {
        let arrival = self.inner.taken.lock().await.recv().await;
        match arrival {
            Some(arrival) => arrival.into_incoming(self),
            None => Incoming::Closed(self.inner.reason()),
        }
    }

    /// Closes the connection at once, with a reason for the peer. What is queued is lost, and asks
    /// without an answer fail, on both sides.
    pub fn close(&self, reason: &str) {
        self.inner
            .close(code::DONE, CloseReason::Here(reason.to_owned()));
    }

    /// Closes the connection when the peer has received the asks, tells and answers that are queued, or
    /// after half a second. Nothing can be asked, told or answered meanwhile.
    pub async fn finish(&self, reason: &str) {
        let inner = &self.inner;
        let sent = async {
            tokio::join!(inner.requests.finish(), inner.answers.finish());
        };
        // A peer that does not read has been given its time.
        let _ = timeout(FINISH_TIME_MAX, sent).await;
        self.close(reason);
    }

    /// Waits for the connection's end.
    pub async fn closed(&self) -> CloseReason {
        self.inner.quic.closed().await;
        self.inner.reason()
    }

    /// Whether the connection has ended, and why.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.inner.closed.get().cloned()
    }
}
