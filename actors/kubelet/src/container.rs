//! From a pod's spec to the runtime's configuration of its sandbox and containers.

use std::collections::BTreeMap;
use std::path::PathBuf;

use model::machines::kubelet::pod::Pod;
use model::objects::pod::{ContainerSpec, EnvVar, PodView};
use model::rules::env::{self, NodeFacts};
use model::rules::qos::{cpu_quota, cpu_shares, oom_score_adj, qos};
use model::rules::resources;
use runtime::cri::{
    ContainerConfig, DnsConfig, HostAlias, Image, Mount, PodSandboxConfig, Resources,
    SecurityContext,
};
use shell::ApiClient;

use crate::pods::Directories;
use crate::report::{annotation, labels};
use crate::sources::{self, Kind, SourceError, entries};
use crate::volumes;

/// Bytes that Linux gives a host name at most.
const HOSTNAME_MAX: usize = 63;

/// Everything that is needed beside the spec.
pub(crate) struct Surroundings<'a> {
    pub(crate) client: &'a ApiClient,
    pub(crate) directories: &'a Directories,
    pub(crate) facts: NodeFacts,
    /// Memory of the node in bytes.
    pub(crate) memory_bytes: i64,
}

/// A container's configuration cannot be made: `CreateContainerConfigError`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ConfigError(pub(crate) String);

impl ConfigError {
    fn because(error: impl ToString) -> Self {
        ConfigError(error.to_string())
    }
}

/// The configuration of a pod's sandbox.
pub(crate) fn sandbox(
    view: &PodView,
    pod: &Pod,
    attempt: u32,
    directories: &Directories,
) -> PodSandboxConfig {
    let spec = &view.spec;
    let meta = &view.metadata;
    let mut hostname = match spec.hostname.as_str() {
        "" => meta.name.clone(),
        name => name.to_owned(),
    };
    // Object names are ASCII; one that is not stays whole and the runtime refuses it.
    if hostname.is_ascii() {
        hostname.truncate(HOSTNAME_MAX);
    }
    let dns = &spec.dns_config;
    let option = |option: &model::objects::pod::DnsOption| match &option.value {
        Some(value) => format!("{}:{value}", option.name),
        None => option.name.clone(),
    };
    let own_dns = spec.dns_policy == "None";
    PodSandboxConfig {
        uid: meta.uid.clone(),
        namespace: meta.namespace.clone(),
        name: meta.name.clone(),
        attempt,
        hostname: hostname.trim_end_matches(['-', '.']).to_owned(),
        dns: own_dns.then(|| DnsConfig {
            servers: dns.nameservers.clone(),
            searches: dns.searches.clone(),
            options: dns.options.iter().map(option).collect(),
        }),
        host_aliases: spec
            .host_aliases
            .iter()
            .map(|alias| HostAlias {
                ip: alias.ip.clone(),
                hostnames: alias.hostnames.clone(),
            })
            .collect(),
        log_directory: directories.pod_logs(&pod.name),
        host_network: spec.host_network,
        host_pid: spec.host_pid,
        host_ipc: spec.host_ipc,
        labels: labels(&meta.namespace, &meta.name, &meta.uid, None),
        annotations: BTreeMap::from([
            (annotation::GRACE.to_owned(), pod.grace_s.to_string()),
            (
                annotation::CPU.to_owned(),
                pod.requests.cpu_milli.to_string(),
            ),
            (
                annotation::MEMORY.to_owned(),
                pod.requests.memory_bytes.to_string(),
            ),
        ]),
    }
}

/// The configuration of one of a pod's containers. Config maps and secrets of its environment are read here.
pub(crate) async fn container(
    around: &Surroundings<'_>,
    view: &PodView,
    spec: &ContainerSpec,
    attempt: u32,
    image: &Image,
) -> Result<ContainerConfig, ConfigError> {
    let envs = environment(around, view, spec).await?;
    let lookup = |name: &str| {
        let found = envs.iter().rev().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    };
    let expanded = |words: &[String]| -> Vec<String> {
        words.iter().map(|word| env::expand(word, lookup)).collect()
    };
    let meta = &view.metadata;
    Ok(ContainerConfig {
        name: spec.name.clone(),
        attempt,
        image: spec.image.clone(),
        command: expanded(&spec.command),
        args: expanded(&spec.args),
        working_dir: spec.working_dir.clone(),
        mounts: mounts(around, view, spec, &lookup)?,
        resources: resources(around, view, spec)?,
        security: security(view, spec, image)?,
        log_path: PathBuf::from(&spec.name).join(format!("{attempt}.log")),
        tty: spec.tty,
        stdin: spec.stdin,
        labels: labels(&meta.namespace, &meta.name, &meta.uid, Some(&spec.name)),
        annotations: BTreeMap::new(),
        envs: envs
            .into_iter()
            .map(|(name, value)| runtime::cri::EnvVar { name, value })
            .collect(),
    })
}

