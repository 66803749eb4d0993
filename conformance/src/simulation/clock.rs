//! The time of day of a simulated host: tokio's clock, and wrong by as much as the host's clock is wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use model::machine::Now;
use tokio::time::Instant;

/// When every simulation begins: 2026-01-01 00:00:00 UTC, in milliseconds since the Unix epoch.
const BEGIN_MS: u64 = 1_767_225_600_000;

/// The clock of a host. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct HostClock {
    start: Instant,
    skew_ms: Arc<AtomicI64>,
}

impl HostClock {
    /// A clock that is right. `start` is the beginning of the simulation.
    pub fn new(start: Instant) -> Self {
        HostClock {
            start,
            skew_ms: Arc::default(),
        }
    }

    /// Makes the clock wrong by so many milliseconds; negative ones make it slow.
    pub fn skew(&self, by_ms: i64) {
        self.skew_ms.store(by_ms, Ordering::Relaxed);
    }
}

impl shell::Clock for HostClock {
    fn now(&self) -> Now {
        let elapsed = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let right = BEGIN_MS.saturating_add(elapsed);
        Now(right.saturating_add_signed(self.skew_ms.load(Ordering::Relaxed)))
    }
}

impl transport::WallClock for HostClock {
    fn unix_seconds(&self) -> u64 {
        shell::Clock::now(self).0 / 1000
    }
}
