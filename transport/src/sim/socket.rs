//! A socket of the simulated network, as quinn sees it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::time::{Instant, Sleep, sleep_until};

use super::Network;

/// Datagrams on their way to one socket; a real one drops what does not fit its buffer, too.
const ON_THE_WAY_MAX: usize = 4096;

/// Datagrams on their way to one socket.
#[derive(Default)]
pub(super) struct Inbox {
    state: Mutex<InboxState>,
}

#[derive(Default)]
struct InboxState {
    on_the_way: BinaryHeap<Reverse<Datagram>>,
    /// When the last of those sent so far arrives.
    latest: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    waker: Option<Waker>,
}

/// Ordered by arrival, then by sending.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Datagram {
    pub(super) arrives: Instant,
    pub(super) number: u64,
    pub(super) from: SocketAddr,
    pub(super) to_ip: IpAddr,
    pub(super) content: Vec<u8>,
}

impl Inbox {
    fn state(&self) -> MutexGuard<'_, InboxState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whether it arrives before one that was sent to here earlier.
    pub(super) fn put(&self, datagram: Datagram) -> bool {
        let mut state = self.state();
        let overtakes = datagram.arrives < state.latest.unwrap_or(datagram.arrives);
        state.latest = state.latest.max(Some(datagram.arrives));
        if state.on_the_way.len() < ON_THE_WAY_MAX {
            state.on_the_way.push(Reverse(datagram));
        }
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
        overtakes
    }
}

/// A socket on a [`Network`].
pub(super) struct SimulatedSocket {
    pub(super) network: Network,
    pub(super) address: SocketAddr,
    pub(super) inbox: Arc<Inbox>,
}

impl fmt::Debug for SimulatedSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimulatedSocket({})", self.address)
    }
}

impl Drop for SimulatedSocket {
    fn drop(&mut self) {
        let mut state = self.network.state();
        if state
            .sockets
            .get(&self.address)
            .is_some_and(|bound| Arc::ptr_eq(bound, &self.inbox))
        {
            state.sockets.remove(&self.address);
        }
    }
}

/// A simulated socket takes every datagram at once.
#[derive(Debug)]
struct AlwaysWritable;

impl UdpPoller for AlwaysWritable {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncUdpSocket for SimulatedSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(AlwaysWritable)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let size = transmit
            .segment_size
            .unwrap_or(transmit.contents.len())
            .max(1);
        for datagram in transmit.contents.chunks(size) {
            self.network
                .send(self.address, &self.inbox, transmit.destination, datagram);
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.inbox.state();
        let now = Instant::now();
        let mut received = 0;
        for (buffer, meta) in buffers.iter_mut().zip(metas) {
            if state
                .on_the_way
                .peek()
                .is_none_or(|Reverse(next)| next.arrives > now)
            {
                break;
            }
            let Some(Reverse(datagram)) = state.on_the_way.pop() else {
                break;
            };
            let length = datagram.content.len().min(buffer.len());
            buffer[..length].copy_from_slice(&datagram.content[..length]);
            *meta = RecvMeta {
                addr: datagram.from,
                len: length,
                stride: length,
                ecn: None,
                dst_ip: Some(datagram.to_ip),
            };
            received += 1;
        }
        if received > 0 {
            return Poll::Ready(Ok(received));
        }
        state.waker = Some(context.waker().clone());
        if let Some(arrives) = state.on_the_way.peek().map(|Reverse(next)| next.arrives) {
            let timer = state
                .timer
                .get_or_insert_with(|| Box::pin(sleep_until(arrives)));
            timer.as_mut().reset(arrives);
            if timer.as_mut().poll(context).is_ready() {
                context.waker().wake_by_ref();
            }
        }
        Poll::Pending
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }

    fn may_fragment(&self) -> bool {
        false
    }
}
