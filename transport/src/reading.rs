//! Reading the peer's streams.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::BytesMut;
use quinn::{ReadError, RecvStream, SendStream};
use tokio::sync::{AcquireError, OwnedSemaphorePermit};

use crate::arriving::Arrival;
use crate::connection::Inner;
use crate::error::{CloseReason, code};
use crate::frame::{self, Frame, FrameError, FrameLimits, Kind, Prefix};
use crate::lane::purpose;

/// Bytes taken from QUIC at a time, at most.
const CHUNK_BYTES_MAX: usize = 64 << 10;

/// Why a stream is not read any further.
pub(crate) enum Unread {
    /// The peer's bytes are not this protocol's.
    Malformed(FrameError),
    /// The peer has more asks unanswered than it may.
    Asks,
    /// QUIC ended the stream, or the connection.
    Ended(ReadError),
    /// The connection is closed.
    Closed,
}

impl From<FrameError> for Unread {
    fn from(error: FrameError) -> Self {
        Self::Malformed(error)
    }
}

impl From<ReadError> for Unread {
    fn from(error: ReadError) -> Self {
        Self::Ended(error)
    }
}

impl From<AcquireError> for Unread {
    fn from(_: AcquireError) -> Self {
        Self::Closed
    }
}

/// Starts the tasks that read what the peer sends.
pub(crate) fn start(inner: &Arc<Inner>) {
    let unidirectional = inner.clone();
    tokio::spawn(async move {
        while let Ok(stream) = unidirectional.quic.accept_uni().await {
            let inner = unidirectional.clone();
            tokio::spawn(async move {
                let end = match inner.read_unidirectional(stream).await {
                    // Whoever waits for the rest of it would wait for ever.
                    Err(Unread::Ended(ReadError::Reset(_))) => {
                        Err(FrameError::Cut { missing: 1 }.into())
                    }
                    end => end,
                };
                inner.unread(end);
            });
        }
    });
    let bidirectional = inner.clone();
    tokio::spawn(async move {
        while let Ok((send, receive)) = bidirectional.quic.accept_bi().await {
            let inner = bidirectional.clone();
            tokio::spawn(async move {
                let end = inner.read_opening(send, receive).await;
                inner.unread(end);
            });
        }
    });
}

/// Reads the next frame of a stream; `None` at its orderly end. Nothing is lost if the future is
/// dropped: what was read is in `buffer`.
pub(crate) async fn read_frame(
    stream: &mut RecvStream,
    buffer: &mut BytesMut,
    limits: FrameLimits,
) -> Result<Option<Frame>, Unread> {
    loop {
        if let Some(frame) = frame::take(buffer, limits)? {
            return Ok(Some(frame));
        }
        if !read_more(stream, buffer, limits).await? {
            return Ok(None);
        }
    }
}

/// Reads some more bytes of a stream; `false` at its end between two frames.
async fn read_more(
    stream: &mut RecvStream,
    buffer: &mut BytesMut,
    limits: FrameLimits,
) -> Result<bool, Unread> {
    match stream.read_chunk(CHUNK_BYTES_MAX, true).await? {
        Some(chunk) => {
            if buffer.is_empty() && buffer.capacity() > CHUNK_BYTES_MAX {
                // The room of a long message is not kept for the short ones after it.
                *buffer = BytesMut::new();
            }
            buffer.extend_from_slice(&chunk.bytes);
            Ok(true)
        }
        None if buffer.is_empty() => Ok(false),
        None => {
            let missing = Prefix::read(buffer, limits)?
                .map_or(frame::PREFIX_BYTES, |prefix| prefix.frame_bytes())
                .saturating_sub(buffer.len());
            Err(FrameError::Cut { missing }.into())
        }
    }
}

impl Inner {
    /// Closes the connection over what the peer did, if it did what no peer may.
    pub(crate) fn unread(&self, end: Result<(), Unread>) {
        match end {
            Err(Unread::Malformed(error)) => {
                self.close(code::MALFORMED, CloseReason::Malformed(error))
            }
            Err(Unread::Asks) => {
                let limit = self.limits.asks_in_flight_max as u64;
                self.close(
                    code::LIMIT,
                    CloseReason::Limit {
                        name: "asks_in_flight_max",
                        limit,
                    },
                );
            }
            // The connection's own end is told by the connection; a reset concerns this stream only.
            Err(Unread::Ended(_) | Unread::Closed) | Ok(()) => {}
        }
    }

    async fn read_unidirectional(self: &Arc<Self>, mut stream: RecvStream) -> Result<(), Unread> {
        let mut purpose = [0];
        match stream.read(&mut purpose).await? {
            Some(1) => {}
            _ => return Ok(()),
        }
        match purpose[0] {
            purpose::REQUESTS => self.read_requests(stream).await,
            purpose::ANSWERS => self.read_answers(stream).await,
            purpose::LONG => self.read_long(stream).await,
            _ => Err(FrameError::Purpose(purpose[0]).into()),
        }
    }

