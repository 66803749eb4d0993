//! What the outside world gives an endpoint: a runtime with its clock, sockets, randomness, the
//! time of day. [`Environment::system`] is the machine's own; a simulation brings its own of each.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use quinn::{AsyncUdpSocket, Runtime, TokioRuntime};
use ring::rand::SecureRandom;
use rustls::pki_types::UnixTime;
use rustls::time_provider::{DefaultTimeProvider, TimeProvider};

/// A source of random bytes.
///
/// What it seeds: message origins, connection ids, reset and token keys, quinn's own generator,
/// back-off jitter, keys of the cluster's certificates. What it cannot seed: the ephemeral keys of a
/// TLS handshake, which ring draws itself; they change the bytes of a datagram, never its length.
pub trait Random: Send + Sync + fmt::Debug {
    /// Fills `bytes`.
    ///
    /// # Errors
    /// If the source has failed; nothing in `bytes` may be used then.
    fn fill(&self, bytes: &mut [u8]) -> io::Result<()>;
}

impl dyn Random {
    /// A random number, all values equally likely.
    ///
    /// # Errors
    /// As [`Random::fill`].
    pub fn next_u64(&self) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.fill(&mut bytes)?;
        Ok(u64::from_be_bytes(bytes))
    }
}

/// The operating system's source of random bytes.
#[derive(Debug)]
pub struct SystemRandom(ring::rand::SystemRandom);

impl SystemRandom {
    /// The source, opened on first use.
    pub fn new() -> Self {
        Self(ring::rand::SystemRandom::new())
    }
}

impl Default for SystemRandom {
    fn default() -> Self {
        Self::new()
    }
}

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) -> io::Result<()> {
        self.0
            .fill(bytes)
            .map_err(|_| io::Error::other("the operating system gave no random bytes"))
    }
}

/// Opens UDP sockets.
pub trait Sockets: Send + Sync + fmt::Debug {
    /// A socket bound to `address`; port 0 lets the network choose.
    ///
    /// # Errors
    /// If the address is busy or not this machine's.
    fn bind(
        &self,
        address: SocketAddr,
        runtime: &dyn Runtime,
    ) -> io::Result<Arc<dyn AsyncUdpSocket>>;
}

/// Sockets of the operating system.
#[derive(Debug)]
pub struct SystemSockets;

impl Sockets for SystemSockets {
    fn bind(
        &self,
        address: SocketAddr,
        runtime: &dyn Runtime,
    ) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        runtime.wrap_udp_socket(std::net::UdpSocket::bind(address)?)
    }
}

/// The time of day, asked only to tell whether a certificate is valid.
pub trait WallClock: Send + Sync + fmt::Debug {
    /// Seconds since 1970-01-01 00:00:00 UTC.
    fn unix_seconds(&self) -> u64;
}

/// The machine's time of day.
#[derive(Debug)]
pub struct SystemClock;

impl WallClock for SystemClock {
    fn unix_seconds(&self) -> u64 {
        DefaultTimeProvider
            .current_time()
            .map_or(0, |time| time.as_secs())
    }
}

/// Everything an endpoint takes from outside.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Timers, tasks and the monotonic clock of the QUIC stack.
    pub runtime: Arc<dyn Runtime>,
    /// Where UDP sockets come from.
    pub sockets: Arc<dyn Sockets>,
    /// Where random bytes come from.
    pub random: Arc<dyn Random>,
    /// Where the time of day comes from.
    pub clock: Arc<dyn WallClock>,
}

impl Environment {
    /// The machine's own: tokio, UDP, the system's random bytes, the system's clock.
    pub fn system() -> Self {
        Self {
            runtime: Arc::new(TokioRuntime),
            sockets: Arc::new(SystemSockets),
            random: Arc::new(SystemRandom::new()),
            clock: Arc::new(SystemClock),
        }
    }
}

/// The time of day in the form rustls asks for.
#[derive(Debug)]
pub(crate) struct TlsTime(pub(crate) Arc<dyn WallClock>);

impl TimeProvider for TlsTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(
            self.0.unix_seconds(),
        )))
    }
}
