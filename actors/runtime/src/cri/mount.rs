//! Mounts of host files into a container.

use std::path::PathBuf;

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// A bind mount (CRI `Mount`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Mount {
    /// Existing file or directory on the host, absolute.
    pub host_path: PathBuf,
    /// Where it is seen inside, absolute; made if the image lacks it.
    pub container_path: PathBuf,
    /// Refuse writes.
    pub readonly: bool,
}
