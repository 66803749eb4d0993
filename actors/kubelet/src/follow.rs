//! The pods bound to this node, as the API server tells them (step 8 of a pod's path).

use std::collections::BTreeSet;
use std::fs;
use std::rc::Rc;

use model::machines::kubelet::pod::Pod;
use model::machines::kubelet::{Input, Kubelet};
use model::machines::reflector::{Delivery, Item};
use model::messages::api::Selection;
use model::objects::bytes::Bytes;
use model::objects::kinds;
use model::objects::meta;
use model::objects::pod::PodView;
use runtime::Runtime;
use shell::{Handle, Subject, TraceWriter, inform};
use tokio::sync::watch;

use crate::effects::Node;
use crate::{refresh, volumes};

/// Follows the node's pods for ever and gives the machine every change. `listed` hears of the first list.
pub(crate) async fn pods<R: Runtime + 'static>(
    node: Rc<Node<R>>,
    handle: Handle<Kubelet>,
    trace: Option<TraceWriter>,
    listed: watch::Sender<bool>,
) -> anyhow::Result<()> {
    let subject = Subject {
        resource: kinds::pods(),
        namespace: String::new(),
        selection: Selection {
            labels: String::new(),
            fields: format!("spec.nodeName={}", node.config.node_name),
        },
    };
    let sink = async |delivery: Delivery<Bytes>, cause| {
        if !*listed.borrow() {
            sweep(&node, &delivery).await;
        }
        if let Some(input) = input(&node, &handle, delivery) {
            let handle = match cause {
                Some(cause) => handle.caused_by(cause),
                None => handle.clone(),
            };
            // A machine that has stopped is noticed by who started it.
            let _ = handle.send(input).await;
        }
        listed.send_replace(true);
    };
    inform(&node.client, &subject, &node.environment, trace, sink).await?;
    Ok(())
}

fn input<R: Runtime + 'static>(
    node: &Rc<Node<R>>,
    handle: &Handle<Kubelet>,
    delivery: Delivery<Bytes>,
) -> Option<Input> {
    match delivery {
        Delivery::Replace { revision, items } => Some(Input::PodsListed {
            revision,
            pods: items
                .iter()
                .filter_map(|item| read(node, handle, item))
                .collect(),
        }),
        Delivery::Apply(item) => Some(Input::PodApplied {
            revision: item.revision,
            pod: read(node, handle, &item)?,
        }),
        Delivery::Delete(item) => {
            let meta = meta::read(&item.value).ok()?;
            let grace = meta.deletion_grace_period_seconds;
            Some(Input::PodGone {
                revision: item.revision,
                uid: meta.uid,
                grace_s: grace.and_then(|grace| u64::try_from(grace).ok()),
            })
        }
    }
}

/// Reads a pod and keeps its spec. One that cannot be read is not started; nothing is known to stop either.
fn read<R: Runtime + 'static>(
    node: &Rc<Node<R>>,
    handle: &Handle<Kubelet>,
    item: &Item<Bytes>,
) -> Option<Pod> {
    let key = &item.key;
    let view: PodView = serde_json::from_slice(&item.value)
        .map_err(|error| tracing::error!(%key, %error, "a pod cannot be read and is left alone"))
        .ok()?;
    let pod = Pod::read(&view)
        .map_err(|error| tracing::error!(%key, %error, "a pod's resources cannot be read"))
        .ok()?;
    node.pods.put(view);
    // The volumes of a pod that runs since before this kubelet are not made again.
    refresh::follow(node, &pod.name, handle);
    Some(pod)
}

/// Removes the directories of pods that neither the API nor the runtime has: what a crash kept from being removed.
async fn sweep<R: Runtime>(node: &Node<R>, delivery: &Delivery<Bytes>) {
    let Delivery::Replace { items, .. } = delivery else {
        return;
    };
    let Ok(sandboxes) = node.runtime.list_pod_sandboxes().await else {
        return;
    };
    let listed = items.iter().filter_map(|item| meta::read(&item.value).ok());
    let mut kept: BTreeSet<String> = listed.map(|meta| meta.uid).collect();
    kept.extend(sandboxes.into_iter().map(|sandbox| sandbox.uid));
    for directory in [node.directories.pods(), node.directories.logs()] {
        let Ok(entries) = fs::read_dir(&directory) else {
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            // Logs are named after namespace, name and UID; a UID has no underscore.
            let uid = name.rsplit('_').next().unwrap_or(&name);
            if !kept.contains(uid)
                && let Err(error) = volumes::remove(&entry.path())
            {
                tracing::warn!(%error, "what is left of a pod could not be removed");
            }
        }
    }
}
