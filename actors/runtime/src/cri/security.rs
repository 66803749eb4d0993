//! Identity and rights of a container's process.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// Identity and rights (CRI `LinuxContainerSecurityContext`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct SecurityContext {
    /// User id; `None` takes the image's user, else 0.
    pub run_as_user: Option<u32>,
    /// Group id; `None` takes the image's, else the user's group of the image's `/etc/passwd`, else 0.
    pub run_as_group: Option<u32>,
    /// Further groups (`supplementalGroups`, `fsGroup`).
    pub supplemental_groups: Vec<u32>,
    /// All capabilities and nothing masked. Devices stay the container's own.
    pub privileged: bool,
    /// Mount the root file system read-only.
    pub readonly_rootfs: bool,
    /// Set `no_new_privs` (`allowPrivilegeEscalation: false`).
    pub no_new_privs: bool,
    /// Capabilities beyond the default set, with or without `CAP_`; `ALL` is all.
    pub add_capabilities: Vec<String>,
    /// Capabilities taken out of the set; `ALL` is all.
    pub drop_capabilities: Vec<String>,
}
