//! A stream of messages of its own: a subscription, a session.

use std::collections::VecDeque;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use bincode::Encode;
use bytes::{Bytes, BytesMut};
use quinn::{ReadError, RecvStream, SendStream, VarInt, WriteError};
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::arriving;
use crate::connection::{Connection, Inner};
use crate::error::{Error, Sent, code};
use crate::frame::{Frame, FrameError, FrameLimits, Kind};
use crate::message::{Message, MessageId};
use crate::reading::{self, Unread};

/// How long the reason of an ended stream may come after its end.
const REASON_WAIT_MAX: Duration = Duration::from_secs(1);

/// A stream of messages, both ways, with back-pressure of its own: a receiver that does not read
/// stops the sender after [`Limits::stream_window_bytes`](crate::Limits::stream_window_bytes), and
/// nobody else.
///
/// Dropping a stream that is not finished ends it for the peer with an error.
#[derive(Debug)]
pub struct Stream {
    sender: StreamSender,
    receiver: StreamReceiver,
}

/// The half of a [`Stream`] that sends.
#[derive(Debug)]
pub struct StreamSender {
    shared: Arc<Shared>,
    stream: SendStream,
    /// What a dropped `send` left to write.
    unwritten: VecDeque<Bytes>,
    finished: bool,
}

/// The half of a [`Stream`] that receives.
#[derive(Debug)]
pub struct StreamReceiver {
    shared: Arc<Shared>,
    stream: RecvStream,
    buffer: BytesMut,
    ended: bool,
}

/// What both halves hold.
#[derive(Debug)]
struct Shared {
    connection: Connection,
    /// The message that opened the stream names it on both sides.
    id: MessageId,
    reason: watch::Receiver<Option<String>>,
    _slot: Option<OwnedSemaphorePermit>,
}

impl Stream {
    pub(crate) fn new(
        connection: Connection,
        id: MessageId,
        send: SendStream,
        receive: RecvStream,
        buffer: BytesMut,
        slot: Option<OwnedSemaphorePermit>,
    ) -> Self {
        let reason = connection.inner.expect_abort(id);
        let shared = Arc::new(Shared {
            connection,
            id,
            reason,
            _slot: slot,
        });
        Self {
            sender: StreamSender {
                shared: shared.clone(),
                stream: send,
                unwritten: VecDeque::new(),
                finished: false,
            },
            receiver: StreamReceiver {
                shared,
                stream: receive,
                buffer,
                ended: false,
            },
        }
    }

    /// The id of the message that opened the stream.
    pub fn id(&self) -> MessageId {
        self.sender.shared.id
    }

    /// The connection the stream belongs to.
    pub fn connection(&self) -> &Connection {
        &self.sender.shared.connection
    }

    /// See [`StreamSender::send`].
    ///
    /// # Errors
    /// As there.
    pub async fn send(
        &mut self,
        header: &impl Encode,
        body: Bytes,
        cause: Option<MessageId>,
    ) -> Result<MessageId, Error> {
        self.sender.send(header, body, cause).await
    }

    /// See [`StreamReceiver::recv`].
    ///
    /// # Errors
    /// As there.
    pub async fn recv(&mut self) -> Result<Option<Message>, Error> {
        self.receiver.recv().await
    }

    /// See [`StreamSender::finish`].
    ///
    /// # Errors
    /// As there.
    pub async fn finish(&mut self) -> Result<(), Error> {
        self.sender.finish().await
    }

    /// Ends both directions at once, with a reason for the peer. What the peer has not received yet is
    /// lost, even if it does not read.
    pub fn close(mut self, reason: &str) {
        self.sender.abort(reason);
        self.receiver.stop(code::ABORTED);
    }

    /// The two halves, for tasks of their own.
    pub fn split(self) -> (StreamSender, StreamReceiver) {
        (self.sender, self.receiver)
    }

    pub(crate) async fn write(&mut self, head: BytesMut, body: Bytes) -> Result<(), Error> {
        self.sender.write(head, body).await
    }
}

impl StreamSender {
    /// Sends a message, and returns when QUIC has taken it. If the future is dropped, the message
    /// leaves before the next one, or not at all.
    ///
    /// # Errors
    /// [`Error::Aborted`] with the peer's reason if it ended the stream, [`Error::Closed`] with the
    /// connection, [`Error::Finished`] after this side's end, and those for long headers and bodies.
    pub async fn send(
        &mut self,
        header: &impl Encode,
        body: Bytes,
        cause: Option<MessageId>,
    ) -> Result<MessageId, Error> {
        if self.finished {
            return Err(Error::Finished);
        }
        let inner = &self.shared.connection.inner;
        let id = inner.next_id();
        let head = inner.head(Kind::Item, id, cause, header, &body)?;
        self.write(head, body).await?;
        Ok(id)
    }

    /// Ends this direction in order: the peer receives everything and then the end.
    ///
    /// # Errors
    /// As [`StreamSender::send`].
    pub async fn finish(&mut self) -> Result<(), Error> {
        if self.finished {
            return Ok(());
        }
        self.flush().await?;
        self.finished = true;
        // A stream that is closed already has been closed by the peer or by the connection's end.
        let _ = self.stream.finish();
        Ok(())
    }

