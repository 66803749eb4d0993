//! What this system reads of a pod (`core/v1`), and nothing else.
//!
//! The kubelet's machine decides on a small extract of it; its shell makes the runtime's configuration of the rest.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::objects::condition::Condition;
use crate::objects::meta::Meta;
use crate::objects::pod_volumes::{Volume, VolumeMount};

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PodView {
    /// `metadata`.
    pub metadata: Meta,
    /// `spec`.
    pub spec: PodSpec,
    /// `status`.
    pub status: StatusView,
}

/// `PodSpec`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec {
    /// The node it is bound to.
    pub node_name: String,
    /// Run in order before the others.
    pub init_containers: Vec<ContainerSpec>,
    /// Run together.
    pub containers: Vec<ContainerSpec>,
    /// `Always` (if empty), `OnFailure`, `Never`.
    pub restart_policy: String,
    /// Seconds between SIGTERM and SIGKILL; 30 if absent.
    pub termination_grace_period_seconds: Option<i64>,
    /// Seconds for which it may be active on its node, from its start time on.
    pub active_deadline_seconds: Option<i64>,
    /// What containers may mount.
    pub volumes: Vec<Volume>,
    /// Labels the node must have.
    pub node_selector: BTreeMap<String, String>,
    /// Share the node's network.
    pub host_network: bool,
    /// Share the node's processes.
    #[serde(rename = "hostPID")]
    pub host_pid: bool,
    /// Share the node's System V IPC.
    #[serde(rename = "hostIPC")]
    pub host_ipc: bool,
    /// `false` asks for a user namespace of its own.
    pub host_users: Option<bool>,
    /// Its containers see each other's processes.
    pub share_process_namespace: bool,
    /// By what its containers are run.
    pub runtime_class_name: String,
    /// Host name inside; the pod's name if empty.
    pub hostname: String,
    /// Further lines of `/etc/hosts`.
    pub host_aliases: Vec<HostAlias>,
    /// `None` takes only `dnsConfig`.
    pub dns_policy: String,
    /// Lines of `/etc/resolv.conf`.
    pub dns_config: DnsConfig,
    /// The name behind `spec.serviceAccountName`.
    pub service_account_name: String,
    /// Identity of all containers.
    pub security_context: PodSecurityContext,
    /// Requests on top of the containers' own.
    pub overhead: BTreeMap<String, String>,
}

impl PodSpec {
    /// The isolation that it asks for and that is not served yet: such a pod is not run with less.
    pub fn unserved_isolation(&self) -> Option<&'static str> {
        [
            (self.host_users == Some(false), "spec.hostUsers: false"),
            (
                self.share_process_namespace,
                "spec.shareProcessNamespace: true",
            ),
            (!self.runtime_class_name.is_empty(), "spec.runtimeClassName"),
        ]
        .into_iter()
        .find_map(|(asked, name)| asked.then_some(name))
    }
}

/// `Container`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerSpec {
    /// Its name in the pod.
    pub name: String,
    /// Image reference.
    pub image: String,
    /// `Always`, `IfNotPresent`, `Never`.
    pub image_pull_policy: String,
    /// Replaces the image's entry point.
    pub command: Vec<String>,
    /// Replaces the image's arguments.
    pub args: Vec<String>,
    /// Replaces the image's working directory.
    pub working_dir: String,
    /// Environment, later ones win.
    pub env: Vec<EnvVar>,
    /// Environment from whole config maps and secrets, before `env`.
    pub env_from: Vec<EnvFrom>,
    /// Requests and limits.
    pub resources: Resources,
    /// What it mounts.
    pub volume_mounts: Vec<VolumeMount>,
    /// Identity and rights.
    pub security_context: SecurityContext,
    /// `Always` makes an init container a sidecar.
    pub restart_policy: String,
    /// Give it a terminal.
    pub tty: bool,
    /// Keep its standard input open.
    pub stdin: bool,
}

/// `EnvVar`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvVar {
    /// Its name.
    pub name: String,
    /// Its value, with `$(NAME)` for those before it.
    pub value: String,
    /// Where the value comes from instead.
    pub value_from: Option<EnvSource>,
}

/// `EnvVarSource`; one of the four.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvSource {
    /// A field of the pod.
    pub field_ref: Option<FieldRef>,
    /// A request or limit of a container.
    pub resource_field_ref: Option<ResourceFieldRef>,
    /// An entry of a config map.
    pub config_map_key_ref: Option<KeyRef>,
    /// An entry of a secret.
    pub secret_key_ref: Option<KeyRef>,
}

/// `ObjectFieldSelector`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FieldRef {
    /// As in `metadata.labels['app']`.
    pub field_path: String,
}

