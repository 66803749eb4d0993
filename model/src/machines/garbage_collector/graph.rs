//! Objects and who owns whom.

use std::collections::{BTreeMap, BTreeSet};

use crate::machines::controller::Wakes;
use crate::machines::garbage_collector::owner;
use crate::machines::garbage_collector::state::Verdict;
use crate::machines::garbage_collector::view::NodeView;
use crate::machines::reflector::{Delivery, Delta, Store};
use crate::objects::key::{GroupResource, ObjectKey};

/// Every object of every kind, by key, by UID, and by the UIDs of its owners.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Graph {
    objects: BTreeMap<GroupResource, Store<NodeView>>,
    by_uid: BTreeMap<String, ObjectKey>,
    dependents: BTreeMap<String, BTreeSet<ObjectKey>>,
}

impl Graph {
    /// The object of this key.
    pub fn get(&self, key: &ObjectKey) -> Option<&NodeView> {
        self.objects.get(&key.resource)?.get(key)
    }

    /// The object of this UID.
    pub fn find(&self, uid: &str) -> Option<(&ObjectKey, &NodeView)> {
        let key = self.by_uid.get(uid)?;
        Some((key, self.get(key)?))
    }

    /// The objects that name this UID among their owners.
    pub fn dependents<'a>(
        &'a self,
        uid: &str,
    ) -> impl Iterator<Item = (&'a ObjectKey, &'a NodeView)> + use<'a> {
        let keys = self.dependents.get(uid).into_iter().flatten();
        keys.filter_map(|key| self.get(key).map(|node| (key, node)))
    }

    /// Takes a change in and wakes whom it concerns.
    pub(super) fn take(
        &mut self,
        resource: &GroupResource,
        delivery: Delivery<NodeView>,
        wakes: &mut Wakes<'_>,
    ) {
        let store = self.objects.entry(resource.clone()).or_default();
        for delta in store.take(delivery) {
            match delta {
                Delta::Added(key, node) => self.came(&key, &node, wakes),
                Delta::Changed(key, old, new) if old.uid == new.uid => {
                    self.unlink(&key, &old);
                    self.wake_owners(&old, wakes);
                    self.came(&key, &new, wakes);
                    if new.waits_for_dependents() && !old.waits_for_dependents() {
                        self.wake_dependents(&new.uid, wakes);
                    }
                }
                Delta::Changed(key, old, new) => {
                    self.went(&key, &old, wakes);
                    self.came(&key, &new, wakes);
                }
                Delta::Removed(key, old) => self.went(&key, &old, wakes),
            }
        }
    }

    fn came(&mut self, key: &ObjectKey, node: &NodeView, wakes: &mut Wakes<'_>) {
        if !node.uid.is_empty() {
            self.by_uid.insert(node.uid.clone(), key.clone());
        }
        for owner in &node.owners {
            self.dependents
                .entry(owner.uid.clone())
                .or_default()
                .insert(key.clone());
        }
        let disowned = node
            .owners
            .iter()
            .any(|reference| owner::look(self, key, reference) != Ok(Verdict::Solid));
        if disowned || node.waits_for_dependents() || node.leaves_orphans() {
            wakes.wake(key);
        }
    }

    fn went(&mut self, key: &ObjectKey, node: &NodeView, wakes: &mut Wakes<'_>) {
        self.unlink(key, node);
        self.wake_owners(node, wakes);
        self.wake_dependents(&node.uid, wakes);
    }

    /// An owner that waits may have waited for this one.
    fn wake_owners(&self, node: &NodeView, wakes: &mut Wakes<'_>) {
        for owner in &node.owners {
            if let Some((key, owner)) = self.find(&owner.uid)
                && (owner.waits_for_dependents() || owner.leaves_orphans())
            {
                wakes.wake(key);
            }
        }
    }

    fn wake_dependents(&self, uid: &str, wakes: &mut Wakes<'_>) {
        for key in self.dependents.get(uid).into_iter().flatten() {
            wakes.wake(key);
        }
    }

    fn unlink(&mut self, key: &ObjectKey, node: &NodeView) {
        if self.by_uid.get(&node.uid) == Some(key) {
            self.by_uid.remove(&node.uid);
        }
        for owner in &node.owners {
            if let Some(keys) = self.dependents.get_mut(&owner.uid) {
                keys.remove(key);
                if keys.is_empty() {
                    self.dependents.remove(&owner.uid);
                }
            }
        }
    }
}
