//! How readily the kernel kills the shim itself when the node's memory ends.

use std::fs;

const OOM_SCORE_ADJ: &str = "/proc/self/oom_score_adj";

/// Does something and then puts this process's `oom_score_adj` back: libcontainer sets a container's on
/// the process that makes it and lets the container inherit it. A shim with the value of a container
/// would be killed in its stead.
pub(super) fn kept<T>(work: impl FnOnce() -> T) -> T {
    let before = fs::read_to_string(OOM_SCORE_ADJ);
    let done = work();
    let restored = before.and_then(|value| fs::write(OOM_SCORE_ADJ, value.trim()));
    if let Err(error) = restored {
        eprintln!("shim: {OOM_SCORE_ADJ}: {error}");
    }
    done
}
