//! The scheduler's cache: what each node has, and what is taken there.

use std::collections::{BTreeMap, BTreeSet};

use crate::machines::scheduler::view::{Demand, HostPort, NodeView};
use crate::objects::key::ObjectKey;
use crate::rules::resources::Resources;

/// A node with what is taken on it. It stays here without a view while pods still name it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeInfo {
    /// What the node says of itself; `None` before it is seen and after it is gone.
    pub view: Option<NodeView>,
    /// What the pods there ask for.
    pub taken: Resources,
    /// The same for scoring: CPU in thousandths of a core, memory in bytes.
    pub weight: (i64, i64),
    /// The pods there, assumed ones included.
    pub pods: BTreeSet<ObjectKey>,
    /// The ports they ask for.
    pub ports: BTreeMap<HostPort, u32>,
}

/// Every node, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cache {
    nodes: BTreeMap<String, NodeInfo>,
    present: usize,
    /// Where the last decision began to look; the next begins after it.
    cursor: String,
}

impl Cache {
    /// A node came or changed.
    pub fn put(&mut self, name: &str, view: NodeView) {
        let info = self.nodes.entry(name.to_owned()).or_default();
        if info.view.replace(view).is_none() {
            self.present += 1;
        }
    }

    /// A node went.
    pub fn remove(&mut self, name: &str) {
        if let Some(info) = self.nodes.get_mut(name) {
            if info.view.take().is_some() {
                self.present -= 1;
            }
            self.drop_if_empty(name);
        }
    }

    /// The node of this name, with its view.
    pub fn get(&self, name: &str) -> Option<(&NodeInfo, &NodeView)> {
        let info = self.nodes.get(name)?;
        Some((info, info.view.as_ref()?))
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.present
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.present == 0
    }

    /// Takes room on a node.
    pub fn take(&mut self, node: &str, pod: &ObjectKey, demand: &Demand) {
        let info = self.nodes.entry(node.to_owned()).or_default();
        if !info.pods.insert(pod.clone()) {
            return;
        }
        info.taken.add(&demand.requests);
        info.weight.0 = info.weight.0.saturating_add(demand.weight.0);
        info.weight.1 = info.weight.1.saturating_add(demand.weight.1);
        for port in &demand.ports {
            *info.ports.entry(port.clone()).or_insert(0) += 1;
        }
    }

    /// Gives room back.
    pub fn free(&mut self, node: &str, pod: &ObjectKey, demand: &Demand) {
        let Some(info) = self.nodes.get_mut(node) else {
            return;
        };
        if !info.pods.remove(pod) {
            return;
        }
        info.taken.subtract(&demand.requests);
        info.weight.0 = info.weight.0.saturating_sub(demand.weight.0);
        info.weight.1 = info.weight.1.saturating_sub(demand.weight.1);
        for port in &demand.ports {
            if let Some(count) = info.ports.get_mut(port) {
                *count -= 1;
                if *count == 0 {
                    info.ports.remove(port);
                }
            }
        }
        self.drop_if_empty(node);
    }

    /// Every node that is there, beginning after the one with which the last decision began.
    pub fn around(&self) -> impl Iterator<Item = (&str, &NodeInfo, &NodeView)> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let cursor = self.cursor.as_str();
        let after = self.nodes.range::<str, _>((Excluded(cursor), Unbounded));
        let before = self.nodes.range::<str, _>((Unbounded, Included(cursor)));
        after
            .chain(before)
            .filter_map(|(name, info)| Some((name.as_str(), info, info.view.as_ref()?)))
    }

    /// The next decision begins to look one node further.
    pub fn turn(&mut self) {
        let next = self.around().next().map(|(name, ..)| name.to_owned());
        self.cursor = next.unwrap_or_default();
    }

    fn drop_if_empty(&mut self, name: &str) {
        let empty = |info: &NodeInfo| info.view.is_none() && info.pods.is_empty();
        if self.nodes.get(name).is_some_and(empty) {
            self.nodes.remove(name);
        }
    }
}
