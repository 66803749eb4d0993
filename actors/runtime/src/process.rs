//! Identity of a process that a recycled process id cannot fake.

use std::fs;
use std::io;

use serde::{Deserialize, Serialize};

/// A process: its id, when it started, and in which run of the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessIdentity {
    /// Process id on the host.
    pub pid: u32,
    /// Start in clock ticks since the machine's start (field 22 of `/proc/PID/stat`, proc(5)).
    pub start_ticks: u64,
    /// Which run of the machine (`/proc/sys/kernel/random/boot_id`).
    pub boot_id: String,
}

impl ProcessIdentity {
    /// The identity of the process that has `pid`.
    pub fn of(pid: u32) -> io::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name in parentheses may hold anything, so fields are counted from its end.
        let start_ticks = stat
            .rsplit_once(')')
            .and_then(|(_, rest)| rest.split_whitespace().nth(19))
            .and_then(|ticks| ticks.parse().ok())
            .ok_or_else(|| io::Error::other(format!("/proc/{pid}/stat has no start time")))?;
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id")?
            .trim()
            .to_owned();
        Ok(Self {
            pid,
            start_ticks,
            boot_id,
        })
    }

    /// Whether this very process still exists (it may be a zombie).
    pub fn exists(&self) -> bool {
        Self::of(self.pid).is_ok_and(|found| found == *self)
    }
}
