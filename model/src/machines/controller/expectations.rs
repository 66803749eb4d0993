//! What a controller has caused and not yet seen.

use std::collections::{BTreeMap, BTreeSet};

use crate::objects::key::ObjectKey;

/// What one key waits to see.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Expected {
    creations: u32,
    deletions: BTreeSet<String>,
    /// The highest revision of an answered write: a list at or after it shows all of them.
    written: u64,
}

impl Expected {
    fn met(&self) -> bool {
        self.creations == 0 && self.deletions.is_empty()
    }
}

/// The expectations of every key, as `UIDTrackingControllerExpectations` of Kubernetes: creations are
/// counted, deletions are tracked by UID, because a pod being deleted is seen several times.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Expectations {
    keys: BTreeMap<ObjectKey, Expected>,
}

impl Expectations {
    /// Whether everything that was caused for a key has been seen.
    pub fn satisfied(&self, key: &ObjectKey) -> bool {
        self.keys.get(key).is_none_or(Expected::met)
    }

    /// So many objects are about to be created for a key.
    pub fn expect_creations(&mut self, key: &ObjectKey, count: u32) {
        self.keys.entry(key.clone()).or_default().creations += count;
    }

    /// The objects with these UIDs are about to be deleted for a key.
    pub fn expect_deletions(&mut self, key: &ObjectKey, uids: impl IntoIterator<Item = String>) {
        let expected = self.keys.entry(key.clone()).or_default();
        expected.deletions.extend(uids);
    }

    /// A creation was seen, or will not be.
    pub fn creation_observed(&mut self, key: &ObjectKey) {
        if let Some(expected) = self.keys.get_mut(key) {
            expected.creations = expected.creations.saturating_sub(1);
        }
        self.drop_if_met(key);
    }

    /// So many creations will not happen.
    pub fn lower_creations(&mut self, key: &ObjectKey, count: u32) {
        if let Some(expected) = self.keys.get_mut(key) {
            expected.creations = expected.creations.saturating_sub(count);
        }
        self.drop_if_met(key);
    }

    /// The deletion of an object was seen, or will not be.
    pub fn deletion_observed(&mut self, key: &ObjectKey, uid: &str) {
        if let Some(expected) = self.keys.get_mut(key) {
            expected.deletions.remove(uid);
        }
        self.drop_if_met(key);
    }

    /// A write for a key was answered with this revision.
    pub fn written(&mut self, key: &ObjectKey, revision: u64) {
        if let Some(expected) = self.keys.get_mut(key) {
            expected.written = expected.written.max(revision);
        }
    }

    /// A new list at this revision arrived; `busy` tells whether requests of a key are still under way. What
    /// was written before the list is in it, or was undone before it: either way it has been seen.
    pub fn listed(&mut self, revision: u64, busy: impl Fn(&ObjectKey) -> bool) {
        self.keys
            .retain(|key, expected| busy(key) || expected.written > revision);
    }

    /// Forgets a key.
    pub fn forget(&mut self, key: &ObjectKey) {
        self.keys.remove(key);
    }

    fn drop_if_met(&mut self, key: &ObjectKey) {
        if self.satisfied(key) {
            self.keys.remove(key);
        }
    }
}
