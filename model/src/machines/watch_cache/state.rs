//! What a watch cache knows.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use super::input::{Cached, Epoch, Key, Read, RequestId, Watch};
use super::step::Limits;

/// Everything a watch cache knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State<V: Cached> {
    pub(super) epoch: Epoch,
    pub(super) feed: Feed<V>,
    /// How often in a row the feed was lost without anything being fed.
    pub(super) attempts: u32,
    /// Whether the objects have been read at all.
    pub(super) filled: bool,
    /// Every change up to this revision has been taken in.
    pub(super) revision: u64,
    pub(super) objects: BTreeMap<Key, Held<V>>,
    pub(super) window: Window<V>,
    pub(super) watchers: BTreeMap<RequestId, Watcher<V>>,
    pub(super) scopes: Scopes,
    /// Watchers that have changes in the window still to be handed out.
    pub(super) behind: BTreeSet<RequestId>,
    pub(super) waiting: BTreeMap<RequestId, Waiting<V>>,
    /// Waiting requests by the revision they wait for.
    pub(super) due: BTreeSet<(u64, RequestId)>,
    pub(super) queries: Queries,
}

/// How the cache follows the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Feed<V> {
    /// Reading all objects.
    Listing(BTreeMap<Key, Held<V>>),
    /// Taking in changes.
    Following,
    /// Waiting before the next attempt; whether that has to read all objects.
    Resting { list: bool },
}

/// An object and the revision of its last write.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Held<V> {
    pub(super) revision: u64,
    pub(super) value: V,
}

/// One change that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Kept<V> {
    pub(super) key: Key,
    pub(super) revision: u64,
    pub(super) before: Option<Held<V>>,
    pub(super) after: After<V>,
}

/// What a change left.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum After<V> {
    /// The object as written.
    Present(V),
    /// Nothing: the last state, stamped with the deletion's revision.
    Gone(V),
}

/// The recent changes, in the order of revisions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Window<V> {
    /// Changes after this revision are all there.
    pub(super) floor: u64,
    pub(super) changes: VecDeque<Kept<V>>,
    bytes: usize,
}

impl<V: Cached> Window<V> {
    pub(super) fn empty(floor: u64) -> Self {
        Window {
            floor,
            changes: VecDeque::new(),
            bytes: 0,
        }
    }

    pub(super) fn push(&mut self, change: Kept<V>) {
        self.bytes += change.size();
        self.changes.push_back(change);
    }

    /// Drops the oldest revisions until the rest is within the limits. Tells whether it dropped any.
    pub(super) fn trim(&mut self, count_limit: usize, bytes_limit: usize) -> bool {
        let floor = self.floor;
        while self.changes.len() > count_limit || self.bytes > bytes_limit {
            let Some(revision) = self.changes.front().map(|change| change.revision) else {
                break;
            };
            while let Some(oldest) = self.changes.front()
                && oldest.revision == revision
            {
                self.bytes -= oldest.size();
                self.changes.pop_front();
            }
            self.floor = revision;
        }
        self.floor != floor
    }

    /// The changes after a revision, oldest first.
    pub(super) fn after(&self, revision: u64) -> impl DoubleEndedIterator<Item = &Kept<V>> {
        let start = self
            .changes
            .partition_point(|change| change.revision <= revision);
        self.changes.range(start..)
    }
}

impl<V: Cached> Kept<V> {
    fn size(&self) -> usize {
        match &self.after {
            After::Present(value) | After::Gone(value) => value.size() + self.key.len(),
        }
    }
}

/// One watch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Watcher<V: Cached> {
    pub(super) prefix: Key,
    pub(super) filter: V::Filter,
    pub(super) bookmarks: bool,
    /// Present objects still to be handed out, before any change.
    pub(super) initial: VecDeque<(Key, Held<V>)>,
    /// Whether a bookmark ends them, and has not been sent.
    pub(super) initial_bookmark: bool,
    /// Every change up to this revision has been handed out.
    pub(super) sent: u64,
    pub(super) untaken: Untaken,
}

/// What was handed to a watch and its client has not taken, in the order in which it was handed out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Untaken {
    /// The bytes of each change; a bookmark has none.
    sizes: VecDeque<usize>,
    bytes: usize,
}

impl Untaken {
    pub(super) fn push(&mut self, bytes: usize) {
        self.sizes.push_back(bytes);
        self.bytes += bytes;
    }

    /// The client took the oldest `count`. Tells whether there were so many; if not, none is taken.
    pub(super) fn take(&mut self, count: u32) -> bool {
        let count = count as usize;
        if count > self.sizes.len() {
            return false;
        }
        self.bytes -= self.sizes.drain(..count).sum::<usize>();
        true
    }

