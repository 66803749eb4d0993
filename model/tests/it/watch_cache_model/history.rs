//! A store that forgets nothing.

use std::collections::BTreeMap;

use model::machines::watch_cache::{Cached, Key};
use model::messages::api::Change;

use crate::watch_cache::{Pick, Thing};

pub(super) type Written = (Key, Option<Thing>);

/// Everything that was ever written.
#[derive(Default)]
pub(super) struct History {
    pub(super) revisions: Vec<(u64, Vec<Written>)>,
    pub(super) compacted: u64,
}

impl History {
    pub(super) fn newest(&self) -> u64 {
        self.revisions.last().map_or(1, |(revision, _)| *revision)
    }

    pub(super) fn at(&self, revision: u64) -> BTreeMap<Key, (u64, Thing)> {
        let mut objects = BTreeMap::new();
        for (at, changes) in self.revisions.iter().filter(|(at, _)| *at <= revision) {
            for (key, value) in changes {
                match value {
                    Some(value) => objects.insert(key.clone(), (*at, *value)),
                    None => objects.remove(key),
                };
            }
        }
        objects
    }

    /// What a watch sees after a revision.
    pub(super) fn seen(
        &self,
        after: u64,
        prefix: &str,
        filter: &Pick,
    ) -> Vec<(Change, Key, u64, Thing)> {
        let mut objects = self.at(after);
        let mut seen = Vec::new();
        for (revision, changes) in self.revisions.iter().filter(|(at, _)| *at > after) {
            for (key, value) in changes {
                let before = match value {
                    Some(value) => objects.insert(key.clone(), (*revision, *value)),
                    None => objects.remove(key),
                };
                let before = before
                    .map(|(_, value)| value)
                    .filter(|value| value.matches(filter));
                let now = value.filter(|value| value.matches(filter));
                let told = match (before, now) {
                    _ if !covers(prefix, key) => continue,
                    (None, None) => continue,
                    (None, Some(now)) => (Change::Added, now),
                    (Some(_), Some(now)) => (Change::Modified, now),
                    (Some(before), None) => (Change::Deleted, before),
                };
                seen.push((told.0, key.clone(), *revision, told.1));
            }
        }
        seen
    }

    pub(super) fn selected(&self, at: u64, prefix: &str, filter: &Pick) -> Vec<(Key, u64, Thing)> {
        let objects = self.at(at).into_iter();
        objects
            .filter(|(key, (_, value))| covers(prefix, key) && value.matches(filter))
            .map(|(key, (revision, value))| (key, revision, value))
            .collect()
    }
}

pub(super) fn covers(prefix: &str, key: &str) -> bool {
    if prefix.ends_with('/') {
        key.starts_with(prefix)
    } else {
        key == prefix
    }
}
