//! What lies in a sandbox's state directory: see the crate's README for the layout.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::cri::{ContainerConfig, ContainerId, ContainerState, PodSandboxConfig};

/// `sandbox.json`: the sandbox as asked for and how far it came. Written by the runtime.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxRecord {
    /// As asked for.
    pub config: PodSandboxConfig,
    /// Nanoseconds since the epoch.
    pub created_at: i64,
    /// Path of the pod's cgroup in each hierarchy.
    pub cgroup: PathBuf,
    /// How far it came.
    pub phase: Phase,
    /// The pod's address, unless it shares the host's network.
    pub address: Option<Ipv4Addr>,
}

/// How far a sandbox came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Being made: what is found so was left by a crash and is taken down.
    Preparing,
    /// Its shim and network are there.
    Ready,
    /// Stopped; its network is given back.
    Stopped,
}

/// `containers/*/container.json`: a container as asked for. Written by the runtime.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerRecord {
    /// Its identity.
    pub id: ContainerId,
    /// As asked for.
    pub config: ContainerConfig,
    /// Nanoseconds since the epoch.
    pub created_at: i64,
    /// The image's id.
    pub image_ref: String,
    /// The image's stop signal.
    pub stop_signal: i32,
    /// What the shim needs to start it.
    pub launch: Launch,
}

/// What the shim needs to start a container, beside the OCI configuration in `config.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// Directory of unpacked layers.
    pub layers_directory: PathBuf,
    /// Paths of the image's layers in it, the topmost first.
    pub layers: Vec<String>,
    /// Give the process a terminal.
    pub tty: bool,
    /// Keep standard input open.
    pub stdin: bool,
    /// Log file, absolute; empty writes none.
    pub log_path: PathBuf,
    /// Path of the container's cgroup in each hierarchy.
    pub cgroup: PathBuf,
}

/// `containers/*/state.json`: a container's life so far. Written by the shim, absent before the start.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Progress {
    /// `Running` or `Exited`.
    pub state: ContainerState,
    /// Process id on the host while it runs.
    pub pid: Option<u32>,
    /// Nanoseconds since the epoch.
    pub started_at: i64,
    /// Nanoseconds since the epoch; 0 while it runs.
    pub finished_at: i64,
    /// Exit code; 128 and the signal's number for a process that was killed.
    pub exit_code: i32,
    /// One of [`crate::cri::reason`]; empty while it runs.
    pub reason: String,
    /// What went wrong, for people.
    pub message: String,
}

/// Names of the files in a sandbox's directory.
pub mod file {
    /// A [`super::SandboxRecord`].
    pub const SANDBOX: &str = "sandbox.json";
    /// The shim's [`ProcessIdentity`](crate::process::ProcessIdentity).
    pub const SHIM: &str = "shim.json";
    /// The shim's socket.
    pub const SOCKET: &str = "shim.sock";
    /// What the shim has to say.
    pub const SHIM_LOG: &str = "shim.log";
    /// Directory of the pod's `/dev/shm`.
    pub const SHM: &str = "shm";
    /// Directory of the pod's `hosts`, `hostname` and `resolv.conf`.
    pub const ETC: &str = "etc";
    /// libcontainer's own state.
    pub const OCI: &str = "oci";
    /// Directory of containers.
    pub const CONTAINERS: &str = "containers";
    /// A [`super::ContainerRecord`].
    pub const CONTAINER: &str = "container.json";
    /// The OCI runtime configuration, which makes a container's directory an OCI bundle.
    pub const CONFIG: &str = "config.json";
    /// A [`super::Progress`].
    pub const STATE: &str = "state.json";
    /// Mount point of the root file system.
    pub const ROOTFS: &str = "rootfs";
}
