//! Sending frames, as far as there is room.

use std::sync::Arc;
use std::time::Duration;

use bincode::Encode;
use bytes::{Bytes, BytesMut};
use quinn::SendStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::life::Inner;
use crate::codec::EncodeError;
use crate::error::{Error, Peer, Sent};
use crate::frame::{self, Kind};
use crate::lane::{Lane, NoRoom, purpose};
use crate::message::MessageId;

/// Bytes of a reason that the peer is told; longer ones are cut.
const REASON_BYTES_MAX: usize = 1024;

impl Inner {
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

    pub(super) fn fits_inline(&self, head: &[u8], body: &Bytes) -> bool {
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

    pub(super) async fn room(
        &self,
        lane: &Lane,
        head: &[u8],
        body: &Bytes,
    ) -> Result<usize, Error> {
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

    pub(super) async fn slot(&self) -> Result<OwnedSemaphorePermit, Error> {
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
    pub(super) async fn long_room(&self) -> Result<(OwnedSemaphorePermit, SendStream), Error> {
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
    pub(super) fn write_long(
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
