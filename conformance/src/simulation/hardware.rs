//! The machine of a simulated node.

use std::io;

use kubelet::{Facts, Hardware};
use model::machines::kubelet::Measure;
use runtime::cri::RuntimeVersion;
use serde_json::json;

/// Processors of every simulated node.
pub const CPUS: i64 = 4;
/// Memory of every simulated node, in bytes.
pub const MEMORY_BYTES: i64 = 8 << 30;

/// A machine on which nothing runs short.
#[derive(Clone, Copy, Debug)]
pub struct SimulatedMachine;

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
        Ok(Measure {
            memory_available_bytes: 4 << 30,
            disk_free_permille: 900,
            pids_free_permille: 900,
        })
    }
}
