//! Mounted config maps and secrets follow their objects (`configMapAndSecretChangeDetectionStrategy: Watch` of
//! `kubelet.config.k8s.io`): each such volume has a watch of its one object, pinned by name.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use model::actions::kubelet::PodName;
use model::machines::kubelet::Kubelet;
use model::machines::reflector::Delivery;
use model::messages::api::Selection;
use model::objects::bytes::Bytes;
use model::objects::kinds;
use model::objects::pod_volumes::Volume;
use model::rules::env::NodeFacts;
use runtime::Runtime;
use shell::{Handle, Subject, inform};
use tokio::task::AbortHandle;

use crate::effects::Node;
use crate::volumes;

/// The watches under way, by UID of their pod.
#[derive(Default)]
pub(crate) struct Refreshing(RefCell<BTreeMap<String, Vec<AbortHandle>>>);

impl Refreshing {
    /// Ends the watches of a pod.
    pub(crate) fn end(&self, uid: &str) {
        for watch in self.0.borrow_mut().remove(uid).into_iter().flatten() {
            watch.abort();
        }
    }
}

/// Follows the objects of a pod's volumes until it is [ended](Refreshing::end), if that is not done already. A pod
/// whose volumes have not been made has nothing to follow.
pub(crate) fn follow<R: Runtime + 'static>(
    node: &Rc<Node<R>>,
    pod: &PodName,
    handle: &Handle<Kubelet>,
) {
    let followed = node.refreshing.0.borrow().contains_key(&pod.uid);
    let Some(view) = node.pods.get(&pod.uid).filter(|_| !followed) else {
        return;
    };
    if !node.directories.pod(&pod.uid).exists() {
        return;
    }
    let watches = view.spec.volumes.iter().filter_map(|volume| {
        let subject = subject(&pod.namespace, volume)?;
        handle.spawn(refresh(node.clone(), pod.clone(), volume.clone(), subject))
    });
    let watches = watches.collect();
    let mut all = node.refreshing.0.borrow_mut();
    all.insert(pod.uid.clone(), watches);
}

fn subject(namespace: &str, volume: &Volume) -> Option<Subject> {
    let (resource, name) = match (&volume.config_map, &volume.secret) {
        (Some(map), _) => (kinds::configmaps(), &map.name),
        (None, Some(secret)) => (kinds::secrets(), &secret.secret_name),
        (None, None) => return None,
    };
    Some(Subject {
        resource,
        namespace: namespace.to_owned(),
        selection: Selection {
            labels: String::new(),
            fields: format!("metadata.name={name}"),
        },
    })
}

async fn refresh<R: Runtime>(node: Rc<Node<R>>, pod: PodName, volume: Volume, subject: Subject) {
    let facts = NodeFacts {
        host_ip: node.config.node_address.to_string(),
        pod_ips: Vec::new(),
        allocatable: node.allocatable,
    };
    let sink = async |delivery: Delivery<Bytes>, _| {
        // An object that is gone leaves the files as they were, as in Kubernetes.
        let there = match delivery {
            Delivery::Replace { items, .. } => !items.is_empty(),
            Delivery::Apply(_) => true,
            Delivery::Delete(_) => false,
        };
        let Some(view) = node.pods.get(&pod.uid).filter(|_| there) else {
            return;
        };
        let (client, directories) = (&node.client, &node.directories);
        if let Err(error) = volumes::make(client, directories, &view, &facts, &volume).await {
            tracing::warn!(%error, pod = pod.name, volume = volume.name, "a volume was not brought up to date");
        }
    };
    // Without a trace there is nothing that can fail.
    let _ = inform(&node.client, &subject, &node.environment, None, sink).await;
}
