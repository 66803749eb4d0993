//! The receiver's copy of the objects.

use std::collections::BTreeMap;

use crate::machines::reflector::input::Item;
use crate::machines::reflector::output::Delivery;
use crate::objects::key::{GroupResource, ObjectKey};

/// One difference that a delivery made to a copy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Delta<V> {
    /// The object was not there.
    Added(ObjectKey, V),
    /// The object was there. It may be another one of the same name: compare UIDs.
    Changed(ObjectKey, V, V),
    /// The object is no more; its last state as this copy knew it.
    Removed(ObjectKey, V),
}

/// A copy of the objects of one resource, as seen by a component: views, not bodies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Store<V> {
    objects: BTreeMap<ObjectKey, V>,
    synced: bool,
    revision: u64,
}

impl<V> Default for Store<V> {
    fn default() -> Self {
        Store {
            objects: BTreeMap::new(),
            synced: false,
            revision: 0,
        }
    }
}

impl<V: Clone + Eq> Store<V> {
    /// Takes a delivery in and tells what it changed: what vanished first, then the rest in order.
    pub fn take(&mut self, delivery: Delivery<V>) -> Vec<Delta<V>> {
        match delivery {
            Delivery::Replace { revision, items } => {
                self.synced = true;
                self.revision = revision;
                let mut before = std::mem::take(&mut self.objects);
                let mut changed = Vec::new();
                for item in items {
                    match before.remove(&item.key) {
                        Some(old) if old == item.value => {}
                        Some(old) => {
                            changed.push(Delta::Changed(item.key.clone(), old, item.value.clone()));
                        }
                        None => changed.push(Delta::Added(item.key.clone(), item.value.clone())),
                    }
                    self.objects.insert(item.key, item.value);
                }
                let mut deltas: Vec<_> = before
                    .into_iter()
                    .map(|(key, old)| Delta::Removed(key, old))
                    .collect();
                deltas.append(&mut changed);
                deltas
            }
            Delivery::Apply(item) => self.apply(item).into_iter().collect(),
            Delivery::Delete(item) => {
                self.revision = item.revision;
                let old = self.objects.remove(&item.key);
                old.map(|old| Delta::Removed(item.key, old))
                    .into_iter()
                    .collect()
            }
        }
    }

    fn apply(&mut self, item: Item<V>) -> Option<Delta<V>> {
        self.revision = item.revision;
        match self.objects.insert(item.key.clone(), item.value.clone()) {
            Some(old) if old == item.value => None,
            Some(old) => Some(Delta::Changed(item.key, old, item.value)),
            None => Some(Delta::Added(item.key, item.value)),
        }
    }

    /// Whether the first list has arrived: before it, absence means nothing.
    pub fn synced(&self) -> bool {
        self.synced
    }

    /// The revision of the last change taken in.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The object of this key.
    pub fn get(&self, key: &ObjectKey) -> Option<&V> {
        self.objects.get(key)
    }

    /// Every object, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&ObjectKey, &V)> {
        self.objects.iter()
    }

    /// The objects of one namespace, by name.
    pub fn namespace<'a>(
        &'a self,
        resource: GroupResource,
        namespace: &'a str,
    ) -> impl Iterator<Item = (&'a ObjectKey, &'a V)> {
        let first = ObjectKey::new(resource, namespace, "");
        self.objects
            .range(first..)
            .take_while(move |(key, _)| key.namespace == namespace)
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }
}
