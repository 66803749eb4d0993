//! A link: the will to be connected with one peer, for as long as it lives.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::connection::Connection;
use crate::endpoint::Endpoint;
use crate::error::{CloseReason, Error};
use crate::identity::Identity;

/// How a link waits between attempts: exponentially longer, up to a cap, each wait shortened at random
/// by up to half, so that the clients of a restarted server do not come all at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first wait. Default 10 ms.
    pub first: Duration,
    /// The longest wait for a peer that is not there: it is found at most about this long after it
    /// came up. Default 100 ms.
    pub absent_max: Duration,
    /// The longest wait for a peer that refuses, which takes somebody to mend. Default 2 s.
    pub refused_max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(10),
            absent_max: Duration::from_millis(100),
            refused_max: Duration::from_secs(2),
        }
    }
}

/// How a link stands.
#[derive(Clone, Debug)]
pub enum LinkState {
    /// There is no connection, and the link tries to make one.
    Connecting {
        /// How the last connection ended or the last attempt failed; `None` before the first.
        failure: Option<Arc<str>>,
    },
    /// There is a connection.
    Live(Live),
    /// The link has been closed.
    Closed,
}

/// A connection of a link.
#[derive(Clone, Debug)]
pub struct Live {
    /// Counts the link's connections from 1. What was subscribed in one epoch is gone in the next.
    pub epoch: u64,
    /// The connection.
    pub connection: Connection,
}

/// Keeps a connection with one peer: connects, notices that the connection is gone, connects again.
/// Clones are handles to the same link; when the last one goes, the link ends.
///
/// A link sends nothing twice: an ask whose connection breaks fails with
/// [`Error::Closed`](crate::Error::Closed), which says whether it may have been received, and its
/// caller decides.
#[derive(Clone, Debug)]
pub struct Link {
    state: watch::Receiver<LinkState>,
    /// Wakes those who wait for a connection, in the order in which they began to wait: a watch channel wakes its
    /// receivers in a random order, which no seed determines.
    changed: Arc<Notify>,
    task: Arc<Task>,
}

/// The link's task, which ends with the last handle.
#[derive(Debug)]
struct Task {
    state: Arc<watch::Sender<LinkState>>,
    handle: JoinHandle<()>,
}

impl Drop for Task {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

impl Link {
    /// Starts to connect to the peer at `address`, which must prove to be `identity`.
    pub fn new(
        endpoint: Endpoint,
        address: SocketAddr,
        identity: Identity,
        backoff: Backoff,
    ) -> Self {
        let (sender, state) = watch::channel(LinkState::Connecting { failure: None });
        let sender = Arc::new(sender);
        let changed = Arc::new(Notify::new());
        let dialer = Dialer {
            endpoint,
            address,
            identity,
            backoff,
            state: sender.clone(),
            changed: changed.clone(),
        };
        let handle = tokio::spawn(dialer.keep());
        Self {
            state,
            changed,
            task: Arc::new(Task {
                state: sender,
                handle,
            }),
        }
    }

    /// Waits for a live connection; at once if there is one. `None` once the link is closed.
    ///
    /// There is no limit to the wait: [`Link::state`] tells what stands in the way meanwhile.
    pub async fn connection(&self) -> Option<Live> {
        loop {
            // Taken before the look, so that no change falls between look and wait.
            let changed = self.changed.notified();
            match &*self.state.borrow() {
                LinkState::Live(live) if live.connection.close_reason().is_none() => {
                    return Some(live.clone());
                }
                LinkState::Closed => return None,
                LinkState::Live(_) | LinkState::Connecting { .. } => {}
            }
            changed.await;
        }
    }

    /// How the link stands.
    pub fn state(&self) -> LinkState {
        self.state.borrow().clone()
    }

    /// Tells of every change: a connection lost, a new epoch.
    pub fn watch(&self) -> watch::Receiver<LinkState> {
        self.state.clone()
    }

    /// Ends the link and its connection, with a reason for the peer.
    pub fn close(&self, reason: &str) {
        self.task.handle.abort();
        let before = self.task.state.send_replace(LinkState::Closed);
        self.changed.notify_waiters();
        if let LinkState::Live(live) = before {
            live.connection.close(reason);
        }
    }
}

/// What the link's task needs.
struct Dialer {
    endpoint: Endpoint,
    address: SocketAddr,
    identity: Identity,
    backoff: Backoff,
    state: Arc<watch::Sender<LinkState>>,
    changed: Arc<Notify>,
}

impl Dialer {
    async fn keep(self) {
        for epoch in 1.. {
            let connection = self.connect().await;
            self.state.send_replace(LinkState::Live(Live {
                epoch,
                connection: connection.clone(),
            }));
            self.changed.notify_waiters();
            let reason = connection.closed().await;
            self.note(&reason.to_string());
        }
    }

    /// Tells why there is no connection.
    fn note(&self, failure: &str) {
        self.state.send_if_modified(|state| match state {
            LinkState::Connecting { failure: Some(known) } if **known == *failure => false,
            state => {
                tracing::info!(peer = %self.identity, address = %self.address, failure, "not connected");
                *state = LinkState::Connecting { failure: Some(failure.into()) };
                true
            }
        });
    }

    /// Connects, however long it takes.
    ///
    /// QUIC repeats its first datagram at doubling intervals, so a patient attempt alone would find a
    /// peer late that has come up in between, and hasty attempts alone would never reach a slow one:
    /// both run side by side.
    async fn connect(&self) -> Connection {
        let mut wait = self.backoff.first;
        loop {
            let patient = self.attempt();
            let hasty = async {
                let mut wait = self.backoff.absent_max;
                loop {
                    self.pause(&mut wait, self.backoff.absent_max).await;
                    if let Ok(Ok(connection)) = timeout(wait, self.attempt()).await {
                        return connection;
                    }
                }
            };
            let refused = tokio::select! {
                biased;
                patient = patient => match patient {
                    Ok(connection) => return connection,
                    Err(refused) => refused,
                },
                connection = hasty => return connection,
            };
            let wait_max = if refused {
                self.backoff.refused_max
            } else {
                self.backoff.absent_max
            };
            self.pause(&mut wait, wait_max).await;
        }
    }

    /// One attempt. The error tells whether the peer is there and refuses.
    async fn attempt(&self) -> Result<Connection, bool> {
        self.endpoint
            .connect(self.address, &self.identity)
            .await
            .map_err(|error| {
                self.note(&error.to_string());
                match error {
                    Error::Connect { reason, .. } => {
                        !matches!(reason, CloseReason::NoHandshake(_) | CloseReason::Silent(_))
                    }
                    _ => true,
                }
            })
    }

    /// Waits between a half and the whole of `wait`, and doubles it.
    async fn pause(&self, wait: &mut Duration, wait_max: Duration) {
        let half = *wait / 2;
        // Without randomness the whole wait is as good.
        let share = self
            .endpoint
            .environment()
            .random
            .next_u64()
            .unwrap_or(u64::MAX)
            >> 32;
        let jitter = half.mul_f64(share as f64 / f64::from(u32::MAX));
        sleep(half + jitter).await;
        *wait = wait.saturating_mul(2).min(wait_max);
    }
}
