//! A connection: asks, tells and streams, both ways.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bincode::Encode;
use bytes::{Bytes, BytesMut};
use quinn::{SendStream, VarInt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::arriving::{self, Arrival, Incoming};
use crate::codec::EncodeError;
use crate::endpoint::EndpointGuard;
use crate::error::{CloseReason, Error, Peer, Sent, code};
use crate::frame::{self, Frame, Kind};
use crate::identity::Identity;
use crate::lane::{Lane, NoRoom, purpose};
use crate::limits::Limits;
use crate::message::{MessageId, Reply};
use crate::stream::Stream;

/// Bytes of a reason that the peer is told; longer ones are cut.
const REASON_BYTES_MAX: usize = 1024;

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

/// What the handles, the reader and the writer tasks of a connection share.
pub(crate) struct Inner {
    pub(crate) quic: quinn::Connection,
    pub(crate) identity: Identity,
    pub(crate) peer_origin: u64,
    pub(crate) limits: Arc<Limits>,
    origin: u64,
    sequence: Arc<AtomicU64>,
    pub(crate) requests: Lane,
    pub(crate) answers: Lane,
    asks: Arc<Semaphore>,
    long: Arc<Semaphore>,
    pub(crate) streams: Arc<Semaphore>,
    waiting: Mutex<Waiting>,
    /// Asks of the peer that this side has not answered.
    pub(crate) unanswered: AtomicUsize,
    /// Bytes that may still arrive before somebody takes what has.
    pub(crate) arrived_room: Arc<Semaphore>,
    arrivals: Mutex<Option<mpsc::UnboundedSender<Arrival>>>,
    taken: tokio::sync::Mutex<mpsc::UnboundedReceiver<Arrival>>,
    /// Streams by the id of the message that opened them, for the reasons that end them.
    pub(crate) reasons: Mutex<BTreeMap<MessageId, watch::Sender<Option<String>>>>,
    closed: OnceLock<CloseReason>,
}

/// Asks that have no answer yet.
#[derive(Default)]
struct Waiting {
    asks: BTreeMap<u64, Ask>,
    closed: bool,
}

/// One ask. It keeps its slot until it is answered, even if the asker has given up: the peer still
/// works on it.
struct Ask {
    answer: oneshot::Sender<Result<Frame, Unanswered>>,
    /// Its number on the lane; `None` for one on a stream of its own.
    number: Option<u64>,
    _slot: OwnedSemaphorePermit,
}

/// Why an ask has no answer.
enum Unanswered {
    Refused(String),
    Closed(Sent),
}

/// What the connection begins with, agreed in the handshake.
pub(crate) struct Beginning {
    pub(crate) quic: quinn::Connection,
    pub(crate) identity: Identity,
    pub(crate) origin: u64,
    pub(crate) peer_origin: u64,
    pub(crate) sequence: Arc<AtomicU64>,
    pub(crate) limits: Arc<Limits>,
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

    /// Where the peer is.
    pub fn peer_address(&self) -> SocketAddr {
        self.inner.quic.remote_address()
    }

    /// Sends an ask and waits for its answer. `cause` is the message because of which it is sent.
    ///
    /// Asks reach the peer in the order of the calls, except long ones (see
    /// [`Limits::inline_bytes_max`]); answers come in any order. Dropping the future gives up the
    /// answer, not the ask. An ask is sent at most once.
    ///
    /// # Errors
    /// [`Error::Refused`] if the peer gives no answer, [`Error::Closed`] if the connection ends before
    /// it does, [`Error::Header`] and [`Error::Body`] for a message that is too long,
    /// [`Error::AsksInFlight`], [`Error::QueuedBytes`] or [`Error::LongMessages`] if there is no room
    /// for [`Limits::room_wait_max`].
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
    /// [`Error::Streams`] if [`Limits::streams_max`] are open, else as [`Connection::tell`].
    pub async fn open(
        &self,
        header: &impl Encode,
        body: Bytes,
        cause: Option<MessageId>,
    ) -> Result<Stream, Error> {
        let inner = &self.inner;
        let id = inner.next_id();
        let head = inner.head(Kind::Open, id, cause, header, &body)?;
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
    /// read beyond [`Limits::arrived_bytes_max`].
    pub async fn next(&self) -> Incoming {
        let arrival = self.inner.taken.lock().await.recv().await;
        match arrival {
            Some(arrival) => arrival.into_incoming(self),
            None => Incoming::Closed(self.inner.reason()),
        }
    }

    /// Closes the connection with a reason for the peer. Asks without an answer fail, on both sides.
    pub fn close(&self, reason: &str) {
        self.inner
            .close(code::DONE, CloseReason::Here(reason.to_owned()));
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

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("peer", &self.peer())
            .field("closed", &self.closed.get())
            .finish()
    }
}

impl Inner {
    /// Asks the peer for a sign of life whenever it has been silent for
    /// [`heartbeat_interval`](Limits::heartbeat_interval), and more often as long as none comes: a peer
    /// that has restarted answers with a reset as soon as it is up again, where QUIC's own repetitions
    /// would come at doubling intervals.
    pub(crate) async fn keep_alive(self: Arc<Self>) {
        let quiet = self.limits.heartbeat_interval;
        let (mut heard, mut pace) = (0, quiet);
        while timeout(pace, self.quic.closed()).await.is_err() {
            let hears = self.quic.stats().udp_rx.datagrams;
            if hears == heard {
                pace = quiet / 5;
                // A peer that takes no datagrams, or a full queue: then there are signs of life enough.
                let _ = self.quic.send_datagram(Bytes::from_static(&[0]));
            } else {
                pace = quiet;
            }
            heard = hears;
        }
    }

    /// Starts the tasks that read and write.
    pub(crate) fn start(beginning: Beginning) -> Arc<Self> {
        let Beginning {
            quic,
            identity,
            origin,
            peer_origin,
            sequence,
            limits,
        } = beginning;
        let (arrivals, taken) = mpsc::unbounded_channel();
        let inner = Arc::new(Self {
            requests: Lane::new(limits.queued_bytes_max),
            answers: Lane::new(limits.queued_bytes_max),
            asks: Arc::new(Semaphore::new(limits.asks_in_flight_max)),
            long: Arc::new(Semaphore::new(limits.long_messages_max as usize)),
            streams: Arc::new(Semaphore::new(limits.streams_max as usize)),
            waiting: Mutex::default(),
            unanswered: AtomicUsize::new(0),
            arrived_room: Arc::new(Semaphore::new(limits.arrived_bytes_max)),
            arrivals: Mutex::new(Some(arrivals)),
            taken: tokio::sync::Mutex::new(taken),
            reasons: Mutex::default(),
            closed: OnceLock::new(),
            quic,
            identity,
            peer_origin,
            limits,
            origin,
            sequence,
        });
        for (lane, purpose) in [
            (Self::requests as fn(&Self) -> &Lane, purpose::REQUESTS),
            (Self::answers, purpose::ANSWERS),
        ] {
            let inner = inner.clone();
            tokio::spawn(async move {
                if let Err(error) = lane(&inner).write(&inner.quic, purpose).await {
                    tracing::debug!(peer = %inner.peer(), %error, "a long-lived stream ended");
                }
            });
        }
        arriving::start(&inner);
        let ended = inner.clone();
        tokio::spawn(async move {
            let error = ended.quic.closed().await;
            ended.end(CloseReason::of(error, &ended.limits));
        });
        inner
    }

    fn requests(&self) -> &Lane {
        &self.requests
    }

    fn answers(&self) -> &Lane {
        &self.answers
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn peer(&self) -> Peer {
        Peer {
            identity: Some(self.identity.clone()),
            address: self.quic.remote_address(),
        }
    }

    pub(crate) fn next_id(&self) -> MessageId {
        MessageId {
            origin: self.origin,
            sequence: self.sequence.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Why the connection ended.
    pub(crate) fn reason(&self) -> CloseReason {
        match (self.closed.get(), self.quic.close_reason()) {
            (Some(reason), _) => reason.clone(),
            (None, Some(error)) => CloseReason::of(error, &self.limits),
            (None, None) => CloseReason::Here("closing".to_owned()),
        }
    }

    pub(crate) fn closed_error(&self, sent: Sent) -> Error {
        Error::Closed {
            peer: self.peer(),
            reason: self.reason(),
            sent,
        }
    }

    /// Closes the connection from this side.
    pub(crate) fn close(&self, code: VarInt, reason: CloseReason) {
        let text = match &reason {
            CloseReason::Here(text) => text.clone(),
            reason => reason.to_string(),
        };
        self.end(reason);
        self.quic.close(code, text.as_bytes());
    }

    /// Fails everything that waits. Only the first reason counts.
    fn end(&self, reason: CloseReason) {
        if self.closed.set(reason).is_err() {
            return;
        }
        let asks = {
            let mut waiting = self.waiting();
            waiting.closed = true;
            std::mem::take(&mut waiting.asks)
        };
        for ask in asks.into_values() {
            let sent = match ask.number {
                Some(number) if !self.requests.handed(number) => Sent::No,
                _ => Sent::Unknown,
            };
            // The asker may have given up.
            let _ = ask.answer.send(Err(Unanswered::Closed(sent)));
        }
        self.requests.close();
        self.answers.close();
        self.asks.close();
        self.long.close();
        self.streams.close();
        self.arrived_room.close();
        self.arrivals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        self.aborts().clear();
    }

    /// Encodes all of a message but its body, within the limits.
    pub(crate) fn head(
        &self,
        kind: Kind,
        id: MessageId,
        cause: Option<MessageId>,
        header: &impl Encode,
        body: &Bytes,
    ) -> Result<BytesMut, Error> {
        let limits = &self.limits;
        if body.len() > limits.body_bytes_max {
            return Err(Error::Body {
                length: body.len(),
                limit: limits.body_bytes_max,
            });
        }
        frame::encode_head(kind, id, cause, header, limits.header_bytes_max, body.len()).map_err(
            |error| match error {
                EncodeError::TooLong => Error::Header {
                    limit: limits.header_bytes_max,
                },
                EncodeError::Refused(reason) => Error::Encode(reason),
            },
        )
    }

    fn fits_inline(&self, head: &[u8], body: &Bytes) -> bool {
        head.len() - frame::PREFIX_BYTES + body.len() <= self.limits.inline_bytes_max
    }

    /// Sends a frame by a lane, or by a stream of its own if it is long.
    pub(crate) async fn send(&self, lane: &Lane, head: BytesMut, body: Bytes) -> Result<(), Error> {
        if self.fits_inline(&head, &body) {
            let cost = self.room(lane, &head, &body).await?;
            lane.push(cost, &head, &body)
                .map(drop)
                .ok_or_else(|| self.closed_error(Sent::No))
        } else {
            let (room, stream) = self.long_room().await?;
            match self.write_long(room, stream, head, body).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) | Err(_) => Err(self.closed_error(Sent::Unknown)),
            }
        }
    }

    async fn room(&self, lane: &Lane, head: &[u8], body: &Bytes) -> Result<usize, Error> {
        lane.room(head.len() + body.len(), self.limits.room_wait_max)
            .await
            .map_err(|no_room| {
                self.no_room(no_room, |peer, waited| Error::QueuedBytes {
                    peer,
                    limit: self.limits.queued_bytes_max,
                    waited,
                })
            })
    }

    async fn slot(&self) -> Result<OwnedSemaphorePermit, Error> {
        take(&self.asks, self.limits.room_wait_max)
            .await
            .map_err(|no_room| {
                self.no_room(no_room, |peer, waited| Error::AsksInFlight {
                    peer,
                    limit: self.limits.asks_in_flight_max,
                    waited,
                })
            })
    }

    /// Waits until a long message may be sent, and opens its stream.
    async fn long_room(&self) -> Result<(OwnedSemaphorePermit, SendStream), Error> {
        let wait_max = self.limits.room_wait_max;
        let room = async {
            let room = take(&self.long, wait_max).await?;
            match timeout(wait_max, self.quic.open_uni()).await {
                Ok(stream) => Ok((room, stream.map_err(|_| NoRoom::Closed)?)),
                Err(_) => Err(NoRoom::Waited),
            }
        };
        room.await.map_err(|no_room| {
            self.no_room(no_room, |peer, waited| Error::LongMessages {
                peer,
                limit: self.limits.long_messages_max,
                waited,
            })
        })
    }

    fn no_room(&self, no_room: NoRoom, waited: impl FnOnce(Peer, Duration) -> Error) -> Error {
        match no_room {
            NoRoom::Closed => self.closed_error(Sent::No),
            NoRoom::Waited => waited(self.peer(), self.limits.room_wait_max),
        }
    }

    /// Writes a long message on a stream of its own, to its end even if nobody waits for that: a
    /// message cut short by its sender would end the connection.
    fn write_long(
        &self,
        room: OwnedSemaphorePermit,
        mut stream: SendStream,
        head: BytesMut,
        body: Bytes,
    ) -> JoinHandle<Result<(), quinn::WriteError>> {
        tokio::spawn(async move {
            stream.write_all(&[purpose::LONG]).await?;
            stream.write_all_chunks(&mut [head.freeze(), body]).await?;
            // A stream that is already closed has been closed by the connection's end.
            let _ = stream.finish();
            drop(room);
            Ok(())
        })
    }

    /// Queues why there is no answer to an ask, or no more of a stream. It is short, and there is at most
    /// one for each of them, so it needs no room.
    pub(crate) fn send_reason(&self, kind: Kind, about: MessageId, reason: &str) {
        let body = Bytes::copy_from_slice(
            &reason.as_bytes()[..reason.floor_char_boundary(REASON_BYTES_MAX)],
        );
        if let Ok(head) = self.head(kind, self.next_id(), Some(about), &(), &body) {
            // A closed connection has told the peer already.
            let _ = self.answers.push(0, &head, &body);
        }
    }

    /// Gives an answer or a refusal to its asker. `false` if no ask waits for it.
    pub(crate) fn answered(&self, frame: Frame) -> bool {
        let ask = match frame.cause {
            Some(cause) if cause.origin == self.origin => {
                self.waiting().asks.remove(&cause.sequence)
            }
            _ => None,
        };
        let Some(ask) = ask else {
            return false;
        };
        let answer = match frame.kind {
            Kind::Refusal => Err(Unanswered::Refused(
                String::from_utf8_lossy(&frame.body).into_owned(),
            )),
            _ => Ok(frame),
        };
        // The asker may have given up.
        let _ = ask.answer.send(answer);
        true
    }

    /// Puts what has arrived where [`Connection::next`] takes it.
    pub(crate) fn arrived(&self, arrival: Arrival) {
        if let Some(arrivals) = &*self.arrivals.lock().unwrap_or_else(PoisonError::into_inner) {
            // The receiver lives as long as `self`.
            let _ = arrivals.send(arrival);
        }
    }
}

/// Takes one permit that its holder gives back.
async fn take(
    semaphore: &Arc<Semaphore>,
    wait_max: Duration,
) -> Result<OwnedSemaphorePermit, NoRoom> {
    if let Ok(permit) = semaphore.clone().try_acquire_owned() {
        return Ok(permit);
    }
    match timeout(wait_max, semaphore.clone().acquire_owned()).await {
        Ok(permit) => permit.map_err(|_| NoRoom::Closed),
        Err(_) => Err(NoRoom::Waited),
    }
}