/// `envFrom`, then `env`; later ones win, and `$(NAME)` sees those before it
/// (kubernetes `pkg/kubelet/kubelet_pods.go`, `makeEnvironmentVariables`).
async fn environment(
    around: &Surroundings<'_>,
    view: &PodView,
    spec: &ContainerSpec,
) -> Result<Vec<(String, String)>, ConfigError> {
    let namespace = &view.metadata.namespace;
    let mut envs: Vec<(String, String)> = Vec::new();
    for source in &spec.env_from {
        let (kind, reference) = match (&source.config_map_ref, &source.secret_ref) {
            (Some(reference), _) => (Kind::ConfigMap, reference),
            (None, Some(reference)) => (Kind::Secret, reference),
            (None, None) => continue,
        };
        let found = entries(
            around.client,
            kind,
            namespace,
            &reference.name,
            reference.optional,
        );
        let found = found.await.map_err(ConfigError::because)?;
        for (key, bytes) in found.unwrap_or_default().data {
            let name = format!("{}{key}", source.prefix);
            if env::is_name(&name) {
                set(&mut envs, name, text(&key, bytes)?);
            }
        }
    }
    for variable in &spec.env {
        if let Some(value) = value(around, view, spec, variable, &envs).await? {
            set(&mut envs, variable.name.clone(), value);
        }
    }
    Ok(envs)
}

fn set(envs: &mut Vec<(String, String)>, name: String, value: String) {
    envs.retain(|(known, _)| *known != name);
    envs.push((name, value));
}

fn text(key: &str, bytes: Vec<u8>) -> Result<String, ConfigError> {
    String::from_utf8(bytes).map_err(|_| {
        ConfigError(format!(
            "the value of {key} is not text and cannot be a variable"
        ))
    })
}

/// A variable's value; `None` for one whose optional source is absent.
async fn value(
    around: &Surroundings<'_>,
    view: &PodView,
    spec: &ContainerSpec,
    variable: &EnvVar,
    before: &[(String, String)],
) -> Result<Option<String>, ConfigError> {
    let Some(source) = &variable.value_from else {
        let lookup = |name: &str| {
            let found = before.iter().rev().find(|(known, _)| known == name);
            found.map(|(_, value)| value.as_str())
        };
        return Ok(Some(env::expand(&variable.value, lookup)));
    };
    if let Some(field) = &source.field_ref {
        let value = env::field(view, &around.facts, &field.field_path);
        return value.map(Some).map_err(ConfigError::because);
    }
    if let Some(resource) = &source.resource_field_ref {
        let value = env::resource(view, &around.facts, &spec.name, resource);
        return value.map(Some).map_err(ConfigError::because);
    }
    let (kind, reference) = match (&source.config_map_key_ref, &source.secret_key_ref) {
        (Some(reference), _) => (Kind::ConfigMap, reference),
        (None, Some(reference)) => (Kind::Secret, reference),
        (None, None) => return Ok(Some(String::new())),
    };
    let (namespace, name) = (&view.metadata.namespace, &reference.name);
    let found = entries(around.client, kind, namespace, name, reference.optional).await;
    let mut found = match found.map_err(ConfigError::because)? {
        Some(found) => found,
        None => return Ok(None),
    };
    match found.data.remove(&reference.key) {
        Some(bytes) => text(&reference.key, bytes).map(Some),
        None if reference.optional => Ok(None),
        None => {
            let error: SourceError = sources::no_such_key(kind, namespace, name, &reference.key);
            Err(ConfigError::because(error))
        }
    }
}

