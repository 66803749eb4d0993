//! What the peer sends, as its receiver gets it.

use std::sync::atomic::Ordering;

use bincode::Encode;
use bytes::{Bytes, BytesMut};
use quinn::{RecvStream, SendStream};
use tokio::sync::OwnedSemaphorePermit;

use crate::connection::Connection;
use crate::error::{CloseReason, Error};
use crate::frame::{Frame, Kind};
use crate::message::{Message, MessageId};
use crate::stream::Stream;

/// The next thing from the peer.
#[derive(Debug)]
pub enum Incoming {
    /// A message that wants an answer.
    Ask(Message, Responder),
    /// A message that wants none.
    Tell(Message),
    /// A stream, with the message that says what it is about.
    Open(Message, Stream),
    /// The connection has ended; nothing comes after this.
    Closed(CloseReason),
}

/// The right and duty to answer one ask. Dropped unused, it tells the asker that there will be no
/// answer.
#[derive(Debug)]
pub struct Responder {
    connection: Connection,
    ask: MessageId,
    answered: bool,
}

impl Responder {
    /// Answers the ask, and returns when the answer is queued.
    ///
    /// # Errors
    /// As [`Connection::tell`]. The asker is told that it gets no answer if this one could not be sent.
    pub async fn answer(mut self, header: &impl Encode, body: Bytes) -> Result<MessageId, Error> {
        let inner = &self.connection.inner;
        let id = inner.next_id();
        let head = inner.head(Kind::Answer, id, Some(self.ask), header, &body)?;
        self.answered = true;
        inner.unanswered.fetch_sub(1, Ordering::Relaxed);
        match inner.send(&inner.answers, head, body).await {
            Ok(()) => Ok(id),
            Err(error) => {
                if error.certainly_not_sent() {
                    inner.send_reason(Kind::Refusal, self.ask, "the answer could not be sent");
                }
                Err(error)
            }
        }
    }

    /// Tells the asker that it gets no answer, and why.
    pub fn refuse(mut self, reason: &str) {
        self.end(reason);
    }

    /// The ask's id, which is the cause of the answer.
    pub fn ask(&self) -> MessageId {
        self.ask
    }

    /// The connection by which the ask came.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    fn end(&mut self, reason: &str) {
        if !self.answered {
            self.answered = true;
            self.connection
                .inner
                .unanswered
                .fetch_sub(1, Ordering::Relaxed);
            self.connection
                .inner
                .send_reason(Kind::Refusal, self.ask, reason);
        }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.end("it dropped the ask without an answer");
    }
}

/// What waits for [`Connection::next`]. It holds no handle of the connection, which would otherwise
/// keep itself alive.
pub(crate) enum Arrival {
    Message {
        frame: Frame,
        _room: OwnedSemaphorePermit,
    },
    Stream {
        frame: Frame,
        send: SendStream,
        receive: RecvStream,
        buffer: BytesMut,
        _room: OwnedSemaphorePermit,
    },
}

impl Arrival {
    pub(crate) fn into_incoming(self, connection: &Connection) -> Incoming {
        match self {
            Self::Message { frame, .. } => {
                let kind = frame.kind;
                let message = message(frame);
                match kind {
                    Kind::Ask => {
                        let responder = Responder {
                            connection: connection.clone(),
                            ask: message.id,
                            answered: false,
                        };
                        Incoming::Ask(message, responder)
                    }
                    _ => Incoming::Tell(message),
                }
            }
            Self::Stream {
                frame,
                send,
                receive,
                buffer,
                ..
            } => {
                let stream = Stream::new(connection.clone(), frame.id, send, receive, buffer, None);
                Incoming::Open(message(frame), stream)
            }
        }
    }
}

pub(crate) fn message(frame: Frame) -> Message {
    Message {
        id: frame.id,
        cause: frame.cause,
        header: frame.header,
        body: frame.body,
    }
}
