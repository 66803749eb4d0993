//! What truly happened in the store: what everything that is told about it is measured by.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use model::machines::store;
use model::messages::api::Change;

/// The store's key of an object.
pub type Key = Arc<str>;

/// The revision of a store that was never written to.
pub const EMPTY: u64 = 1;

/// Every object lies under this.
pub const PREFIX: &str = "/registry/core/r/";

static PREFIX_KEY: LazyLock<Key> = LazyLock::new(|| Arc::from(PREFIX));
static KEYS: LazyLock<[Key; 2]> =
    LazyLock::new(|| ["a", "b"].map(|name| Arc::from(format!("{PREFIX}{name}"))));

/// [`PREFIX`], shared.
pub fn prefix() -> Key {
    PREFIX_KEY.clone()
}

/// One of the two keys that worlds write.
pub fn key(index: usize) -> Key {
    KEYS[index % KEYS.len()].clone()
}

/// The last part of a key, for people.
pub fn name(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or(key)
}

/// An object: all that matters of it is whether it bears the mark that a selector selects by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Object {
    /// Whether it bears the mark.
    pub marked: bool,
}

/// What a watch selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Filter {
    /// Every object.
    Everything,
    /// Those that bear the mark.
    Marked,
}

impl Filter {
    /// Whether an object is selected.
    pub fn selects(self, object: Object) -> bool {
        self == Filter::Everything || object.marked
    }
}

impl store::Value for Object {
    fn size(&self) -> u64 {
        1
    }
}

/// One change of a revision.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Written {
    /// The object's key.
    pub key: Key,
    /// The object as written; `None` if it was deleted.
    pub object: Option<Object>,
}

/// A change as a watch sees it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Event {
    /// Its revision.
    pub revision: u64,
    /// The object's key.
    pub key: Key,
    /// What happened.
    pub change: Change,
    /// The object; its last state if it was deleted or left the selector.
    pub object: Object,
}

/// The objects as of a revision, each with the revision of its last write.
pub type Objects = BTreeMap<Key, (u64, Object)>;

/// Every revision since [`EMPTY`], which wrote nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct History {
    revisions: Vec<Vec<Written>>,
}

impl History {
    /// The newest revision.
    pub fn newest(&self) -> u64 {
        EMPTY + self.revisions.len() as u64
    }

    /// Makes the next revision.
    pub fn write(&mut self, changes: Vec<Written>) {
        self.revisions.push(changes);
    }

    /// What a revision wrote, in order.
    pub fn written(&self, revision: u64) -> &[Written] {
        let index = revision.checked_sub(EMPTY + 1);
        let written = index.and_then(|index| self.revisions.get(index as usize));
        written.map_or(&[], Vec::as_slice)
    }

    /// The objects that a filter selects as of a revision.
    pub fn at(&self, revision: u64, filter: Filter) -> Objects {
        let mut objects = Objects::new();
        for revision in EMPTY + 1..=revision.min(self.newest()) {
            for written in self.written(revision) {
                match written.object {
                    Some(object) => {
                        objects.insert(written.key.clone(), (revision, object));
                    }
                    None => {
                        objects.remove(&written.key);
                    }
                }
            }
        }
        objects.retain(|_, (_, object)| filter.selects(*object));
        objects
    }

    /// The state of a key just before a revision.
    pub fn before(&self, revision: u64, key: &str) -> Option<Object> {
        (EMPTY + 1..revision.min(self.newest() + 1))
            .rev()
            .flat_map(|revision| self.written(revision).iter().rev())
            .find(|written| &*written.key == key)
            .and_then(|written| written.object)
    }

    /// What a watch with a filter is to see of one revision: an object that enters the selector is added, one
    /// that leaves it is deleted (guarantee 17).
    pub fn events_of(&self, revision: u64, filter: Filter) -> impl Iterator<Item = Event> + '_ {
        self.written(revision).iter().filter_map(move |written| {
            let before = self.before(revision, &written.key);
            let before = before.filter(|object| filter.selects(*object));
            let after = written.object.filter(|object| filter.selects(*object));
            let (change, object) = match (before, after) {
                (None, Some(after)) => (Change::Added, after),
                (Some(_), Some(after)) => (Change::Modified, after),
                (Some(before), None) => (Change::Deleted, before),
                (None, None) => return None,
            };
            Some(Event {
                revision,
                key: written.key.clone(),
                change,
                object,
            })
        })
    }

    /// What a watch with a filter is to see after one revision, up to another.
    pub fn events(
        &self,
        filter: Filter,
        after: u64,
        through: u64,
    ) -> impl Iterator<Item = Event> + '_ {
        (after + 1..=through.min(self.newest()))
            .flat_map(move |revision| self.events_of(revision, filter))
    }
}
