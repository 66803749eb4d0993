//! What the outside world gives a component: the time, random bytes, sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use model::machine::Now;

/// The time of day.
pub trait Clock: Send + Sync {
    /// Milliseconds since the Unix epoch.
    fn now(&self) -> Now;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Now {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Now(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

/// The newest store revision that a process has heard of. Every trace record carries it, which orders the records
/// of all processes by what they could know of each other. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Revisions(Arc<AtomicU64>);

impl Revisions {
    /// A message told of a revision.
    pub fn heard(&self, revision: u64) {
        self.0.fetch_max(revision, Ordering::Relaxed);
    }

    /// The newest one so far; 0 before the first.
    pub fn newest(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Everything a component takes from outside but its disk, which is its own business.
#[derive(Clone)]
pub struct Environment {
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Sockets, random bytes and the runtime under QUIC.
    pub transport: transport::Environment,
    /// How far into the store's history this process has heard.
    pub revisions: Revisions,
}

impl Environment {
    /// The machine's own.
    pub fn system() -> Self {
        Environment {
            clock: Arc::new(SystemClock),
            transport: transport::Environment::system(),
            revisions: Revisions::default(),
        }
    }

    /// The time of day.
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// A random UUID in its text form (RFC 9562, version 4), as objects carry it in `metadata.uid`.
    ///
    /// # Errors
    /// If the random source has failed.
    pub fn uuid(&self) -> std::io::Result<String> {
        let mut bytes = [0; 16];
        self.transport.random.fill(&mut bytes)?;
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok([
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..],
        ]
        .join("-"))
    }

    /// Random letters and digits for generated names, without vowels and look-alikes so that no word and no
    /// confusion comes of it (the alphabet of `k8s.io/apimachinery/pkg/util/rand`).
    ///
    /// # Errors
    /// If the random source has failed.
    pub fn suffix(&self, length: usize) -> std::io::Result<String> {
        const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        let mut bytes = vec![0; length];
        self.transport.random.fill(&mut bytes)?;
        Ok(bytes
            .iter()
            .map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]))
            .collect())
    }
}