fn mounts<'a>(
    around: &Surroundings<'_>,
    view: &PodView,
    spec: &ContainerSpec,
    lookup: &impl Fn(&str) -> Option<&'a str>,
) -> Result<Vec<Mount>, ConfigError> {
    let mut mounts = Vec::new();
    for mount in &spec.volume_mounts {
        let volumes = &view.spec.volumes;
        let volume = volumes.iter().find(|volume| volume.name == mount.name);
        let volume = volume.ok_or_else(|| {
            ConfigError(format!(
                "cannot find volume {:?} to mount into container {:?}",
                mount.name, spec.name
            ))
        })?;
        let mut host = volumes::host_side(around.directories, view, volume);
        if !mount.sub_path.is_empty() {
            let sub = volumes::inside(&env::expand(&mount.sub_path, lookup));
            let sub = host.join(sub.map_err(ConfigError::because)?);
            if !sub.exists() {
                std::fs::create_dir_all(&sub)
                    .map_err(|error| ConfigError(format!("{}: {error}", sub.display())))?;
            }
            // A link inside the volume must not lead out of it.
            let canonical = |path: &PathBuf| {
                std::fs::canonicalize(path)
                    .map_err(|error| ConfigError(format!("{}: {error}", path.display())))
            };
            let (real, root) = (canonical(&sub)?, canonical(&host)?);
            if !real.starts_with(&root) {
                return Err(ConfigError(format!(
                    "subPath {:?} leads out of its volume",
                    mount.sub_path
                )));
            }
            host = real;
        }
        let projected =
            volume.config_map.is_some() || volume.secret.is_some() || volume.downward_api.is_some();
        mounts.push(Mount {
            host_path: host,
            container_path: PathBuf::from(&mount.mount_path),
            readonly: mount.read_only || projected,
        });
    }
    Ok(mounts)
}

fn resources(
    around: &Surroundings<'_>,
    view: &PodView,
    spec: &ContainerSpec,
) -> Result<Resources, ConfigError> {
    let (requests, limits) = (&spec.resources.requests, &spec.resources.limits);
    let cpu = |list| resources::cpu(list).map_err(ConfigError::because);
    let memory = |list| resources::memory(list).map_err(ConfigError::because);
    let class = qos(&view.spec).map_err(ConfigError::because)?;
    let memory_limit = memory(limits)?;
    let memory_request = memory(requests)?.or(memory_limit).unwrap_or(0);
    let quota = cpu_quota(cpu(limits)?.unwrap_or(0));
    Ok(Resources {
        cpu_shares: cpu_shares(cpu(requests)?.or(cpu(limits)?).unwrap_or(0)),
        cpu_quota: quota,
        cpu_period: if quota > 0 { 100_000 } else { 0 },
        memory_limit: memory_limit.unwrap_or(0),
        pids_limit: 0,
        oom_score_adj: oom_score_adj(class, memory_request, around.memory_bytes),
    })
}

fn security(
    view: &PodView,
    spec: &ContainerSpec,
    image: &Image,
) -> Result<SecurityContext, ConfigError> {
    let (pod, own) = (&view.spec.security_context, &spec.security_context);
    let id = |own: Option<i64>, pod: Option<i64>| -> Result<Option<u32>, ConfigError> {
        let id = own.or(pod).map(u32::try_from).transpose();
        id.map_err(|_| ConfigError("a user or group id is out of range".to_owned()))
    };
    let user = id(own.run_as_user, pod.run_as_user)?;
    if own.run_as_non_root.or(pod.run_as_non_root) == Some(true) {
        let refused = match (user, image.uid, image.username.as_str()) {
            (Some(0), _, _) => Some("container's runAsUser breaks non-root policy"),
            (Some(_), _, _) => None,
            (None, Some(0), _) | (None, None, "" | "root") => {
                Some("container has runAsNonRoot and image will run as root")
            }
            (None, Some(_), _) => None,
            (None, None, _) => Some(
                "container has runAsNonRoot and image has non-numeric user, cannot verify user is non-root",
            ),
        };
        if let Some(refused) = refused {
            return Err(ConfigError(refused.to_owned()));
        }
    }
    let groups = pod.supplemental_groups.iter().chain(&pod.fs_group);
    let groups: Result<Vec<u32>, _> = groups.map(|group| u32::try_from(*group)).collect();
    Ok(SecurityContext {
        run_as_user: user,
        run_as_group: id(own.run_as_group, pod.run_as_group)?,
        supplemental_groups: groups
            .map_err(|_| ConfigError("a group id is out of range".to_owned()))?,
        privileged: own.privileged,
        readonly_rootfs: own.read_only_root_filesystem,
        no_new_privs: own.allow_privilege_escalation == Some(false),
        add_capabilities: own.capabilities.add.clone(),
        drop_capabilities: own.capabilities.drop.clone(),
    })
}
