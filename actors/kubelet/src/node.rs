//! The node's own objects: what it is and what it offers, its lease, and how much is left of it.

use std::cell::RefCell;
use std::fs;
use std::io;
use std::path::PathBuf;

use model::machines::kubelet::Measure;
use model::machines::kubelet::node::{LEASE_DURATION_S, NodeCondition};
use model::machines::kubelet::pod::Requests;
use model::messages::api::PatchType;
use model::objects::bytes::Bytes;
use model::objects::key::ObjectKey;
use model::objects::kinds;
use model::objects::meta;
use model::objects::object::Object;
use model::objects::status::Reason;
use model::rules::time;
use runtime::cri::RuntimeVersion;
use serde_json::{Value, json};
use shell::{ApiClient, CallError, Environment};

use crate::config::Config;

/// Namespace of the nodes' leases.
const LEASES: &str = "kube-node-lease";

/// The version of Kubernetes whose API this system speaks.
const KUBELET_VERSION: &str = concat!("v1.36.0+plimsoll-", env!("CARGO_PKG_VERSION"));

/// The machine below, as far as nodes tell it.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    cpus: i64,
    memory_bytes: i64,
    info: Value,
}

impl Machine {
    /// Looks at the machine.
    pub(crate) fn look(runtime: &RuntimeVersion) -> io::Result<Self> {
        let read = |path: &str| fs::read_to_string(path).map(|text| text.trim().to_owned());
        let cpus = std::thread::available_parallelism()?.get();
        let memory = meminfo("MemTotal")?;
        let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let pretty = system
            .lines()
            .find_map(|line| line.strip_prefix("PRETTY_NAME="));
        let info = json!({
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
        });
        Ok(Machine {
            cpus: i64::try_from(cpus).unwrap_or(1),
            memory_bytes: i64::try_from(memory).unwrap_or(i64::MAX),
            info,
        })
    }

    /// What the node offers: as configured, else the whole machine.
    pub(crate) fn capacity(&self, config: &Config) -> Requests {
        let capacity = &config.capacity;
        Requests {
            cpu_milli: capacity.cpu_milli.unwrap_or(self.cpus.saturating_mul(1000)),
            memory_bytes: capacity.memory_bytes.unwrap_or(self.memory_bytes),
        }
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

/// Writes the node's objects.
pub(crate) struct NodeWriter {
    environment: Environment,
    name: String,
    /// The node as it is created, without conditions.
    node: Value,
    /// Where pods' files are: the disk that is measured.
    directory: PathBuf,
    /// UID of the node object, the owner of its lease.
    uid: RefCell<String>,
}

impl NodeWriter {
    pub(crate) fn new(config: &Config, machine: &Machine, environment: Environment) -> Self {
        NodeWriter {
            environment,
            name: config.node_name.clone(),
            node: node(config, machine),
            directory: config.directory.clone(),
            uid: RefCell::default(),
        }
    }

    fn key(&self) -> ObjectKey {
        ObjectKey::new(kinds::nodes(), "", &self.name)
    }

    /// Creates the node object or brings the present one up to date. Tells the revision of the last write.
    pub(crate) async fn register(
        &self,
        client: &ApiClient,
        conditions: &[NodeCondition],
    ) -> Result<u64, CallError> {
        let mut body = self.node.clone();
        body["status"]["conditions"] = json!(conditions);
        let created = client
            .create(&kinds::nodes(), "", Bytes::from(body.to_string().as_str()))
            .await;
        if let Err(error) = created {
            if error.reason() != Some(Reason::AlreadyExists) {
                return Err(error);
            }
            let patch = json!({"metadata": {"labels": self.node["metadata"]["labels"]}});
            self.patch(client, "", &patch).await?;
        }
        let written = self.write_status(client, conditions).await?;
        if let Ok(meta) = meta::read(&written.body) {
            *self.uid.borrow_mut() = meta.uid;
        }
        Ok(written.revision)
    }

    /// Writes the node's status.
    pub(crate) async fn write_status(
        &self,
        client: &ApiClient,
        conditions: &[NodeCondition],
    ) -> Result<Object, CallError> {
        let mut status = self.node["status"].clone();
        status["conditions"] = json!(conditions);
        self.patch(client, "status", &json!({"status": status}))
            .await
    }

    async fn patch(
        &self,
        client: &ApiClient,
        subresource: &str,
        patch: &Value,
    ) -> Result<Object, CallError> {
        let body = Bytes::from(patch.to_string().as_str());
        client
            .patch(&self.key(), subresource, PatchType::Merge, body)
            .await
    }

    /// Renews the node's lease, or creates it (KEP-589).
    pub(crate) async fn renew_lease(&self, client: &ApiClient) -> Result<(), CallError> {
        let now = time::micros(self.environment.now());
        let key = ObjectKey::new(kinds::leases(), LEASES, &self.name);
        let renewal = json!({"spec": {"renewTime": now}}).to_string();
        let renewed = client
            .patch(&key, "", PatchType::Merge, Bytes::from(renewal.as_str()))
            .await;
        match renewed {
            Err(error) if error.reason() == Some(Reason::NotFound) => {}
            renewed => return renewed.map(drop),
        }
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": self.name,
                "namespace": LEASES,
                "ownerReferences": [{
                    "apiVersion": "v1", "kind": "Node", "name": self.name, "uid": *self.uid.borrow(),
                }],
            },
            "spec": {
                "holderIdentity": self.name,
                "leaseDurationSeconds": LEASE_DURATION_S,
                "renewTime": now,
            },
        });
        let body = Bytes::from(lease.to_string().as_str());
        client
            .create(&kinds::leases(), LEASES, body)
            .await
            .map(drop)
    }

    /// What is left of memory, disk and process ids.
    pub(crate) fn measure(&self) -> io::Result<Measure> {
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

fn permille(part: u64, whole: u64) -> u16 {
    let share = u128::from(part) * 1000 / u128::from(whole.max(1));
    u16::try_from(share.min(1000)).unwrap_or(1000)
}

fn node(config: &Config, machine: &Machine) -> Value {
    let capacity = machine.capacity(config);
    let cpu = match capacity.cpu_milli {
        milli if milli % 1000 == 0 => (milli / 1000).to_string(),
        milli => format!("{milli}m"),
    };
    let offers = json!({
        "cpu": cpu,
        "memory": format!("{}Ki", capacity.memory_bytes / 1024),
        "pods": config.capacity.pods.to_string(),
        "ephemeral-storage": ephemeral_storage(config),
    });
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": config.node_name, "labels": labels(config)},
        "spec": {
            "podCIDR": config.pod_cidr.to_string(),
            "podCIDRs": [config.pod_cidr.to_string()],
        },
        "status": {
            "capacity": offers,
            "allocatable": offers,
            "addresses": [
                {"type": "InternalIP", "address": config.node_address.to_string()},
                {"type": "Hostname", "address": config.node_name},
            ],
            "nodeInfo": machine.info,
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
        },
    })
}

/// The size of the disk that holds the pods.
fn ephemeral_storage(config: &Config) -> String {
    let bytes = nix::sys::statvfs::statvfs(&config.directory)
        .map(|disk| disk.blocks().saturating_mul(disk.fragment_size()));
    format!("{}Ki", bytes.unwrap_or(0) / 1024)
}

/// The labels that every node has.
pub(crate) fn labels(config: &Config) -> Value {
    json!({
        "kubernetes.io/hostname": config.node_name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": architecture(),
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": architecture(),
    })
}
