//! The embedded runtime: containers without anything installed.

mod capabilities;
mod container;
mod exec;
mod pod_files;
mod sandbox;
mod service;
mod shim;
mod spec;
mod start;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;

use crate::cri::{ContainerEvent, SandboxId};
use crate::error::{Error, Result};
use crate::image::Store;
use crate::network::{Network, Subnet};
use crate::{cgroup, durable};
use sandbox::Sandbox;

/// Events a subscriber may stay behind before it is told to list again.
const EVENTS_MAX: usize = 4096;

/// Where cgroups are made, below every hierarchy's root.
const CGROUP: &str = "/plimsoll";

/// What an embedded runtime is opened with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Directory of this node's sandboxes; one runtime at a time may have it.
    pub root: PathBuf,
    /// Directory of images; nodes of one machine may share it.
    pub images: PathBuf,
    /// The node's name.
    pub node_name: String,
    /// Addresses for this node's pods; no two nodes may share one.
    pub pod_cidr: Subnet,
    /// Program and first arguments of the shim, to which its state directory is added. The program must
    /// call [`shim_main`](crate::shim_main) first of all.
    pub shim: Vec<OsString>,
}

/// A container runtime inside this process, with a shim process per pod.
///
/// Dropping it stops nothing: the shims hold their pods, and the next runtime opened on the same root
/// adopts them. [`close`](Self::close) is for the last time.
pub struct EmbeddedRuntime {
    node: Arc<Node>,
    sandboxes: Mutex<BTreeMap<SandboxId, Arc<Sandbox>>>,
    _lock: File,
}

/// What every sandbox of a node needs.
struct Node {
    options: Options,
    store: Store,
    network: Network,
    events: broadcast::Sender<ContainerEvent>,
    cgroup: PathBuf,
    oom_score_adj_min: i32,
}

impl EmbeddedRuntime {
    /// Opens the runtime: makes the bridge and the image `plimsoll/echo`, adopts the pods whose shims
    /// live, takes down what was half made, and notes what has died meanwhile.
    /// Errors: `Runtime` if another runtime has the directory, if it cannot be written, or if the pod
    /// network is taken.
    pub async fn open(options: Options) -> Result<Self> {
        let root = options.root.clone();
        let pods = root.join("pods");
        durable::private_directory(&pods).map_err(|e| failed(&pods, e))?;
        let lock = lock(&root)?;
        let root = fs::canonicalize(&root).map_err(|e| failed(&root, e))?;
        let images = options.images.clone();
        let store = blocking(move || Store::open(images)).await?;
        let salt = root.to_string_lossy().into_owned();
        let network = Network::open(
            &root.join("network"),
            &options.node_name,
            &salt,
            options.pod_cidr,
        )
        .await?;
        let digest = crate::image::digest(format!("{salt}/{}", options.node_name).as_bytes());
        let node = Arc::new(Node {
            cgroup: Path::new(CGROUP).join(&digest["sha256:".len()..][..16]),
            options: Options { root, ..options },
            store,
            network,
            events: broadcast::channel(EVENTS_MAX).0,
            oom_score_adj_min: oom_score_adj_min(),
        });
        let sandboxes = start::adopt(&node).await?;
        let known: Vec<String> = sandboxes.keys().map(|id| id.0.clone()).collect();
        node.network.retain(&known).await?;
        Ok(Self {
            node,
            sandboxes: Mutex::new(sandboxes),
            _lock: lock,
        })
    }

    /// Takes down the node's bridge and cgroup, if no sandbox is left; otherwise changes nothing, and
    /// the pods go on.
    pub async fn close(&self) -> Result<()> {
        if !self.sandboxes().is_empty() {
            return Ok(());
        }
        self.node.network.remove().await?;
        let group = self.node.cgroup.clone();
        let removed = blocking(move || {
            let gone =
                cgroup::remove(&group).and_then(|()| cgroup::remove_if_empty(Path::new(CGROUP)));
            gone.map_err(|e| Error::Runtime(format!("cgroup: {e}")))
        });
        removed.await
    }

    fn sandboxes(&self) -> MutexGuard<'_, BTreeMap<SandboxId, Arc<Sandbox>>> {
        locked(&self.sandboxes)
    }
}

impl Node {
    fn pods(&self) -> PathBuf {
        self.options.root.join("pods")
    }

    /// Tells subscribers. That there are none is no error.
    fn tell(&self, event: ContainerEvent) {
        let _ = self.events.send(event);
    }
}

/// A value behind a lock. No code that holds one panics half way through a change.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs work that waits for the disk on a thread of its own.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(Error::Runtime(error.to_string())),
    }
}

fn lock(root: &Path) -> Result<File> {
    let path = root.join("lock");
    let file = File::create(&path).map_err(|e| failed(&path, e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Runtime(format!(
            "{} is in use by another kubelet",
            root.display()
        ))),
        Err(TryLockError::Error(e)) => Err(failed(&path, e)),
    }
}

/// The lowest adjustment this process may set: its own without CAP_SYS_RESOURCE (proc(5)).
fn oom_score_adj_min() -> i32 {
    const CAP_SYS_RESOURCE: u32 = 24;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or(0);
    if effective & (1 << CAP_SYS_RESOURCE) != 0 {
        return -1000;
    }
    let own = fs::read_to_string("/proc/self/oom_score_adj").unwrap_or_default();
    own.trim().parse().unwrap_or(0)
}

fn failed(path: &Path, error: io::Error) -> Error {
    Error::Runtime(format!("{}: {error}", path.display()))
}