    /// Ends this direction at once, with a reason for the peer; see [`Stream::close`].
    pub fn close(mut self, reason: &str) {
        self.abort(reason);
    }

    fn abort(&mut self, reason: &str) {
        self.shared
            .connection
            .inner
            .send_reason(Kind::Abort, self.shared.id, reason);
        self.finished = true;
        let _ = self.stream.reset(code::ABORTED);
    }

    async fn write(&mut self, head: BytesMut, body: Bytes) -> Result<(), Error> {
        self.unwritten.push_back(head.freeze());
        if !body.is_empty() {
            self.unwritten.push_back(body);
        }
        self.flush().await
    }

    /// Writes what is left. A dropped future leaves the rest for the next call.
    async fn flush(&mut self) -> Result<(), Error> {
        while !self.unwritten.is_empty() {
            let chunks = self.unwritten.make_contiguous();
            match self.stream.write_chunks(chunks).await {
                Ok(written) => {
                    self.unwritten.drain(..written.chunks);
                }
                Err(error) => {
                    self.finished = true;
                    return Err(self.failed(error).await);
                }
            }
        }
        Ok(())
    }

    async fn failed(&self, error: WriteError) -> Error {
        match error {
            WriteError::Stopped(code) => self.shared.ended(code).await,
            WriteError::ClosedStream => Error::Finished,
            WriteError::ConnectionLost(_) | WriteError::ZeroRttRejected => {
                self.shared.connection.inner.closed_error(Sent::Unknown)
            }
        }
    }
}

impl Drop for StreamSender {
    fn drop(&mut self) {
        if !self.finished {
            // Without this, QUIC would end the stream as if everything had been sent.
            let _ = self.stream.reset(code::DROPPED);
        }
    }
}

impl StreamReceiver {
    /// Receives the next message; `None` when the peer has finished its direction. Nothing is lost if
    /// the future is dropped.
    ///
    /// # Errors
    /// [`Error::Aborted`] with the peer's reason if it ended the stream early, [`Error::Closed`] with
    /// the connection.
    pub async fn recv(&mut self) -> Result<Option<Message>, Error> {
        if self.ended {
            return Ok(None);
        }
        let inner = &self.shared.connection.inner;
        let limits = FrameLimits::own_stream(&inner.limits);
        let read = reading::read_frame(&mut self.stream, &mut self.buffer, limits).await;
        let frame = match read {
            Ok(Some(frame)) if frame.kind == Kind::Item => {
                return Ok(Some(arriving::message(frame)));
            }
            Ok(None) => {
                self.ended = true;
                return Ok(None);
            }
            Ok(Some(Frame { kind, .. })) => Unread::from(FrameError::Misplaced {
                kind,
                stream: "items",
            }),
            Err(unread) => unread,
        };
        self.ended = true;
        match frame {
            Unread::Ended(ReadError::Reset(code)) => Err(self.shared.ended(code).await),
            unread => {
                inner.unread(Err(unread));
                Err(inner.closed_error(Sent::Unknown))
            }
        }
    }

    fn stop(&mut self, code: VarInt) {
        if !self.ended {
            self.ended = true;
            let _ = self.stream.stop(code);
        }
    }
}

impl Drop for StreamReceiver {
    fn drop(&mut self) {
        self.stop(code::DROPPED);
    }
}

impl Shared {
    /// Why the peer ended the stream. The reason of an abort comes by another stream, so that it
    /// passes one that is full, and may come a little later.
    async fn ended(&self, code: VarInt) -> Error {
        let inner = &self.connection.inner;
        if code != code::ABORTED {
            let reason = "it dropped its end without finishing it".to_owned();
            return Error::Aborted {
                peer: inner.peer(),
                reason,
            };
        }
        let mut reason = self.reason.clone();
        let told = tokio::time::timeout(REASON_WAIT_MAX, reason.wait_for(Option::is_some)).await;
        match told {
            Ok(Ok(reason)) => {
                let reason = reason.clone().unwrap_or_default();
                Error::Aborted {
                    peer: inner.peer(),
                    reason,
                }
            }
            Ok(Err(_)) => inner.closed_error(Sent::Unknown),
            Err(_) => Error::Aborted {
                peer: inner.peer(),
                reason: "it gave no reason".to_owned(),
            },
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.connection.inner.aborts().remove(&self.id);
    }
}

impl Inner {
    pub(crate) fn aborts(
        &self,
    ) -> MutexGuard<'_, std::collections::BTreeMap<MessageId, watch::Sender<Option<String>>>> {
        self.reasons.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a place for the reason with which the peer may end the stream of that id.
    pub(crate) fn expect_abort(&self, id: MessageId) -> watch::Receiver<Option<String>> {
        self.aborts()
            .entry(id)
            .or_insert_with(|| watch::channel(None).0)
            .subscribe()
    }

    /// Takes the reason with which the peer ends a stream.
    pub(crate) fn abort_arrived(&self, frame: &Frame) {
        let sender = frame.cause.and_then(|id| self.aborts().get(&id).cloned());
        if let Some(sender) = sender {
            sender.send_replace(Some(String::from_utf8_lossy(&frame.body).into_owned()));
        }
    }
}
