//! Bounds that a run draws from its seed: as they ship, or so tight that what they bound is reached often. A cluster has to
//! keep its promises with any of them.

use std::time::Duration;

use model::machines::{store, watch_cache};
use transport::sim::SeededRandom;

/// The bounds of a run.
#[derive(Clone, Copy, Debug)]
pub struct Knobs {
    /// How long an event lives, in seconds: many expire in a run of two minutes.
    pub event_ttl_seconds: u32,
    /// How many changes the watch cache keeps; a watch that asks for older ones has to list again.
    pub window_changes: usize,
    /// How much the store sends to watches in one step, in bytes beside values.
    pub step_bytes: u64,
    /// How long controllers wait to see what they caused.
    pub expectations: Duration,
}

impl Knobs {
    /// The bounds of a seed's run.
    pub fn draw(seed: u64) -> Self {
        let random = SeededRandom::stream(seed, "knobs");
        let (caches, stores) = (watch_cache::Limits::default(), store::Limits::default());
        Knobs {
            event_ttl_seconds: *random.pick(&[5, 20]).unwrap_or(&20),
            window_changes: *random
                .pick(&[8, 64, 512, caches.window_changes])
                .unwrap_or(&caches.window_changes),
            step_bytes: *random
                .pick(&[1, 512, stores.step_bytes])
                .unwrap_or(&stores.step_bytes),
            expectations: *random
                .pick(&[
                    Duration::from_millis(300),
                    Duration::from_secs(2),
                    controllers::EXPECTATIONS,
                ])
                .unwrap_or(&controllers::EXPECTATIONS),
        }
    }
}
