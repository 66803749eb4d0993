//! A sandbox as the runtime has it: its making, its end.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

use super::container::Container;
use super::shim::{self, ShimClient, Told};
use super::{Node, blocking, failed, locked, pod_files};
use crate::cri::{ContainerEvent, PodSandboxConfig, PodSandboxStatus, SandboxId, SandboxState};
use crate::error::{Error, Result};
use crate::process::ProcessIdentity;
use crate::shim::protocol::Call;
use crate::state::{Phase, SandboxRecord, file};
use crate::{cgroup, durable};

/// Longest host name (utsname(2)).
const HOSTNAME_BYTES_MAX: usize = 64;

/// A sandbox of this node.
pub(super) struct Sandbox {
    pub(super) node: Arc<Node>,
    pub(super) id: SandboxId,
    pub(super) directory: PathBuf,
    pub(super) state: Mutex<State>,
    /// Held while the sandbox is made or taken down.
    making: tokio::sync::Mutex<()>,
}

/// What changes.
pub(super) struct State {
    pub(super) record: SandboxRecord,
    pub(super) shim: Option<Arc<ShimClient>>,
    /// By name of their directories.
    pub(super) containers: BTreeMap<String, Container>,
}

impl Sandbox {
    /// A sandbox that is to be made from `config`.
    pub(super) fn planned(node: &Arc<Node>, config: &PodSandboxConfig) -> Result<Arc<Self>> {
        check(config).map_err(|message| sandbox_error(config, message))?;
        let id = SandboxId(format!("{}_{}", config.uid, config.attempt));
        let record = SandboxRecord {
            config: config.clone(),
            created_at: durable::now(),
            cgroup: node.cgroup.join(&id.0),
            phase: Phase::Preparing,
            address: None,
        };
        Ok(Self::known(node, id, record, BTreeMap::new()))
    }

    /// A sandbox as it lies on disk.
    pub(super) fn known(
        node: &Arc<Node>,
        id: SandboxId,
        record: SandboxRecord,
        containers: BTreeMap<String, Container>,
    ) -> Arc<Self> {
        Arc::new(Self {
            node: Arc::clone(node),
            directory: node.pods().join(&id.0),
            id,
            state: Mutex::new(State {
                record,
                shim: None,
                containers,
            }),
            making: tokio::sync::Mutex::new(()),
        })
    }

