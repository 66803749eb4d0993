//! What this system reads of a pod's volumes (`core/v1`).

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::objects::pod::{FieldRef, ResourceFieldRef};

/// `VolumeMount`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VolumeMount {
    /// Which volume.
    pub name: String,
    /// Where inside.
    pub mount_path: String,
    /// Which part of the volume.
    pub sub_path: String,
    /// Refuse writes.
    pub read_only: bool,
}

/// `Volume`; one of its sources.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Volume {
    /// Its name in the pod.
    pub name: String,
    /// An empty directory that lives as long as the pod.
    pub empty_dir: Option<EmptyDir>,
    /// A file or directory of the node.
    pub host_path: Option<HostPath>,
    /// Files from a config map.
    pub config_map: Option<ConfigMapVolume>,
    /// Files from a secret.
    pub secret: Option<SecretVolume>,
    /// Files from fields of the pod.
    #[serde(rename = "downwardAPI")]
    pub downward_api: Option<DownwardVolume>,
    /// Sources that are not served yet, by name; a pod with one waits with `FailedMount`.
    #[serde(flatten)]
    pub other: BTreeMap<String, serde_json::Value>,
}

/// `EmptyDirVolumeSource`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EmptyDir {
    /// `Memory` for a tmpfs; empty for the node's disk.
    pub medium: String,
    /// How large it may grow, a quantity of bytes as text; empty for no limit of its own.
    pub size_limit: String,
}

/// `HostPathVolumeSource`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct HostPath {
    /// Where on the node.
    pub path: String,
    /// `DirectoryOrCreate`, `File`, …; empty checks nothing.
    #[serde(rename = "type")]
    pub kind: String,
}

/// `ConfigMapVolumeSource`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConfigMapVolume {
    /// Of which config map.
    pub name: String,
    /// Which entries, under which paths; all if empty.
    pub items: Vec<KeyToPath>,
    /// Mode of the files; 0644 if absent.
    pub default_mode: Option<i32>,
    /// Whether it may be absent.
    pub optional: bool,
}

/// `SecretVolumeSource`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SecretVolume {
    /// Of which secret.
    pub secret_name: String,
    /// Which entries, under which paths; all if empty.
    pub items: Vec<KeyToPath>,
    /// Mode of the files; 0644 if absent.
    pub default_mode: Option<i32>,
    /// Whether it may be absent.
    pub optional: bool,
}

/// `KeyToPath`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct KeyToPath {
    /// Which entry.
    pub key: String,
    /// Relative path of its file.
    pub path: String,
    /// Mode of the file.
    pub mode: Option<i32>,
}

/// `DownwardAPIVolumeSource`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DownwardVolume {
    /// The files.
    pub items: Vec<DownwardFile>,
    /// Mode of the files; 0644 if absent.
    pub default_mode: Option<i32>,
}

/// `DownwardAPIVolumeFile`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DownwardFile {
    /// Relative path of the file.
    pub path: String,
    /// A field of the pod.
    pub field_ref: Option<FieldRef>,
    /// A request or limit of a container.
    pub resource_field_ref: Option<ResourceFieldRef>,
    /// Mode of the file.
    pub mode: Option<i32>,
}
