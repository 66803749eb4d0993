//! What a runtime finds when it opens: pods to adopt, pods that died meanwhile, half-made ones.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::container::Container;
use super::sandbox::{Sandbox, kill, remove_directory};
use super::{Node, blocking, failed};
use crate::cri::SandboxId;
use crate::durable;
use crate::error::{Error, Result};
use crate::process::ProcessIdentity;
use crate::state::{ContainerRecord, Phase, Progress, SandboxRecord, file};

/// The sandboxes on disk, those whose shims live connected to them.
pub(super) async fn adopt(node: &Arc<Node>) -> Result<BTreeMap<SandboxId, Arc<Sandbox>>> {
    let mut found = BTreeMap::new();
    let pods = node.pods();
    for entry in fs::read_dir(&pods).map_err(|e| failed(&pods, e))? {
        let path = entry.map_err(|e| failed(&pods, e))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        let id = SandboxId(name.to_owned());
        let record: Option<SandboxRecord> = durable::find_json(&path.join(file::SANDBOX)).unwrap_or_else(|error| {
            tracing::error!(%error, "a sandbox's record cannot be read; the sandbox is removed");
            None
        });
        match record.filter(|record| record.phase != Phase::Preparing) {
            None => remove_remains(node, &id, &path).await?,
            Some(record) => {
                let sandbox = Sandbox::known(node, id.clone(), record, containers(&path)?);
                resume(&sandbox).await;
                found.insert(id, sandbox);
            }
        }
    }
    Ok(found)
}

/// Connects to the shim if it is the very process that was left, and else notes that the pod has died.
async fn resume(sandbox: &Arc<Sandbox>) {
    if sandbox.phase() != Phase::Ready {
        return;
    }
    let lives = matches!(sandbox.shim_identity(), Ok(Some(identity)) if identity.exists());
    if lives {
        match sandbox.connect().await {
            Ok(()) => return,
            Err(error) => {
                tracing::error!(sandbox = %sandbox.id, %error, "a shim that lives does not answer")
            }
        }
    }
    sandbox.shim_died().await;
}

async fn remove_remains(node: &Arc<Node>, id: &SandboxId, directory: &Path) -> Result<()> {
    let group = node.cgroup.join(&id.0);
    let path = directory.to_owned();
    let removed = blocking(move || {
        let shim: Option<ProcessIdentity> =
            durable::find_json(&path.join(file::SHIM)).unwrap_or(None);
        let killed =
            kill(shim.as_ref(), &group).map_err(|e| Error::Runtime(format!("cgroup: {e}")));
        killed.and_then(|()| remove_directory(&path).map_err(|e| failed(&path, e)))
    });
    removed.await?;
    node.network.detach(&id.0).await
}

fn containers(sandbox: &Path) -> Result<BTreeMap<String, Container>> {
    let mut found = BTreeMap::new();
    let directory = sandbox.join(file::CONTAINERS);
    for entry in fs::read_dir(&directory).map_err(|e| failed(&directory, e))? {
        let path = entry.map_err(|e| failed(&directory, e))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        let read = |name: &str| path.join(name);
        let record: Option<ContainerRecord> =
            durable::find_json(&read(file::CONTAINER)).map_err(|e| failed(&path, e))?;
        let progress: Option<Progress> =
            durable::find_json(&read(file::STATE)).map_err(|e| failed(&path, e))?;
        // Without its record it was never made whole; a later attempt of that name replaces it.
        if let Some(record) = record {
            found.insert(name.to_owned(), Container { record, progress });
        }
    }
    Ok(found)
}
