//! Runs that are small enough for everything to be tried in each of their moments: what the worlds come to too seldom.

use std::sync::Arc;

use model::actions::reflector::ReflectorAction;
use model::actions::watch_cache::{AppliedChange, WatchCacheAction};
use model::machines::reflector::{Event, Input, Item, Reflector, WatchEnd};
use model::messages::api::Change;
use model::objects::key::ObjectKey;
use model::objects::kinds;
use specs::node::Process;
use specs::watch::history::{Object, key, prefix};
use specs::watch::watcher::Observed;

/// What the shipped reflector does with servers that repeat themselves, and with a list from the past.
pub fn reflector() -> Vec<ReflectorAction> {
    let item = |name: &str, revision| Item {
        key: ObjectKey::new(kinds::pods(), "d", name),
        revision,
        value: Object { marked: true },
    };
    let listed = |revision| Input::Listed {
        revision,
        items: vec![],
    };
    let machine = Reflector::<Object>::default();
    let mut process = Process::start(&machine, None);
    let inputs = [
        listed(2),
        Input::Events(vec![Event::Applied(item("a", 3))]),
        Input::Events(vec![
            Event::Applied(item("a", 3)),
            Event::Applied(item("b", 4)),
        ]),
        Input::Bookmark(6),
        Input::WatchEnded(WatchEnd::Gone),
        Input::Retry,
        listed(5),
        Input::Retry,
        listed(7),
        Input::Events(vec![Event::Deleted(item("a", 8))]),
    ];
    let told = inputs.map(|input| process.tell(&machine, input));
    told.into_iter().flatten().collect()
}

/// A cache with a watch of everything and one of an object.
pub fn cache() -> Vec<WatchCacheAction> {
    let applied = |index: usize, revision: u64| WatchCacheAction::Applied {
        revision,
        changes: vec![AppliedChange {
            key: key(index),
            revision,
            change: Change::Modified,
        }],
    };
    let progress = |revision| WatchCacheAction::Applied {
        revision,
        changes: vec![],
    };
    let opened = |watcher, prefix: Arc<str>| WatchCacheAction::Opened {
        watcher,
        prefix,
        everything: true,
        after: 3,
        initial: 0,
    };
    let delivered = |watcher, revisions: &[(usize, u64)]| WatchCacheAction::Delivered {
        watcher,
        changes: revisions
            .iter()
            .map(|(index, revision)| (Change::Modified, key(*index), *revision))
            .collect(),
    };
    vec![
        WatchCacheAction::Filled {
            revision: 3,
            objects: 2,
        },
        opened(1, key(0)),
        opened(2, prefix()),
        applied(0, 4),
        applied(0, 5),
        delivered(2, &[(0, 4), (0, 5)]),
        progress(6),
        applied(1, 7),
        delivered(2, &[(1, 7)]),
        delivered(1, &[(0, 4), (0, 5)]),
        progress(8),
    ]
}

/// A client that is told how far its watch is, and then goes on.
pub fn watcher() -> Vec<Observed> {
    let event = |change, revision| Observed::Event {
        change,
        key: key(0),
        revision,
    };
    let bookmark = |revision| Observed::Bookmark {
        revision,
        initial_events_end: false,
    };
    vec![
        Observed::Listed {
            revision: 1,
            objects: vec![],
        },
        Observed::WatchedAfter(1),
        event(Change::Added, 2),
        bookmark(3),
        event(Change::Modified, 4),
        bookmark(5),
        event(Change::Deleted, 6),
    ]
}
