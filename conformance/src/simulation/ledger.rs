//! What clients were told, written down: the cluster must keep to it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use model::objects::key::{GroupResource, ObjectKey};
use model::objects::kinds;
use tokio::time::Instant;

/// What was told, by all clients. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Ledger(Rc<RefCell<Told>>);

#[derive(Debug, Default)]
struct Told {
    /// Objects whose creation was acknowledged, by UID.
    objects: BTreeMap<String, Life>,
    /// UIDs whose deletion was asked for: somebody may see and delete an object before its creator has its answer.
    deletes: BTreeSet<String>,
    /// Namespaces whose deletion was asked for.
    namespaces: BTreeSet<String>,
    /// Writes of a number, by the UID of the object that has it.
    numbers: BTreeMap<String, Vec<Number>>,
    /// Nodes whose removal was asked for.
    nodes: BTreeSet<String>,
    /// The node that each pod was seen bound to, by UID.
    bound: BTreeMap<String, String>,
    /// Increments, by the object that counts them.
    counters: BTreeMap<ObjectKey, Increments>,
}

/// An object that was created.
#[derive(Clone, Debug)]
pub struct Life {
    /// Which.
    pub key: ObjectKey,
    /// Somebody has asked for its deletion.
    pub delete_sent: bool,
    /// Somebody was told that it is deleted, or on its way to be.
    pub delete_told: bool,
}

/// A write of a number.
#[derive(Clone, Copy, Debug)]
struct Number {
    value: i64,
    asked: Instant,
    /// When it was acknowledged, if it was.
    told: Option<Instant>,
}

/// Increments of a counter.
#[derive(Clone, Copy, Debug, Default)]
pub struct Increments {
    /// Acknowledged.
    pub told: u64,
    /// With an outcome that is not known.
    pub unknown: u64,
}

impl Told {
    /// Whether it may be gone: somebody asked for that, or for the removal of its node. Where a pod is bound nobody may
    /// have seen.
    fn may_go(&self, uid: &str, life: &Life) -> bool {
        let removed = |node: &String| self.nodes.contains(node);
        let collected = life.key.resource == kinds::pods()
            && !self.nodes.is_empty()
            && self.bound.get(uid).is_none_or(removed);
        life.delete_sent || collected
    }
}

impl Ledger {
    /// A creation was acknowledged.
    pub fn created(&self, uid: &str, key: &ObjectKey) {
        let mut told = self.0.borrow_mut();
        let life = Life {
            key: key.clone(),
            delete_sent: told.deletes.contains(uid) || told.namespaces.contains(&key.namespace),
            delete_told: false,
        };
        told.objects.insert(uid.to_owned(), life);
    }

    /// A deletion is asked for.
    pub fn deletes(&self, uid: &str) {
        let mut told = self.0.borrow_mut();
        told.deletes.insert(uid.to_owned());
        if let Some(life) = told.objects.get_mut(uid) {
            life.delete_sent = true;
        }
    }

    /// A deletion was acknowledged.
    pub fn deleted(&self, uid: &str) {
        if let Some(life) = self.0.borrow_mut().objects.get_mut(uid) {
            life.delete_told = true;
        }
    }

    /// The deletion of a namespace is asked for: all that is in it goes, and what comes to it until it is gone.
    pub fn deletes_namespace(&self, namespace: &str) {
        let mut told = self.0.borrow_mut();
        told.namespaces.insert(namespace.to_owned());
        let lives = told.objects.values_mut();
        for life in lives.filter(|life| life.key.namespace == namespace) {
            life.delete_sent = true;
        }
    }

    /// That was acknowledged.
    pub fn deleted_namespace(&self, namespace: &str) {
        let mut told = self.0.borrow_mut();
        let lives = told.objects.values_mut();
        for life in lives.filter(|life| life.key.namespace == namespace) {
            life.delete_told = true;
        }
    }

    /// The removal of a node is asked for: the pods that are bound to it go with it.
    pub fn removes_node(&self, node: &str) {
        self.0.borrow_mut().nodes.insert(node.to_owned());
    }

    /// A pod was seen bound to a node.
    pub fn bound(&self, uid: &str, node: &str) {
        let bound = &mut self.0.borrow_mut().bound;
        bound.insert(uid.to_owned(), node.to_owned());
    }

    /// Every object whose creation was acknowledged and that nobody may have removed, by UID.
    pub fn stays(&self) -> BTreeMap<String, Life> {
        let told = self.0.borrow();
        let lives = told.objects.iter();
        lives
            .filter(|(uid, life)| !told.may_go(uid, life))
            .map(|(uid, life)| (uid.clone(), life.clone()))
            .collect()
    }

    /// Every object whose creation was acknowledged, by UID.
    pub fn objects(&self) -> BTreeMap<String, Life> {
        self.0.borrow().objects.clone()
    }

    /// UID and key of those of a resource that must be there, as nobody has asked for their deletion.
    pub fn must_be(&self, resource: &GroupResource) -> Vec<(String, ObjectKey)> {
        let told = self.0.borrow();
        let lives = told
            .objects
            .iter()
            .filter(|(uid, life)| life.key.resource == *resource && !told.may_go(uid, life));
        lives
            .map(|(uid, life)| (uid.clone(), life.key.clone()))
            .collect()
    }

    /// A number was written, or may have been.
    pub fn wrote(&self, uid: &str, value: i64, asked: Instant, told: bool) {
        let number = Number {
            value,
            asked,
            told: told.then(Instant::now),
        };
        let mut ledger = self.0.borrow_mut();
        ledger
            .numbers
            .entry(uid.to_owned())
            .or_default()
            .push(number);
    }

    /// The values that a number may have: of every write after whose end no other was begun that succeeded.
    pub fn possible(&self, uid: &str) -> BTreeSet<i64> {
        let told = self.0.borrow();
        let writes = told.numbers.get(uid).map(Vec::as_slice).unwrap_or_default();
        let overwritten = |write: &Number| {
            writes.iter().any(|other| {
                other.told.is_some() && write.told.is_some_and(|end| other.asked > end)
            })
        };
        let possible = writes.iter().filter(|write| !overwritten(write));
        possible.map(|write| write.value).collect()
    }

    /// A counter was incremented, or may have been.
    pub fn counted(&self, key: &ObjectKey, told: bool) {
        let mut ledger = self.0.borrow_mut();
        let increments = ledger.counters.entry(key.clone()).or_default();
        match told {
            true => increments.told += 1,
            false => increments.unknown += 1,
        }
    }

    /// Every counter with its increments.
    pub fn counters(&self) -> BTreeMap<ObjectKey, Increments> {
        self.0.borrow().counters.clone()
    }
}
