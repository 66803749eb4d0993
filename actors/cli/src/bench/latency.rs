//! Latencies as percentiles.

use std::time::Duration;

use serde::Serialize;

/// The percentiles of some durations, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Latency {
    /// Half are no longer than this.
    pub p50_ms: f64,
    /// All but one in a hundred are no longer than this.
    pub p99_ms: f64,
    /// None is longer than this.
    pub max_ms: f64,
}

impl Latency {
    /// By the nearest-rank method: every value is one that was measured. Zero for no durations.
    pub fn of(mut durations: Vec<Duration>) -> Self {
        durations.sort_unstable();
        let rank = |percent: usize| {
            let rank = (durations.len() * percent).div_ceil(100).max(1);
            durations
                .get(rank - 1)
                .copied()
                .unwrap_or_default()
                .as_secs_f64()
                * 1e3
        };
        Latency {
            p50_ms: rank(50),
            p99_ms: rank(99),
            max_ms: rank(100),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let of = |range: std::ops::RangeInclusive<u64>| {
            Latency::of(range.rev().map(Duration::from_millis).collect())
        };
        assert_eq!(
            of(1..=200),
            Latency {
                p50_ms: 100.0,
                p99_ms: 198.0,
                max_ms: 200.0
            }
        );
        assert_eq!(
            of(1..=3),
            Latency {
                p50_ms: 2.0,
                p99_ms: 3.0,
                max_ms: 3.0
            }
        );
        assert_eq!(Latency::of(Vec::new()), Latency::default());
    }
}