    pub(super) fn status(&self) -> PodSandboxStatus {
        let state = locked(&self.state);
        let SandboxRecord {
            config,
            created_at,
            phase,
            address,
            ..
        } = &state.record;
        let ready = *phase == Phase::Ready;
        PodSandboxStatus {
            id: self.id.clone(),
            uid: config.uid.clone(),
            namespace: config.namespace.clone(),
            name: config.name.clone(),
            attempt: config.attempt,
            state: if ready {
                SandboxState::Ready
            } else {
                SandboxState::NotReady
            },
            created_at: *created_at,
            ips: address
                .filter(|_| ready)
                .map(IpAddr::V4)
                .into_iter()
                .collect(),
            labels: config.labels.clone(),
            annotations: config.annotations.clone(),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        locked(&self.state).record.phase
    }

    /// Makes the sandbox, or finds it made. What failed half way is taken down again.
    pub(super) async fn make(self: &Arc<Self>) -> Result<()> {
        let _making = self.making.lock().await;
        let config = locked(&self.state).record.config.clone();
        match self.phase() {
            Phase::Ready => return Ok(()),
            Phase::Stopped => {
                let why = "this attempt was stopped: remove it, or count the attempt up".to_owned();
                return Err(sandbox_error(&config, why));
            }
            Phase::Preparing => {}
        }
        let made = self.make_parts(&config).await;
        if let Err(error) = made {
            // The first error is the one to tell.
            if let Err(further) = self.take_down().await {
                tracing::error!(sandbox = %self.id, %further, "a sandbox that failed could not be taken down");
            }
            let _ = fs::remove_dir_all(&self.directory);
            return Err(sandbox_error(&config, error.to_string()));
        }
        Ok(())
    }

    async fn make_parts(self: &Arc<Self>, config: &PodSandboxConfig) -> Result<()> {
        if self.directory.exists() {
            // A call that was given up half way, or a crash, left it: its shim may live.
            self.take_down().await?;
        }
        let record = locked(&self.state).record.clone();
        let directory = self.directory.clone();
        let logs = config.log_directory.clone();
        blocking(move || prepare_directory(&directory, &logs, &record)).await?;
        let node = &self.node;
        shim::spawn(&node.options.shim, &self.directory)
            .await
            .map_err(Error::Runtime)?;
        let identity = self
            .shim_identity()?
            .ok_or_else(|| Error::Runtime("the shim left no identity".into()))?;
        let address = match config.host_network {
            true => None,
            false => Some(node.network.attach(&self.id.0, identity.pid).await?),
        };
        let etc = self.directory.join(file::ETC);
        pod_files::write(&etc, config, address).map_err(|e| failed(&etc, e))?;
        self.connect().await?;
        locked(&self.state).record.address = address;
        self.set_phase(Phase::Ready).await
    }

    /// Connects to the living shim.
    pub(super) async fn connect(self: &Arc<Self>) -> Result<()> {
        let weak = Arc::downgrade(self);
        let client = ShimClient::open(&self.directory, move |told| on_told(&weak, told)).await;
        let client = client.map_err(|e| Error::Runtime(format!("shim of {}: {e}", self.id)))?;
        let subscribed = client.call(Call::Subscribe).await;
        let answer = subscribed.map_err(|e| Error::Runtime(format!("shim of {}: {e}", self.id)))?;
        self.take_progress(answer);
        locked(&self.state).shim = Some(Arc::new(client));
        Ok(())
    }

    /// The process that is, or was, this sandbox's shim.
    pub(super) fn shim_identity(&self) -> Result<Option<ProcessIdentity>> {
        let path = self.directory.join(file::SHIM);
        durable::find_json(&path).map_err(|e| failed(&path, e))
    }

    /// The shim's connection. Errors with `otherwise` if the sandbox is not ready.
    pub(super) fn shim(&self, otherwise: impl FnOnce(String) -> Error) -> Result<Arc<ShimClient>> {
        let state = locked(&self.state);
        match (&state.shim, state.record.phase) {
            (Some(shim), Phase::Ready) => Ok(Arc::clone(shim)),
            _ => Err(otherwise(format!("pod sandbox {} is not ready", self.id))),
        }
    }

    async fn set_phase(&self, phase: Phase) -> Result<()> {
        let record = {
            let mut state = locked(&self.state);
            state.record.phase = phase;
            state.record.clone()
        };
        let path = self.directory.join(file::SANDBOX);
        blocking(move || durable::write_json(&path, &record).map_err(|e| failed(&path, e))).await
    }

    /// Kills the containers, ends the shim and gives the network back. Repeating it does nothing.
    pub(super) async fn stop(self: &Arc<Self>) -> Result<()> {
        let _making = self.making.lock().await;
        if self.phase() == Phase::Stopped {
            return Ok(());
        }
        self.take_down().await?;
        self.set_phase(Phase::Stopped).await?;
        self.node
            .tell(ContainerEvent::SandboxStopped(self.status()));
        Ok(())
    }

    async fn take_down(&self) -> Result<()> {
        // Its last words are the containers' exit codes. A shim that does not answer is killed below.
        let shim = locked(&self.state).shim.take();
        if let Some(shim) = shim
            && let Err(why) = shim.call(Call::Shutdown).await
        {
            tracing::warn!(sandbox = %self.id, %why, "the shim was not stopped in order");
        }
        let identity = self.shim_identity()?;
        let group = locked(&self.state).record.cgroup.clone();
        let killed = blocking(move || {
            kill(identity.as_ref(), &group)
                .map_err(|e| Error::Runtime(format!("cgroup {}: {e}", group.display())))
        });
        killed.await?;
        self.node.network.detach(&self.id.0).await?;
        self.note_lost_containers();
        Ok(())
    }

    /// Stops the sandbox if need be, and removes all of it.
    pub(super) async fn remove(self: &Arc<Self>) -> Result<()> {
        self.stop().await?;
        let directory = self.directory.clone();
        blocking(move || remove_directory(&directory).map_err(|e| failed(&directory, e))).await?;
        let gone = std::mem::take(&mut locked(&self.state).containers);
        for container in gone.into_values() {
            self.node.tell(ContainerEvent::Deleted {
                id: container.record.id,
                sandbox: self.id.clone(),
            });
        }
        Ok(())
    }

    /// The shim has died: what is left of the pod is taken down, and its containers' end is noted.
    pub(super) async fn shim_died(self: &Arc<Self>) {
        if self.phase() == Phase::Ready
            && let Err(error) = self.stop().await
        {
            tracing::error!(sandbox = %self.id, %error, "a pod without its shim could not be taken down");
        }
    }
}

/// What the shim tells while nobody asks.
fn on_told(sandbox: &Weak<Sandbox>, told: Told) {
    let Some(sandbox) = sandbox.upgrade() else {
        return;
    };
    match told {
        Told::Exited {
            container,
            progress,
        } => sandbox.container_ended(&container, progress),
        Told::Gone => {
            // During a stop the connection is already taken away, and the end is expected.
            let expected = locked(&sandbox.state).shim.is_none();
            if !expected {
                tracing::warn!(sandbox = %sandbox.id, "the pod's shim has died");
                tokio::spawn(async move { sandbox.shim_died().await });
            }
        }
    }
}

fn check(config: &PodSandboxConfig) -> std::result::Result<(), String> {
    let plain = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if !plain(&config.uid) {
        return Err(format!(
            "uid {:?} is not made of letters, digits and dashes",
            config.uid
        ));
    }
    if config.hostname.len() > HOSTNAME_BYTES_MAX || config.hostname.contains(['\0', '\n']) {
        return Err(format!(
            "host name {:?} is longer than {HOSTNAME_BYTES_MAX} bytes",
            config.hostname
        ));
    }
    Ok(())
}

fn prepare_directory(directory: &Path, logs: &Path, record: &SandboxRecord) -> Result<()> {
    let made = remove_directory(directory).and_then(|()| {
        for name in [file::SHM, file::OCI, file::CONTAINERS] {
            fs::create_dir_all(directory.join(name))?;
        }
        if !logs.as_os_str().is_empty() {
            fs::create_dir_all(logs)?;
        }
        durable::write_json(&directory.join(file::SANDBOX), record)
    });
    made.map_err(|e| failed(directory, e))
}

pub(super) fn remove_directory(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Kills a pod's processes, its shim last, and removes its cgroups.
pub(super) fn kill(shim: Option<&ProcessIdentity>, group: &Path) -> io::Result<()> {
    cgroup::kill_all(group)?;
    if let Some(shim) = shim.filter(|shim| shim.exists())
        && let Ok(pid) = i32::try_from(shim.pid)
    {
        let _ = nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(pid),
            nix::sys::signal::Signal::SIGKILL,
        );
    }
    cgroup::remove(group)
}

fn sandbox_error(config: &PodSandboxConfig, message: String) -> Error {
    Error::Sandbox {
        pod: format!("{}/{}", config.namespace, config.name),
        message,
    }
}
