//! Runs that are small enough for everything to be tried in each of their moments: what the worlds come to too seldom.

use std::sync::Arc;

use model::actions::reflector::ReflectorAction;
use model::actions::watch_cache::{AppliedChange, WatchCacheAction};
use model::machines::reflector::{self, Event, Item, Reflector, WatchEnd};
use model::machines::transaction::{Input, Output, Seen, Write, WriteVerb};
use model::messages::api;
use model::messages::store::{OperationResult, StoreResponse};
use model::objects::key::ObjectKey;
use model::objects::kinds;
use specs::create_pod::Action;
use specs::create_pod::machines::{Change, Shipped, Suite, Thing};
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
    let listed = |revision| reflector::Input::Listed {
        revision,
        items: vec![],
    };
    let machine = Reflector::<Object>::default();
    let mut process = Process::start(&machine, None);
    let inputs = [
        listed(2),
        reflector::Input::Events(vec![Event::Applied(item("a", 3))]),
        reflector::Input::Events(vec![
            Event::Applied(item("a", 3)),
            Event::Applied(item("b", 4)),
        ]),
        reflector::Input::Bookmark(6),
        reflector::Input::WatchEnded(WatchEnd::Gone),
        reflector::Input::Retry,
        listed(5),
        reflector::Input::Retry,
        listed(7),
        reflector::Input::Events(vec![Event::Deleted(item("a", 8))]),
    ];
    let told = inputs.map(|input| process.tell(&machine, input));
    told.into_iter().flatten().collect()
}

/// The shipped write path with an event, which expires: it asks for a lease, writes, and uses the lease no longer. Nothing
/// else on a pod's path does.
pub fn event() -> Vec<Action> {
    let namespace = Seen::Present {
        revision: 1,
        value: Thing::default(),
    };
    let mut event = Thing::default();
    event.meta.name = "a".to_owned();
    event.meta.namespace = "d".to_owned();
    let created = Input::Submit {
        id: 1,
        write: Write {
            key: ObjectKey::new(kinds::events(), "d", "a"),
            verb: WriteVerb::Create(Change::Whole(Box::new(event))),
            dry_run: false,
        },
        object: Seen::Absent,
        namespace,
        uid: "u".to_owned(),
        random: 1,
    };
    let machine = Shipped.transactions();
    let mut process = Process::start(&machine, None);
    let mut told = process.tell(&machine, created);
    let (lease, ttl_seconds) = match process.outbox.pop_front() {
        Some(Output::Grant { lease, ttl_seconds }) => (lease, ttl_seconds),
        other => panic!("{other:?}"),
    };
    let answer = Some(StoreResponse::Lease { lease, ttl_seconds });
    told.extend(process.tell(&machine, Input::Granted { lease, answer }));
    let response = StoreResponse::Transaction {
        revision: 2,
        succeeded: true,
        results: vec![OperationResult::Put],
    };
    told.extend(process.tell(&machine, Input::Stored { id: 1, response }));
    told.extend(process.tell(&machine, Input::LeaseUsed));
    told.into_iter()
        .map(|action| Action::ApiServer(0, action))
        .collect()
}

/// A cache with a watch of everything and one of an object.
pub fn cache() -> Vec<WatchCacheAction> {
    let applied = |index: usize, revision: u64| WatchCacheAction::Applied {
        revision,
        changes: vec![AppliedChange {
            key: key(index),
            revision,
            change: api::Change::Modified,
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
            .map(|(index, revision)| (api::Change::Modified, key(*index), *revision))
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
        event(api::Change::Added, 2),
        bookmark(3),
        event(api::Change::Modified, 4),
        bookmark(5),
        event(api::Change::Deleted, 6),
    ]
}
