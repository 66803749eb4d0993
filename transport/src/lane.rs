//! A long-lived stream to the peer: frames are queued, and all that are queued leave in one write.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::sync::{Notify, Semaphore};

/// The first byte of a unidirectional stream: what it is for.
pub(crate) mod purpose {
    /// Its acceptor's welcome: the first thing a connector reads.
    pub(crate) const WELCOME: u8 = 1;
    /// Asks and tells, for as long as the connection lives.
    pub(crate) const REQUESTS: u8 = 2;
    /// Answers, refusals and aborts, for as long as the connection lives.
    ///
    /// They have a stream apart from the requests because they are always read: an answer must reach
    /// its asker even while that asker takes no requests.
    pub(crate) const ANSWERS: u8 = 3;
    /// One long message.
    pub(crate) const LONG: u8 = 4;
}

/// Bodies up to this many bytes are copied behind their head; longer ones are sent as they are.
const COPIED_BYTES_MAX: usize = 4 << 10;

/// The queue of one long-lived stream.
#[derive(Debug)]
pub(crate) struct Lane {
    queue: Mutex<Queue>,
    /// Bytes that may still be queued.
    room: Semaphore,
    capacity: u32,
    work: Notify,
    /// Told once nothing is written any more.
    ended: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    /// What to write, in order; `tail` comes last.
    segments: Vec<Bytes>,
    tail: BytesMut,
    /// Bytes of room that the queued frames hold.
    cost: usize,
    /// Frames queued since the start.
    queued: u64,
    /// Frames handed to QUIC since the start.
    handed: u64,
    /// What is queued is still written, and nothing else.
    finishing: bool,
    closed: bool,
}

/// Frames to write together.
pub(crate) struct Batch {
    segments: Vec<Bytes>,
    cost: usize,
}

/// Why a lane has no room.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoRoom {
    /// It is closed.
    Closed,
    /// The wait was too long.
    Waited,
}

impl Lane {
    pub(crate) fn new(queued_bytes_max: usize) -> Self {
        let capacity =
            u32::try_from(queued_bytes_max.min(Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        Self {
            queue: Mutex::default(),
            room: Semaphore::new(capacity as usize),
            capacity,
            work: Notify::new(),
            ended: Notify::new(),
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing in here panics half way through a change.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for room for a frame of `bytes` and takes it; [`Lane::push`] must follow at once.
    pub(crate) async fn room(&self, bytes: usize, wait_max: Duration) -> Result<usize, NoRoom> {
        let cost = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.capacity);
        acquire(&self.room, cost, wait_max).await?;
        Ok(cost as usize)
    }

    /// Queues a frame that holds `cost` of the room, 0 for the few that need none. Returns the frame's
    /// number on this lane, or `None` if the lane is closed.
    pub(crate) fn push(&self, cost: usize, head: &[u8], body: &Bytes) -> Option<u64> {
        let mut queue = self.queue();
        if queue.closed || queue.finishing {
            return None;
        }
        queue.tail.put_slice(head);
        if body.len() <= COPIED_BYTES_MAX {
            queue.tail.put_slice(body);
        } else {
            let tail = queue.tail.split().freeze();
            queue.segments.extend([tail, body.clone()]);
        }
        queue.cost += cost;
        queue.queued += 1;
        let number = queue.queued;
        drop(queue);
        self.work.notify_one();
        Some(number)
    }

    /// Whether the frame of that number has been handed to QUIC, so that it may have left.
    pub(crate) fn handed(&self, number: u64) -> bool {
        number <= self.queue().handed
    }

    /// Ends the lane when the peer has everything that is queued; waits for that.
    pub(crate) async fn finish(&self) {
        self.queue().finishing = true;
        self.work.notify_one();
        self.ended.notified().await;
    }

    /// Ends the lane: nothing is queued any more, and whoever waits for room is told.
    pub(crate) fn close(&self) {
        self.queue().closed = true;
        self.room.close();
        self.work.notify_one();
    }

    /// Waits for frames and takes all there are; `None` at the lane's end.
    async fn batch(&self) -> Option<Batch> {
        loop {
            {
                let mut queue = self.queue();
                if queue.closed {
                    return None;
                }
                if queue.handed < queue.queued {
                    queue.handed = queue.queued;
                    let tail = queue.tail.split().freeze();
                    let mut segments = std::mem::take(&mut queue.segments);
                    segments.push(tail);
                    return Some(Batch {
                        segments,
                        cost: std::mem::take(&mut queue.cost),
                    });
                }
                if queue.finishing {
                    return None;
                }
            }
            self.work.notified().await;
        }
    }

    /// Writes what is queued until the lane or the connection ends. The stream is opened with the first
    /// frame, so that a direction nobody uses costs nothing.
    pub(crate) async fn write(
        &self,
        connection: &quinn::Connection,
        purpose: u8,
    ) -> Result<(), quinn::WriteError> {
        let written = self.write_batches(connection, purpose).await;
        self.ended.notify_one();
        written
    }

    async fn write_batches(
        &self,
        connection: &quinn::Connection,
        purpose: u8,
    ) -> Result<(), quinn::WriteError> {
        let Some(mut batch) = self.batch().await else {
            return Ok(());
        };
        let mut stream = connection.open_uni().await?;
        stream.write_all(&[purpose]).await?;
        loop {
            stream.write_all_chunks(&mut batch.segments).await?;
            self.room.add_permits(batch.cost);
            match self.batch().await {
                Some(next) => batch = next,
                None => break,
            }
        }
        if stream.finish().is_ok() {
            // Until the peer has acknowledged all of it, or the connection ends.
            let _ = stream.stopped().await;
        }
        Ok(())
    }
}

/// Takes `permits` for good, waiting at most `wait_max`. No timer is made when there is room.
pub(crate) async fn acquire(
    semaphore: &Semaphore,
    permits: u32,
    wait_max: Duration,
) -> Result<(), NoRoom> {
    if let Ok(permit) = semaphore.try_acquire_many(permits) {
        permit.forget();
        return Ok(());
    }
    match tokio::time::timeout(wait_max, semaphore.acquire_many(permits)).await {
        Ok(Ok(permit)) => {
            permit.forget();
            Ok(())
        }
        Ok(Err(_)) => Err(NoRoom::Closed),
        Err(_) => Err(NoRoom::Waited),
    }
}