    /// How many changes and how many bytes may follow within these limits.
    pub(super) fn room(&self, limits: &Limits) -> (usize, usize) {
        (
            (limits.untaken as usize).saturating_sub(self.sizes.len()),
            limits.untaken_bytes.saturating_sub(self.bytes),
        )
    }

    /// Whether at most half of what may be on its way is.
    pub(super) fn is_half(&self, limits: &Limits) -> bool {
        self.sizes.len() <= limits.untaken as usize / 2 && self.bytes <= limits.untaken_bytes / 2
    }
}

/// Watchers by what they see, so that a change meets only those it may concern.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Scopes {
    by_prefix: BTreeMap<Key, BTreeMap<Option<Arc<str>>, BTreeSet<RequestId>>>,
}

impl Scopes {
    pub(super) fn insert(&mut self, prefix: &Key, group: Option<&str>, watcher: RequestId) {
        let groups = self.by_prefix.entry(prefix.clone()).or_default();
        let watchers = groups.entry(group.map(Arc::from)).or_default();
        watchers.insert(watcher);
    }

    pub(super) fn remove(&mut self, prefix: &Key, group: Option<&str>, watcher: RequestId) {
        let group = group.map(Arc::from);
        let Some(groups) = self.by_prefix.get_mut(prefix) else {
            return;
        };
        if let Some(watchers) = groups.get_mut(&group) {
            watchers.remove(&watcher);
            if watchers.is_empty() {
                groups.remove(&group);
            }
        }
        if groups.is_empty() {
            self.by_prefix.remove(prefix);
        }
    }

    /// Those who may see a change of `key` between objects of these groups.
    pub(super) fn concerned(&self, key: &str, groups: [Option<&str>; 2]) -> BTreeSet<RequestId> {
        let mut found = BTreeSet::new();
        let folders = key.match_indices('/').map(|(at, _)| &key[..=at]);
        for prefix in folders.chain([key]) {
            let Some(by_group) = self.by_prefix.get(prefix) else {
                continue;
            };
            let ungrouped = by_group.get(&None).into_iter();
            let grouped = groups
                .iter()
                .flatten()
                .filter_map(|group| by_group.get(&Some(Arc::from(*group))));
            found.extend(ungrouped.chain(grouped).flatten().copied());
        }
        found
    }
}

/// A request that waits until the cache is fresh enough.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Waiting<V: Cached> {
    pub(super) request: Request<V>,
    /// The revision it waits for; `None` while that is being asked of the store.
    pub(super) revision: Option<u64>,
}

/// What waits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Request<V: Cached> {
    Read(Read<V::Filter>),
    /// A list of the past, which no longer is what the present objects are.
    ReadExact(Read<V::Filter>, u64),
    Watch(Watch<V::Filter>),
}

/// Questions to the store for its revision, one at a time.
///
/// A read may only be answered by a question that was sent after the read began. So those that come while one
/// is under way share the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Queries {
    pub(super) last: u64,
    /// The question under way and who shares it.
    pub(super) asked: Option<BTreeSet<RequestId>>,
    pub(super) next: BTreeSet<RequestId>,
}

impl<V: Cached> State<V> {
    /// The revision up to which the cache is complete; `None` until it was filled.
    pub fn revision(&self) -> Option<u64> {
        self.filled.then_some(self.revision)
    }

    /// What the cache does about the store at present: `listing`, `following` or `resting`.
    pub fn phase(&self) -> &'static str {
        match self.feed {
            Feed::Listing(_) => "listing",
            Feed::Following => "following",
            Feed::Resting { .. } => "resting",
        }
    }

    /// How many objects it holds, how many recent changes, how many watches and waiting requests.
    pub fn sizes(&self) -> [usize; 4] {
        [
            self.objects.len(),
            self.window.changes.len(),
            self.watchers.len(),
            self.waiting.len(),
        ]
    }

    /// An object as the cache has it, with its revision.
    pub fn object(&self, key: &str) -> Option<(u64, &V)> {
        let held = self.objects.get(key)?;
        Some((held.revision, &held.value))
    }

    /// The objects under a prefix (or the one whose key it is), after a key.
    pub(super) fn under<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&str>,
    ) -> impl Iterator<Item = (&'a Key, &'a Held<V>)> {
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        self.objects
            .range::<str, _>((start, Bound::Unbounded))
            .take_while(move |(key, _)| key.starts_with(prefix))
            .filter(move |(key, _)| covers(prefix, key))
    }
}

/// Whether a prefix (a folder, ending in `/`, or a whole key) covers a key.
pub(super) fn covers(prefix: &str, key: &str) -> bool {
    if prefix.ends_with('/') {
        key.starts_with(prefix)
    } else {
        key == prefix
    }
}
