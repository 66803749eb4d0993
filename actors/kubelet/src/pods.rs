//! What the kubelet keeps of its pods beside the machine: their whole specs, and where their files are.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use model::actions::kubelet::PodName;
use model::objects::pod::PodView;

/// The specs of the pods that the machine knows, by UID.
#[derive(Clone, Default)]
pub(crate) struct Pods(Rc<RefCell<BTreeMap<String, Rc<PodView>>>>);

impl Pods {
    /// Keeps the newest state of a pod.
    pub(crate) fn put(&self, pod: PodView) {
        self.0
            .borrow_mut()
            .insert(pod.metadata.uid.clone(), Rc::new(pod));
    }

    /// The pod with this UID, if the API has told it.
    pub(crate) fn get(&self, uid: &str) -> Option<Rc<PodView>> {
        self.0.borrow().get(uid).cloned()
    }

    /// Drops a pod of which nothing is left.
    pub(crate) fn forget(&self, uid: &str) {
        self.0.borrow_mut().remove(uid);
    }
}

/// Where a node keeps the files of its pods.
#[derive(Clone, Debug)]
pub(crate) struct Directories {
    root: PathBuf,
}

impl Directories {
    pub(crate) fn new(root: &Path) -> Self {
        Directories {
            root: root.to_owned(),
        }
    }

    /// The directory of all pods' volumes.
    pub(crate) fn pods(&self) -> PathBuf {
        self.root.join("pods")
    }

    /// The directory of a pod's volumes.
    pub(crate) fn pod(&self, uid: &str) -> PathBuf {
        self.pods().join(uid)
    }

    /// The directory of one volume.
    pub(crate) fn volume(&self, uid: &str, volume: &str) -> PathBuf {
        self.pod(uid).join("volumes").join(volume)
    }

    /// The directory of all pods' logs.
    pub(crate) fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// The directory of a pod's logs, named as Kubernetes names it: `NAMESPACE_NAME_UID`.
    pub(crate) fn pod_logs(&self, pod: &PodName) -> PathBuf {
        let PodName {
            namespace,
            name,
            uid,
        } = pod;
        self.logs().join(format!("{namespace}_{name}_{uid}"))
    }

    /// The directory of a container's logs, one file an instance.
    pub(crate) fn container_logs(&self, pod: &PodName, container: &str) -> PathBuf {
        self.pod_logs(pod).join(container)
    }
}
