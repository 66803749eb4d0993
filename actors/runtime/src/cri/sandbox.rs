//! Pod sandboxes: what the containers of a pod share.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::SandboxId;

/// What a sandbox is made from (CRI `PodSandboxConfig`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct PodSandboxConfig {
    /// The pod's `metadata.uid`.
    pub uid: String,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub name: String,
    /// How many sandboxes this pod had before, from 0.
    pub attempt: u32,
    /// Host name inside the pod, 64 bytes at most (uts namespace).
    pub hostname: String,
    /// Lines of the pod's `/etc/resolv.conf`; `None` copies the host's.
    pub dns: Option<DnsConfig>,
    /// Further lines of the pod's `/etc/hosts` (`spec.hostAliases`).
    pub host_aliases: Vec<HostAlias>,
    /// Directory of the containers' log files on the host; made if it is absent.
    pub log_directory: PathBuf,
    /// Share the node's network (`spec.hostNetwork`).
    pub host_network: bool,
    /// Share the node's processes (`spec.hostPID`).
    pub host_pid: bool,
    /// Share the node's System V IPC (`spec.hostIPC`).
    pub host_ipc: bool,
    /// Labels to find it by again.
    pub labels: BTreeMap<String, String>,
    /// Not interpreted, kept.
    pub annotations: BTreeMap<String, String>,
}

/// Contents of a pod's `/etc/resolv.conf` (CRI `DNSConfig`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct DnsConfig {
    /// Addresses of name servers.
    pub servers: Vec<String>,
    /// Search domains.
    pub searches: Vec<String>,
    /// Options, such as `ndots:5`.
    pub options: Vec<String>,
}

/// One address with its names in a pod's `/etc/hosts`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct HostAlias {
    /// The address.
    pub ip: String,
    /// Its names.
    pub hostnames: Vec<String>,
}

/// Whether containers can be made in a sandbox (CRI `PodSandboxState`).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
pub enum SandboxState {
    /// Its processes and network are there.
    Ready,
    /// It was stopped or has died; it can only be removed.
    NotReady,
}

/// A sandbox as it is (CRI `PodSandboxStatus`).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct PodSandboxStatus {
    /// Its identity.
    pub id: SandboxId,
    /// The pod's `metadata.uid`.
    pub uid: String,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub name: String,
    /// As in the configuration.
    pub attempt: u32,
    /// Whether containers can be made in it.
    pub state: SandboxState,
    /// When it was made, in nanoseconds since the epoch.
    pub created_at: i64,
    /// The pod's addresses; empty with the host's network and once it is not ready.
    pub ips: Vec<IpAddr>,
    /// As in the configuration.
    pub labels: BTreeMap<String, String>,
    /// As in the configuration.
    pub annotations: BTreeMap<String, String>,
}
