//! A connection from its beginning to its end.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use quinn::VarInt;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::timeout;

use super::asks::{Unanswered, Waiting};
use crate::arriving::Arrival;
use crate::error::{CloseReason, Error, Peer, Sent};
use crate::identity::Identity;
use crate::lane::{Lane, purpose};
use crate::limits::Limits;
use crate::message::MessageId;
use crate::reading;

/// What the handles, the reader and the writer tasks of a connection share.
pub(crate) struct Inner {
    pub(crate) quic: quinn::Connection,
    pub(crate) identity: Identity,
    pub(crate) peer_origin: u64,
    pub(crate) limits: Arc<Limits>,
    pub(super) origin: u64,
    sequence: Arc<AtomicU64>,
    pub(crate) requests: Lane,
    pub(crate) answers: Lane,
    pub(super) asks: Arc<Semaphore>,
    pub(super) long: Arc<Semaphore>,
    pub(crate) streams: Arc<Semaphore>,
    pub(super) waiting: Mutex<Waiting>,
    /// Asks of the peer that this side has not answered.
    pub(crate) unanswered: AtomicUsize,
    /// Bytes that may still arrive before somebody takes what has.
    pub(crate) arrived_room: Arc<Semaphore>,
    arrivals: Mutex<Option<mpsc::UnboundedSender<Arrival>>>,
    pub(super) taken: tokio::sync::Mutex<mpsc::UnboundedReceiver<Arrival>>,
    /// Streams by the id of the message that opened them, for the reasons that end them.
    pub(crate) reasons: Mutex<BTreeMap<MessageId, watch::Sender<Option<String>>>>,
    pub(super) closed: OnceLock<CloseReason>,
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
        reading::start(&inner);
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

    /// Puts what has arrived where [`Connection::next`] takes it.
    pub(crate) fn arrived(&self, arrival: Arrival) {
        if let Some(arrivals) = &*self.arrivals.lock().unwrap_or_else(PoisonError::into_inner) {
            // The receiver lives as long as `self`.
            let _ = arrivals.send(arrival);
        }
    }
}