/// `ResourceFieldSelector`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceFieldRef {
    /// Of which container; its own if empty.
    pub container_name: String,
    /// As in `limits.cpu`.
    pub resource: String,
    /// What 1 means; 1 unit if empty.
    pub divisor: String,
}

/// `ConfigMapKeySelector`, `SecretKeySelector`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KeyRef {
    /// Of which object.
    pub name: String,
    /// Which entry.
    pub key: String,
    /// Whether it may be absent.
    pub optional: bool,
}

/// `EnvFromSource`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvFrom {
    /// Put before each name.
    pub prefix: String,
    /// All entries of a config map.
    pub config_map_ref: Option<SourceRef>,
    /// All entries of a secret.
    pub secret_ref: Option<SourceRef>,
}

/// `ConfigMapEnvSource`, `SecretEnvSource`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SourceRef {
    /// Of which object.
    pub name: String,
    /// Whether it may be absent.
    pub optional: bool,
}

/// `ResourceRequirements`, quantities as text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// What is set aside.
    pub requests: BTreeMap<String, String>,
    /// What is never exceeded.
    pub limits: BTreeMap<String, String>,
}

/// `HostAlias`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct HostAlias {
    /// The address.
    pub ip: String,
    /// Its names.
    pub hostnames: Vec<String>,
}

/// `PodDNSConfig`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct DnsConfig {
    /// Addresses of name servers.
    pub nameservers: Vec<String>,
    /// Search domains.
    pub searches: Vec<String>,
    /// Options.
    pub options: Vec<DnsOption>,
}

/// `PodDNSConfigOption`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct DnsOption {
    /// As in `ndots`.
    pub name: String,
    /// As in `5`.
    pub value: Option<String>,
}

/// `PodSecurityContext`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSecurityContext {
    /// User id.
    pub run_as_user: Option<i64>,
    /// Group id.
    pub run_as_group: Option<i64>,
    /// Refuse to run as user 0.
    pub run_as_non_root: Option<bool>,
    /// Further groups.
    pub supplemental_groups: Vec<i64>,
    /// Group of volumes.
    pub fs_group: Option<i64>,
}

/// `SecurityContext`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SecurityContext {
    /// User id.
    pub run_as_user: Option<i64>,
    /// Group id.
    pub run_as_group: Option<i64>,
    /// Refuse to run as user 0.
    pub run_as_non_root: Option<bool>,
    /// All rights.
    pub privileged: bool,
    /// Root file system read-only.
    pub read_only_root_filesystem: bool,
    /// `false` sets `no_new_privs`.
    pub allow_privilege_escalation: Option<bool>,
    /// Changes to the default set.
    pub capabilities: Capabilities,
}

/// `Capabilities`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    /// Added.
    pub add: Vec<String>,
    /// Dropped.
    pub drop: Vec<String>,
}

/// `PodStatus`, as far as a kubelet needs its own former reports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StatusView {
    /// As last reported.
    pub phase: String,
    /// As last reported, with those of others.
    pub conditions: Vec<Condition>,
    /// When a kubelet first saw it.
    pub start_time: Option<String>,
    /// Why the pod as a whole is as it is.
    pub reason: String,
    /// The same for people.
    pub message: String,
    /// As last reported.
    pub init_container_statuses: Vec<ContainerStatusView>,
    /// As last reported.
    pub container_statuses: Vec<ContainerStatusView>,
}

/// `ContainerStatus`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerStatusView {
    /// Of which container.
    pub name: String,
    /// How often it was started again.
    pub restart_count: u32,
    /// Empty if it was never started.
    #[serde(rename = "containerID")]
    pub container_id: String,
    /// How it is.
    pub state: ContainerStateView,
}

/// `ContainerState`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ContainerStateView {
    /// How it ended, if it has.
    pub terminated: Option<TerminatedView>,
}

/// `ContainerStateTerminated`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TerminatedView {
    /// Its exit code.
    pub exit_code: i32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn isolation_that_is_not_served_is_named() {
        let asked = |spec: &str| {
            let spec: PodSpec = serde_json::from_str(spec).expect("a spec");
            spec.unserved_isolation()
        };
        assert_eq!(asked("{}"), None);
        assert_eq!(asked(r#"{"hostUsers": true}"#), None);
        assert_eq!(
            asked(r#"{"hostUsers": false}"#),
            Some("spec.hostUsers: false")
        );
        assert_eq!(
            asked(r#"{"shareProcessNamespace": true}"#),
            Some("spec.shareProcessNamespace: true")
        );
        assert_eq!(
            asked(r#"{"runtimeClassName": "kata"}"#),
            Some("spec.runtimeClassName")
        );
    }
}
