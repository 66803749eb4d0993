//! Resource limits of a container.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// Limits put on a container (CRI `LinuxContainerResources`); 0 leaves a limit out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Resources {
    /// Relative weight of processor time, 2 to 262144, in cgroup v1's measure (1024 a core).
    pub cpu_shares: u64,
    /// Processor time in microseconds that each period allows.
    pub cpu_quota: i64,
    /// Length of a period in microseconds; 100000 if a quota is given without it.
    pub cpu_period: u64,
    /// Memory in bytes; a process beyond it is killed.
    pub memory_limit: i64,
    /// Processes and threads.
    pub pids_limit: i64,
    /// How readily the kernel kills it when the node's memory ends, -1000 to 1000. Raised silently to the
    /// lowest value this runtime itself may set.
    pub oom_score_adj: i32,
}
