//! Containers: what they are made from and how they are.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::{ContainerId, Mount, Resources, SandboxId, SecurityContext};

/// What a container is made from (CRI `ContainerConfig`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct ContainerConfig {
    /// The container's name in its pod.
    pub name: String,
    /// How often it was started before, from 0.
    pub attempt: u32,
    /// Image reference as the user wrote it, or an image id; it must be present.
    pub image: String,
    /// Replaces the image's entry point (`spec.containers[].command`); empty keeps it.
    pub command: Vec<String>,
    /// Replaces the image's arguments (`spec.containers[].args`); empty keeps them unless `command` is given.
    pub args: Vec<String>,
    /// Replaces the image's working directory; empty keeps it.
    pub working_dir: String,
    /// Added to the image's environment, later ones win.
    pub envs: Vec<EnvVar>,
    /// Host files and directories to be seen inside, mounted in order.
    pub mounts: Vec<Mount>,
    /// Limits.
    pub resources: Resources,
    /// Identity and rights of the process.
    pub security: SecurityContext,
    /// Log file, relative to the sandbox's log directory; empty writes none.
    pub log_path: PathBuf,
    /// Give the process a terminal.
    pub tty: bool,
    /// Keep standard input open.
    pub stdin: bool,
    /// Labels to find it by again.
    pub labels: BTreeMap<String, String>,
    /// Not interpreted, kept.
    pub annotations: BTreeMap<String, String>,
}

/// A variable of the environment (CRI `KeyValue`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct EnvVar {
    /// Its name, without `=`.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// Where a container is in its life (CRI `ContainerState`).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
pub enum ContainerState {
    /// Made, not started.
    Created,
    /// Its process runs.
    Running,
    /// Its process has ended; exit code and times are final.
    Exited,
    /// Its end was not seen (the shim died with it).
    Unknown,
}

/// Why a container ended, in `ContainerStatus::reason`.
pub mod reason {
    /// Exit code 0.
    pub const COMPLETED: &str = "Completed";
    /// Any other exit code.
    pub const ERROR: &str = "Error";
    /// The kernel killed it at its memory limit.
    pub const OOM_KILLED: &str = "OOMKilled";
    /// Its process could not be started.
    pub const START_ERROR: &str = "StartError";
    /// Its end was not seen.
    pub const UNKNOWN: &str = "ContainerStatusUnknown";
}

/// A container as it is (CRI `ContainerStatus`).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct ContainerStatus {
    /// Its identity.
    pub id: ContainerId,
    /// The sandbox it is in.
    pub sandbox: SandboxId,
    /// As in the configuration.
    pub name: String,
    /// As in the configuration.
    pub attempt: u32,
    /// Where it is in its life.
    pub state: ContainerState,
    /// Process id on the host while it runs.
    pub pid: Option<u32>,
    /// When it was made, in nanoseconds since the epoch.
    pub created_at: i64,
    /// When its process was started, in nanoseconds since the epoch; 0 before.
    pub started_at: i64,
    /// When its process ended, in nanoseconds since the epoch; 0 before.
    pub finished_at: i64,
    /// Exit code; 128 and the signal's number for a process that was killed.
    pub exit_code: i32,
    /// One of [`reason`] once it has ended, empty before.
    pub reason: String,
    /// What went wrong, for people; may be empty.
    pub message: String,
    /// The image as in the configuration.
    pub image: String,
    /// The image's id (`sha256:…`), which stays when a tag moves.
    pub image_ref: String,
    /// Log file on the host; empty if none.
    pub log_path: PathBuf,
    /// As in the configuration.
    pub labels: BTreeMap<String, String>,
    /// As in the configuration.
    pub annotations: BTreeMap<String, String>,
}