    async fn read_requests(self: &Arc<Self>, mut stream: RecvStream) -> Result<(), Unread> {
        let mut buffer = BytesMut::new();
        let limits = FrameLimits::inline(&self.limits);
        while let Some(frame) = read_frame(&mut stream, &mut buffer, limits).await? {
            let room = self
                .request_room(frame.kind, frame.wire_bytes(), "requests")
                .await?;
            self.arrived(Arrival::Message { frame, _room: room });
        }
        Ok(())
    }

    async fn read_answers(self: &Arc<Self>, mut stream: RecvStream) -> Result<(), Unread> {
        let mut buffer = BytesMut::new();
        let limits = FrameLimits::inline(&self.limits);
        while let Some(frame) = read_frame(&mut stream, &mut buffer, limits).await? {
            match frame.kind {
                Kind::Answer | Kind::Refusal => self.take_answer(frame)?,
                Kind::Abort => self.abort_arrived(&frame),
                kind => {
                    return Err(FrameError::Misplaced {
                        kind,
                        stream: "answers",
                    }
                    .into());
                }
            }
        }
        Ok(())
    }

    /// Reads one long message. A request is read no further than its prefix until there is room for
    /// all of it; an answer always has the room that its ask took.
    async fn read_long(self: &Arc<Self>, mut stream: RecvStream) -> Result<(), Unread> {
        let mut buffer = BytesMut::new();
        let limits = FrameLimits::own_stream(&self.limits);
        let prefix = loop {
            if let Some(prefix) = Prefix::read(&buffer, limits)? {
                break prefix;
            }
            if !read_more(&mut stream, &mut buffer, limits).await? {
                let missing = frame::PREFIX_BYTES;
                return Err(FrameError::Cut { missing }.into());
            }
        };
        let room = match prefix.kind {
            Kind::Answer | Kind::Refusal => None,
            kind => Some(
                self.request_room(kind, prefix.frame_bytes(), "one long message")
                    .await?,
            ),
        };
        while buffer.len() < prefix.frame_bytes() {
            read_more(&mut stream, &mut buffer, limits).await?;
        }
        if buffer.len() > prefix.frame_bytes() {
            return Err(FrameError::Trailing(buffer.len() - prefix.frame_bytes()).into());
        }
        let frame = prefix.into_frame(buffer.freeze());
        match room {
            None => self.take_answer(frame)?,
            Some(room) => self.arrived(Arrival::Message { frame, _room: room }),
        }
        Ok(())
    }

    fn take_answer(&self, frame: Frame) -> Result<(), FrameError> {
        let cause = frame.cause;
        match self.answered(frame) {
            true => Ok(()),
            false => Err(FrameError::NotAsked(
                cause.map(|cause| cause.to_string()).unwrap_or_default(),
            )),
        }
    }

    /// Waits for room for an ask or a tell among what has arrived.
    async fn request_room(
        &self,
        kind: Kind,
        bytes: usize,
        stream: &'static str,
    ) -> Result<OwnedSemaphorePermit, Unread> {
        match kind {
            Kind::Ask => {
                let others = self.unanswered.fetch_add(1, Ordering::Relaxed);
                if others >= self.limits.asks_in_flight_max {
                    return Err(Unread::Asks);
                }
            }
            Kind::Tell => {}
            kind => return Err(FrameError::Misplaced { kind, stream }.into()),
        }
        Ok(self.arrival_room(bytes).await?)
    }

    async fn read_opening(
        self: &Arc<Self>,
        send: SendStream,
        mut receive: RecvStream,
    ) -> Result<(), Unread> {
        let mut buffer = BytesMut::new();
        let limits = FrameLimits::inline(&self.limits);
        let Some(frame) = read_frame(&mut receive, &mut buffer, limits).await? else {
            return Ok(());
        };
        if frame.kind != Kind::Open {
            return Err(FrameError::Misplaced {
                kind: frame.kind,
                stream: "an opening",
            }
            .into());
        }
        self.expect_abort(frame.id);
        let room = self.arrival_room(frame.wire_bytes()).await?;
        self.arrived(Arrival::Stream {
            frame,
            send,
            receive,
            buffer,
            _room: room,
        });
        Ok(())
    }

    async fn arrival_room(&self, bytes: usize) -> Result<OwnedSemaphorePermit, AcquireError> {
        let bytes = bytes.min(self.limits.arrived_bytes_max);
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.arrived_room.clone().acquire_many_owned(bytes).await
    }
}
