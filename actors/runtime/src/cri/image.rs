//! Images, and the runtime's own version.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// An image on the node (CRI `Image`).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Image {
    /// Digest of its configuration, `sha256:…`.
    pub id: String,
    /// Names with tags, in full, such as `docker.io/library/busybox:latest`.
    pub repo_tags: Vec<String>,
    /// Names with the manifest's digest.
    pub repo_digests: Vec<String>,
    /// Bytes of its unpacked layers.
    pub size: u64,
    /// User id the image asks for, if it is a number.
    pub uid: Option<u32>,
    /// User name the image asks for, else empty.
    pub username: String,
}

/// Which runtime this is (CRI `VersionResponse`).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct RuntimeVersion {
    /// Its name, the scheme of container ids in a pod's status (`plimsoll://…`).
    pub runtime_name: String,
    /// Its version.
    pub runtime_version: String,
}
