//! Pods by node, nodes by name.

use std::collections::{BTreeMap, BTreeSet};

use bincode::{Decode, Encode};

use serde::Deserialize;

use crate::machines::controller::Wakes;
use crate::machines::reflector::{Delivery, Delta, Item, Store};
use crate::objects::key::{GroupResource, ObjectKey};
use crate::objects::kinds;
use crate::objects::meta::Meta;

/// How long a node may be away before its pods are removed, in milliseconds (`quarantineTime` of podgc).
pub const QUARANTINE_MS: u64 = 40_000;

/// What is read of a pod or node: of a node only that it is there.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Encode, Decode,
)]
#[serde(from = "Body")]
pub struct Seen {
    pub(super) uid: String,
    pub(super) node: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    metadata: Meta,
    spec: Spec,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    node_name: String,
}

impl From<Body> for Seen {
    fn from(body: Body) -> Self {
        Seen {
            uid: body.metadata.uid,
            node: body.spec.node_name,
        }
    }
}

/// All that the controller sees.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct View {
    pods: Store<Seen>,
    nodes: BTreeSet<String>,
    by_node: BTreeMap<String, BTreeSet<ObjectKey>>,
    quarantine: BTreeSet<String>,
}

impl View {
    /// Whether a node is there.
    pub(super) fn has_node(&self, name: &str) -> bool {
        self.nodes.contains(name)
    }

    /// The pods on a node, with their UIDs.
    pub(super) fn pods_on<'a>(
        &'a self,
        node: &str,
    ) -> impl Iterator<Item = (&'a ObjectKey, &'a str)> + use<'a> {
        let keys = self.by_node.get(node).into_iter().flatten();
        keys.filter_map(|key| Some((key, self.pods.get(key)?.uid.as_str())))
    }

    /// Takes a change in. A node that is missed is looked at after its quarantine.
    pub(super) fn take(
        &mut self,
        resource: &GroupResource,
        delivery: Delivery<Seen>,
        wakes: &mut Wakes<'_>,
    ) {
        if *resource == kinds::pods() {
            for delta in self.pods.take(delivery) {
                match delta {
                    Delta::Added(key, pod) => self.came(&key, &pod.node, wakes),
                    Delta::Changed(key, old, new) if old.node != new.node => {
                        self.went(&key, &old.node);
                        self.came(&key, &new.node, wakes);
                    }
                    Delta::Changed(..) => {}
                    Delta::Removed(key, pod) => self.went(&key, &pod.node),
                }
            }
            return;
        }
        match delivery {
            Delivery::Replace { items, .. } => {
                let name = |item: Item<Seen>| item.key.name;
                self.nodes = items.into_iter().map(name).collect();
                self.quarantine.retain(|node| !self.nodes.contains(node));
                let named: Vec<String> = self.by_node.keys().cloned().collect();
                for node in named {
                    self.miss(&node, wakes);
                }
            }
            Delivery::Apply(item) => {
                self.quarantine.remove(&item.key.name);
                self.nodes.insert(item.key.name);
            }
            Delivery::Delete(item) => {
                self.nodes.remove(&item.key.name);
                self.miss(&item.key.name, wakes);
            }
        }
    }

    fn came(&mut self, key: &ObjectKey, node: &str, wakes: &mut Wakes<'_>) {
        if node.is_empty() {
            return;
        }
        self.by_node
            .entry(node.to_owned())
            .or_default()
            .insert(key.clone());
        self.miss(node, wakes);
    }

    fn went(&mut self, key: &ObjectKey, node: &str) {
        if let Some(keys) = self.by_node.get_mut(node) {
            keys.remove(key);
            if keys.is_empty() {
                self.by_node.remove(node);
                self.quarantine.remove(node);
            }
        }
    }

    fn miss(&mut self, node: &str, wakes: &mut Wakes<'_>) {
        let missed = !self.nodes.contains(node) && self.by_node.contains_key(node);
        if missed && self.quarantine.insert(node.to_owned()) {
            wakes.wake_after(&ObjectKey::new(kinds::nodes(), "", node), QUARANTINE_MS);
        }
    }
}
