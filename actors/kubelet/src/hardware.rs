//! The machine below the kubelet, as far as nodes tell it and pods need it.

use std::fs;
use std::io;
use std::path::PathBuf;

use model::machines::kubelet::Measure;
use runtime::cri::RuntimeVersion;
use serde_json::{Value, json};

/// The version of Kubernetes whose API this system speaks.
const KUBELET_VERSION: &str = concat!("v1.36.0+plimsoll.", env!("CARGO_PKG_VERSION"));

/// What a machine is.
#[derive(Clone, Debug)]
pub struct Facts {
    /// How many processors it has.
    pub cpus: i64,
    /// Its memory in bytes.
    pub memory_bytes: i64,
    /// Size of the disk that holds the pods, in bytes.
    pub storage_bytes: u64,
    /// `status.nodeInfo` of its node.
    pub info: Value,
}

/// Where the kubelet learns about its machine. A simulation brings another.
pub trait Hardware: 'static {
    /// What the machine is, with this container runtime.
    ///
    /// # Errors
    /// If the machine does not tell.
    fn facts(&self, runtime: &RuntimeVersion) -> io::Result<Facts>;

    /// What is left of memory, disk and process ids.
    ///
    /// # Errors
    /// If the machine does not tell.
    fn measure(&self) -> io::Result<Measure>;
}

/// The machine that this process runs on.
#[derive(Clone, Debug)]
pub struct ThisMachine {
    /// Where pods' files are: the disk that is measured.
    pub directory: PathBuf,
}

impl Hardware for ThisMachine {
    fn facts(&self, runtime: &RuntimeVersion) -> io::Result<Facts> {
        let read = |path: &str| fs::read_to_string(path).map(|text| text.trim().to_owned());
        let cpus = std::thread::available_parallelism()?.get();
        let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let pretty = system
            .lines()
            .find_map(|line| line.strip_prefix("PRETTY_NAME="));
        let storage = nix::sys::statvfs::statvfs(&self.directory)
            .map(|disk| disk.blocks().saturating_mul(disk.fragment_size()));
        Ok(Facts {
            cpus: i64::try_from(cpus).unwrap_or(1),
            memory_bytes: i64::try_from(meminfo("MemTotal")?).unwrap_or(i64::MAX),
            storage_bytes: storage.unwrap_or(0),
            info: json!({
                "machineID": read("/etc/machine-id").unwrap_or_default(),
                "systemUUID": read("/sys/class/dmi/id/product_uuid").unwrap_or_default(),
                "bootID": read("/proc/sys/kernel/random/boot_id").unwrap_or_default(),
                "kernelVersion": read("/proc/sys/kernel/osrelease")?,
                "osImage": pretty.unwrap_or("Linux").trim_matches('"'),
                "containerRuntimeVersion":
                    format!("{}://{}", runtime.runtime_name, runtime.runtime_version),
                "kubeletVersion": KUBELET_VERSION,
                "kubeProxyVersion": "",
                "operatingSystem": "linux",
                "architecture": architecture(),
            }),
        })
    }

    fn measure(&self) -> io::Result<Measure> {
        let disk = nix::sys::statvfs::statvfs(&self.directory)?;
        let tasks = fs::read_to_string("/proc/loadavg")?;
        let tasks = tasks
            .split_whitespace()
            .nth(3)
            .and_then(|word| word.split('/').nth(1)?.parse::<u64>().ok())
            .unwrap_or(0);
        let pids = fs::read_to_string("/proc/sys/kernel/pid_max")?;
        let pids = pids.trim().parse::<u64>().unwrap_or(u64::MAX);
        Ok(Measure {
            memory_available_bytes: meminfo("MemAvailable")?,
            disk_free_permille: permille(disk.blocks_available(), disk.blocks()),
            pids_free_permille: permille(pids.saturating_sub(tasks), pids),
        })
    }
}

/// The machine's architecture as Go names it.
pub(crate) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// A line of `/proc/meminfo` in bytes.
fn meminfo(key: &str) -> io::Result<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let found = text.lines().find_map(|line| {
        let rest = line.strip_prefix(key)?.strip_prefix(':')?;
        rest.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
    });
    found
        .map(|kib| kib.saturating_mul(1024))
        .ok_or_else(|| io::Error::other(format!("/proc/meminfo has no {key}")))
}

fn permille(part: u64, whole: u64) -> u16 {
    let share = u128::from(part) * 1000 / u128::from(whole.max(1));
    u16::try_from(share.min(1000)).unwrap_or(1000)
}
