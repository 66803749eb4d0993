//! The OCI runtime configuration of a container (OCI runtime specification, `config.md`,
//! `config-linux.md`), with the defaults containerd gives under Kubernetes.

use std::collections::BTreeSet;
use std::path::Path;

use libcontainer::oci_spec::runtime::Spec;
use serde_json::{Value, json};

use super::{capabilities, pod_files};
use crate::cgroup;
use crate::cri::{ContainerConfig, PodSandboxConfig, Resources};
use crate::image::{ImageConfig, User};
use crate::state::file;

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

const READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// Default length of a period of processor time in microseconds.
const CPU_PERIOD: u64 = 100_000;

/// Everything a container's configuration is made from.
pub(super) struct Sources<'a> {
    pub(super) pod: &'a PodSandboxConfig,
    pub(super) config: &'a ContainerConfig,
    pub(super) image: &'a ImageConfig,
    pub(super) user: &'a User,
    /// The sandbox's directory.
    pub(super) sandbox: &'a Path,
    pub(super) cgroup: &'a Path,
    /// The lowest `oom_score_adj` this node may set.
    pub(super) oom_score_adj_min: i32,
}

/// The configuration. Errors tell what in the request can never work.
pub(super) fn build(sources: &Sources<'_>) -> Result<Spec, String> {
    let Sources {
        pod,
        config,
        cgroup,
        ..
    } = sources;
    let security = &config.security;
    let mut namespaces = vec![json!({"type": "mount"})];
    if !pod.host_pid {
        namespaces.push(json!({"type": "pid"}));
    }
    // The network, uts and ipc namespaces are the shim's own and are inherited.
    if cgroup::unified() {
        namespaces.push(json!({"type": "cgroup"}));
    }
    let (masked, read_only): (&[&str], &[&str]) = match security.privileged {
        true => (&[], &[]),
        false => (&MASKED, &READ_ONLY),
    };
    let spec = json!({
        "ociVersion": "1.0.2",
        "root": {"path": file::ROOTFS, "readonly": security.readonly_rootfs},
        "process": process(sources)?,
        "mounts": mounts(sources)?,
        "linux": {
            "namespaces": namespaces,
            "cgroupsPath": cgroup,
            "resources": resources(&config.resources, security.privileged)?,
            "maskedPaths": masked,
            "readonlyPaths": read_only,
        },
    });
    serde_json::from_value(spec).map_err(|e| e.to_string())
}

fn process(sources: &Sources<'_>) -> Result<Value, String> {
    let Sources {
        pod,
        config,
        image,
        user,
        oom_score_adj_min,
        ..
    } = sources;
    let security = &config.security;
    let mut groups = BTreeSet::from_iter(security.supplemental_groups.iter().chain(&user.groups));
    groups.remove(&user.gid);
    let mut process = json!({
        "terminal": config.tty,
        "user": {"uid": user.uid, "gid": user.gid, "additionalGids": groups},
        "args": args(config, image)?,
        "env": environment(pod, config, image)?,
        "cwd": working_directory(config, image)?,
        "capabilities": capabilities::of(security)?,
    });
    if security.no_new_privs {
        process["noNewPrivileges"] = json!(true);
    }
    process["oomScoreAdj"] = json!(
        config
            .resources
            .oom_score_adj
            .clamp(*oom_score_adj_min, 1000)
    );
    Ok(process)
}

/// `command` replaces entry point and arguments of the image, `args` its arguments only
/// (Kubernetes API, `Container.command`).
fn args<'a>(config: &'a ContainerConfig, image: &'a ImageConfig) -> Result<Vec<&'a str>, String> {
    let (first, rest) = match (config.command.is_empty(), config.args.is_empty()) {
        (true, true) => (&image.entrypoint, &image.cmd),
        (true, false) => (&image.entrypoint, &config.args),
        (false, _) => (&config.command, &config.args),
    };
    let args: Vec<&str> = first.iter().chain(rest).map(String::as_str).collect();
    if args.is_empty() {
        return Err("no command specified".to_owned());
    }
    no_zero_bytes("command", &args)?;
    Ok(args)
}

