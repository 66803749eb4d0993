//! How long to wait before something is tried again.

/// First wait before a container that has ended starts again, in milliseconds
/// (kubernetes `pkg/kubelet/kubelet.go`, `backOffPeriod`).
pub const RESTART_FIRST_MS: u64 = 10_000;

/// Longest wait before a container that has ended starts again, in milliseconds (`MaxCrashLoopBackOff`).
pub const RESTART_LIMIT_MS: u64 = 300_000;

/// A container that has run so long begins anew, in milliseconds: twice the longest wait, as client-go's
/// `Backoff.hasExpired` has it.
pub const RESTART_RESET_MS: u64 = 2 * RESTART_LIMIT_MS;

/// The wait after `previous`: `first`, then doubled up to `limit`; all in milliseconds.
pub fn next(previous: Option<u64>, first: u64, limit: u64) -> u64 {
    match previous {
        None => first.min(limit),
        Some(previous) => previous.saturating_mul(2).clamp(first.min(limit), limit),
    }
}

/// A container has ended after running for `ran_ms`; `armed` is the wait that was prepared when it was last
/// started again. Tells the wait that applies and the one to prepare for the next end.
/// The first end costs no wait, the second 10 s, then 20 s, 40 s, … 300 s.
pub fn restart(armed: Option<u64>, ran_ms: u64) -> (u64, u64) {
    match armed {
        Some(wait) if ran_ms < RESTART_RESET_MS => {
            (wait, next(Some(wait), RESTART_FIRST_MS, RESTART_LIMIT_MS))
        }
        _ => (0, RESTART_FIRST_MS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_loop_waits_longer_each_time() {
        let mut armed = None;
        let mut waits = Vec::new();
        for _ in 0..9 {
            let (wait, prepared) = restart(armed, 1_000);
            waits.push(wait / 1000);
            armed = Some(prepared);
        }
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 300, 300, 300]);
    }

    #[test]
    fn a_long_run_begins_anew() {
        assert_eq!(restart(Some(160_000), RESTART_RESET_MS), (0, 10_000));
        assert_eq!(
            restart(Some(160_000), RESTART_RESET_MS - 1),
            (160_000, 300_000)
        );
    }

    #[test]
    fn growth_is_bounded() {
        assert_eq!(next(None, 500, 122_000), 500);
        assert_eq!(next(Some(500), 500, 122_000), 1_000);
        assert_eq!(next(Some(u64::MAX), 500, 122_000), 122_000);
    }
}
