//! The machine of a simulated node.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use kubelet::{Facts, Hardware};
use model::machines::kubelet::Measure;
use runtime::cri::RuntimeVersion;
use serde_json::json;

/// Processors of every simulated node.
pub const CPUS: i64 = 4;
/// Memory of every simulated node, in bytes.
pub const MEMORY_BYTES: i64 = 8 << 30;

/// What can run short on a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// Memory.
    Memory,
    /// The file system of the pods.
    Disk,
    /// Process ids.
    ProcessIds,
}

impl Shortage {
    /// Every kind.
    pub const ALL: [Shortage; 3] = [Shortage::Memory, Shortage::Disk, Shortage::ProcessIds];
}

/// A machine on which nothing runs short unless it is said. Clones are the same machine.
#[derive(Clone, Debug, Default)]
pub struct SimulatedMachine(Rc<Cell<Option<Shortage>>>);

impl SimulatedMachine {
    /// Lets this run short, or nothing.
    pub fn lacks(&self, shortage: Option<Shortage>) {
        self.0.set(shortage);
    }
}

impl Hardware for SimulatedMachine {
    fn facts(&self, runtime: &RuntimeVersion) -> io::Result<Facts> {
        Ok(Facts {
            cpus: CPUS,
            memory_bytes: MEMORY_BYTES,
            storage_bytes: 64 << 30,
            info: json!({
                "machineID": "", "systemUUID": "", "bootID": "", "kernelVersion": "simulated",
                "osImage": "simulated", "kubeletVersion": "simulated", "kubeProxyVersion": "",
                "containerRuntimeVersion":
                    format!("{}://{}", runtime.runtime_name, runtime.runtime_version),
                "operatingSystem": "linux", "architecture": "amd64",
            }),
        })
    }

    fn measure(&self) -> io::Result<Measure> {
        let mut measure = Measure {
            memory_available_bytes: 4 << 30,
            disk_free_permille: 900,
            pids_free_permille: 900,
        };
        match self.0.get() {
            Some(Shortage::Memory) => measure.memory_available_bytes = 10 << 20,
            Some(Shortage::Disk) => measure.disk_free_permille = 10,
            Some(Shortage::ProcessIds) => measure.pids_free_permille = 10,
            None => {}
        }
        Ok(measure)
    }
}