fn environment(
    pod: &PodSandboxConfig,
    config: &ContainerConfig,
    image: &ImageConfig,
) -> Result<Vec<String>, String> {
    let mut names: Vec<(String, String)> = vec![("PATH".to_owned(), DEFAULT_PATH.to_owned())];
    if config.tty {
        names.push(("TERM".to_owned(), "xterm".to_owned()));
    }
    names.push(("HOSTNAME".to_owned(), pod.hostname.clone()));
    let of_image = image.env.iter().filter_map(|line| line.split_once('='));
    let of_image = of_image.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let of_config = config
        .envs
        .iter()
        .map(|env| (env.name.clone(), env.value.clone()));
    for (name, value) in of_image.chain(of_config) {
        if name.is_empty() || name.contains('=') {
            return Err(format!("{name:?} is not a name of an environment variable"));
        }
        match names.iter_mut().find(|(known, _)| *known == name) {
            Some(known) => known.1 = value,
            None => names.push((name, value)),
        }
    }
    let lines: Vec<String> = names
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    no_zero_bytes("environment", &lines)?;
    Ok(lines)
}

fn working_directory<'a>(
    config: &'a ContainerConfig,
    image: &'a ImageConfig,
) -> Result<&'a str, String> {
    let chosen = [config.working_dir.as_str(), image.working_dir.as_str(), "/"];
    let directory = chosen
        .into_iter()
        .find(|directory| !directory.is_empty())
        .unwrap_or("/");
    if directory.starts_with('/') {
        Ok(directory)
    } else {
        Err(format!("working directory {directory:?} is not absolute"))
    }
}

fn no_zero_bytes(what: &str, texts: &[impl AsRef<str>]) -> Result<(), String> {
    match texts.iter().find(|text| text.as_ref().contains('\0')) {
        Some(text) => Err(format!("{what} {:?} holds a zero byte", text.as_ref())),
        None => Ok(()),
    }
}

fn resources(limits: &Resources, privileged: bool) -> Result<Value, String> {
    let mut cpu = json!({});
    if limits.cpu_shares > 0 {
        // The kernel's own bounds.
        cpu["shares"] = json!(limits.cpu_shares.clamp(2, 262_144));
    }
    if limits.cpu_quota > 0 {
        let period = if limits.cpu_period == 0 {
            CPU_PERIOD
        } else {
            limits.cpu_period
        };
        cpu["quota"] = json!(limits.cpu_quota);
        cpu["period"] = json!(period);
    }
    let mut memory = json!({});
    if limits.memory_limit > 0 {
        memory["limit"] = json!(limits.memory_limit);
        // Without it a machine with swap would let the container use as much swap again.
        memory["swap"] = json!(limits.memory_limit);
    }
    let mut resources = json!({"cpu": cpu, "memory": memory});
    if limits.pids_limit > 0 {
        resources["pids"] = json!({"limit": limits.pids_limit});
    }
    resources["devices"] = json!([{"allow": privileged, "access": "rwm"}]);
    Ok(resources)
}

fn mounts(sources: &Sources<'_>) -> Result<Value, String> {
    let Sources {
        config, sandbox, ..
    } = sources;
    let sys = if config.security.privileged {
        "rw"
    } else {
        "ro"
    };
    let mut mounts = vec![
        json!({"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]}),
        json!({"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
            "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]}),
        json!({"destination": "/dev/pts", "type": "devpts", "source": "devpts",
            "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]}),
        json!({"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
            "options": ["nosuid", "noexec", "nodev"]}),
        json!({"destination": "/sys", "type": "sysfs", "source": "sysfs",
            "options": ["nosuid", "noexec", "nodev", sys]}),
    ];
    if cgroup::unified() {
        mounts.push(
            json!({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
            "options": ["nosuid", "noexec", "nodev", "relatime", sys]}),
        );
    }
    let bind = |source: &Path, destination: &Path, readonly: bool| {
        let access = if readonly { "ro" } else { "rw" };
        json!({"destination": destination, "type": "bind", "source": source,
            "options": ["rbind", "rprivate", access]})
    };
    let asked = |path: &Path| {
        config
            .mounts
            .iter()
            .any(|mount| mount.container_path == path)
    };
    let shm = Path::new("/dev/shm");
    if !asked(shm) {
        mounts.push(bind(&sandbox.join(file::SHM), shm, false));
    }
    for (inside, name) in pod_files::FILES {
        let inside = Path::new(inside);
        if !asked(inside) {
            mounts.push(bind(
                &sandbox.join(file::ETC).join(name),
                inside,
                config.security.readonly_rootfs,
            ));
        }
    }
    for mount in &config.mounts {
        if !mount.container_path.is_absolute() || !mount.host_path.is_absolute() {
            return Err(format!(
                "mount of {} at {}: both must be absolute",
                mount.host_path.display(),
                mount.container_path.display()
            ));
        }
        mounts.push(bind(
            &mount.host_path,
            &mount.container_path,
            mount.readonly,
        ));
    }
    Ok(Value::Array(mounts))
}
