//! The controller's indexes, and what it remembers of one round.

use std::collections::{BTreeMap, BTreeSet};

use crate::machines::reflector::Store;
use crate::machines::replicaset::view::{PodView, ReplicaSetView};
use crate::objects::key::ObjectKey;
use crate::objects::kinds;

/// All that the controller sees.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct View {
    /// Every ReplicaSet.
    pub sets: Store<ReplicaSetView>,
    /// Every pod.
    pub pods: Store<PodView>,
    pub(super) by_owner: BTreeMap<String, BTreeSet<ObjectKey>>,
    pub(super) orphans: BTreeMap<String, BTreeSet<ObjectKey>>,
}

impl View {
    /// The key of a pod's ReplicaSet, if it has one and that one is here with the UID the pod names.
    pub fn owner(&self, pod: &PodView, namespace: &str) -> Option<ObjectKey> {
        let owner = pod.controller()?;
        let key = ObjectKey::new(kinds::replicasets(), namespace, &owner.name);
        let set = self.sets.get(&key)?;
        (set.metadata.uid == owner.uid).then_some(key)
    }

    /// The pods that name this owner as their controller.
    pub fn owned<'a>(
        &'a self,
        uid: &str,
    ) -> impl Iterator<Item = (&'a ObjectKey, &'a PodView)> + use<'a> {
        let keys = self.by_owner.get(uid).into_iter().flatten();
        keys.filter_map(|key| self.pods.get(key).map(|pod| (key, pod)))
    }

    /// The pods of a namespace without a controller.
    pub fn orphans<'a>(
        &'a self,
        namespace: &str,
    ) -> impl Iterator<Item = (&'a ObjectKey, &'a PodView)> + use<'a> {
        let keys = self.orphans.get(namespace).into_iter().flatten();
        keys.filter_map(|key| self.pods.get(key).map(|pod| (key, pod)))
    }

    /// The ReplicaSets of a namespace that would adopt a pod.
    pub fn adopters<'a>(
        &'a self,
        pod: &'a PodView,
        namespace: &'a str,
    ) -> impl Iterator<Item = &'a ObjectKey> {
        self.sets
            .namespace(kinds::replicasets(), namespace)
            .filter(|(_, set)| set.selector().matches(&pod.labels))
            .map(|(key, _)| key)
    }

    pub(super) fn index(&mut self, key: &ObjectKey, pod: &PodView) {
        let keys = match pod.controller() {
            Some(owner) => self.by_owner.entry(owner.uid.clone()),
            None => self.orphans.entry(key.namespace.clone()),
        };
        keys.or_default().insert(key.clone());
    }

    pub(super) fn unindex(&mut self, key: &ObjectKey, pod: &PodView) {
        let (index, name) = match pod.controller() {
            Some(owner) => (&mut self.by_owner, &owner.uid),
            None => (&mut self.orphans, &key.namespace),
        };
        if let Some(keys) = index.get_mut(name) {
            keys.remove(key);
            if keys.is_empty() {
                index.remove(name);
            }
        }
    }
}

/// How far a round is.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// It has just begun.
    #[default]
    Fresh,
    /// The set is being read live before pods are adopted.
    Rechecking,
    /// The set was read: it may adopt.
    MayAdopt,
    /// Pods are being adopted and released, in this order.
    Claiming(Vec<Claim>),
    /// All claims were answered.
    Claimed,
    /// A batch of pods is being created; so many are left for later batches.
    Creating {
        /// In this batch.
        batch: u32,
        /// After this batch.
        left: u32,
    },
    /// These pods are being deleted, in this order: name and UID.
    Deleting(Vec<(String, String)>),
    /// The status comes next.
    Managed,
    /// The status is being written.
    Reporting,
}

/// One pod that is adopted or released.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Claim {
    /// Adopted, by UID.
    Adopt(String),
    /// Released, by UID.
    Release(String),
}

/// What the controller remembers of one round.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Session {
    pub(super) stage: Stage,
    /// UIDs of the pods adopted in this round: the view may not show it yet.
    pub(super) adopted: BTreeSet<String>,
    /// UIDs of the pods released in this round.
    pub(super) released: BTreeSet<String>,
    /// The UID of the set when the round began.
    pub(super) uid: String,
    /// The first error, which ends the round after the status.
    pub(super) error: Option<String>,
    /// The condition `ReplicaFailure` that the error makes: reason and message.
    pub(super) failure: Option<(&'static str, String)>,
    /// Whether the connection broke under a creation or deletion: then nobody knows whether it was done.
    pub(super) lost: bool,
    /// What the status is to say: fixed before pods are created or deleted, as upstream has it.
    pub(super) counted: Option<Counted>,
}

/// The counts of a status.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Counted {
    pub(super) replicas: i64,
    pub(super) labeled: i64,
    pub(super) ready: i64,
    pub(super) available: i64,
}
