//! The guards of the watch, for those who look into servers and for those who only watch.

use std::collections::BTreeMap;

use model::actions::reflector::ReflectorAction;
use model::actions::watch_cache::WatchCacheAction;
use model::machines::watch_cache::WatchCache;
use model::machines::{reflector, store};
use specs::checked::Checked;
use specs::watch::cache::Cache;
use specs::watch::history::{Filter, Object, key};
use specs::watch::machines::{self, Held, MachinesWorld};
use specs::watch::reflector::Reflector;
use specs::watch::specification::{Action, Watch};
use specs::watch::watcher::{Observed, Watcher};
use specs::watch::world;
use specs::watch::world::WatchWorld;

use super::altered::altered;
use super::{Look, Shown, accepted, first, gaps, runs, runs_with_a_bug, small};
use crate::bugs::faulty::Faulty;
use crate::bugs::watch_caches::CacheFault;
use crate::watch::SCRIPT;

fn word(action: &Action) -> String {
    match action {
        Action::Server { action, .. } => first(action),
        Action::Client { action, .. } => first(action),
        other => first(other),
    }
}

fn altered_inside(action: &Action) -> Vec<Action> {
    match action {
        Action::Server { server, action } => {
            let server = *server;
            let altered = altered(action).into_iter();
            altered
                .map(|action| Action::Server { server, action })
                .collect()
        }
        Action::Client { client, action } => {
            let client = *client;
            let altered = altered(action).into_iter();
            altered
                .map(|action| Action::Client { client, action })
                .collect()
        }
        Action::Wrote { .. }
        | Action::Compacted { .. }
        | Action::ServerLost { .. }
        | Action::ClientLost { .. } => Vec::new(),
    }
}

const EXTRAS: u8 = 6;

/// The machines' world, longer than can be explored.
fn machines_world(filter: Filter, streams: bool) -> MachinesWorld {
    let mut world = machines::world("large");
    world.watch.filters = vec![filter];
    MachinesWorld {
        extras: EXTRAS,
        streams,
        script: SCRIPT,
        ..world
    }
}

/// Its API servers have a bug.
fn lying(
    shipped: MachinesWorld,
    fault: CacheFault,
) -> MachinesWorld<
    store::Store<Object>,
    Faulty<WatchCache<Held>, CacheFault>,
    reflector::Reflector<Object>,
> {
    let machine = shipped.cache;
    MachinesWorld {
        cache: Faulty { machine, fault },
        store: shipped.store,
        reflector: shipped.reflector,
        watch: shipped.watch,
        streams: shipped.streams,
        script: shipped.script,
        extras: shipped.extras,
    }
}

/// The abstract world, which does whatever is allowed.
fn abstract_world(filter: Filter) -> WatchWorld {
    let mut world = world("ci");
    world.watch.filters = vec![filter];
    WatchWorld {
        extras: EXTRAS,
        script: SCRIPT,
        ..world
    }
}

const TRIES: usize = 40 * 4;

const CACHE: Look<Cache> = Look {
    specification: Cache,
    tries: TRIES,
    word: first,
    altered: altered::<WatchCacheAction>,
};

const REFLECTOR: Look<Reflector> = Look {
    specification: Reflector,
    tries: TRIES,
    word: first,
    altered: altered::<ReflectorAction>,
};

/// What each cache said from a start on, and what each reflector did: a trace is held against these alone.
fn parts(runs: &[Vec<Action>]) -> (Vec<Vec<WatchCacheAction>>, Vec<Vec<ReflectorAction>>) {
    let (mut caches, mut reflectors) = (Vec::new(), Vec::new());
    for run in runs {
        let mut servers: BTreeMap<usize, Vec<WatchCacheAction>> = BTreeMap::new();
        let mut clients: BTreeMap<usize, Vec<ReflectorAction>> = BTreeMap::new();
        for action in run.iter().cloned() {
            match action {
                Action::Server { server, action } => {
                    servers.entry(server).or_default().push(action);
                }
                Action::Client { client, action } => {
                    clients.entry(client).or_default().push(action);
                }
                Action::ServerLost { server } => caches.extend(servers.remove(&server)),
                Action::ClientLost { client } => reflectors.extend(clients.remove(&client)),
                Action::Wrote { .. } | Action::Compacted { .. } => {}
            }
        }
        caches.extend(servers.into_values());
        reflectors.extend(clients.into_values());
    }
    (caches, reflectors)
}

/// The same, but that watches are of one object, as far as the specification takes that.
fn narrowed(mut runs: Vec<Vec<WatchCacheAction>>) -> Vec<Vec<WatchCacheAction>> {
    for run in &mut runs {
        for action in run.iter_mut() {
            match action {
                WatchCacheAction::Opened { prefix, .. } => *prefix = key(0),
                WatchCacheAction::Delivered { changes, .. } => {
                    changes.retain(|(_, of, _)| *of == key(0));
                }
                _ => {}
            }
        }
        accepted(&Cache, run);
    }
    runs
}

/// The runs of all worlds of a filter.
fn all_runs(specification: &Watch, filter: Filter) -> [Vec<Vec<Action>>; 5] {
    let shipped = machines_world(filter, false);
    let lied_to = |fault| {
        let world = Checked::new(lying(shipped.clone(), fault));
        runs_with_a_bug(specification, &world, 20, 100)
    };
    [
        runs::<Watch, _>(&Checked::new(abstract_world(filter)), 120, 100),
        runs::<Watch, _>(&Checked::new(machines_world(filter, true)), 20, 100),
        lied_to(CacheFault::AnyList),
        lied_to(CacheFault::Buffered),
        runs::<Watch, _>(&Checked::new(shipped.clone()), 20, 100),
    ]
}

#[test]
fn guards_of_the_watch() {
    let mut shown = Shown::default();
    for filter in [Filter::Marked, Filter::Everything] {
        let look = Look {
            specification: machines_world(filter, false).watch,
            tries: TRIES,
            word,
            altered: altered_inside,
        };
        for runs in all_runs(&look.specification, filter) {
            shown.weaken(&look, &runs);
            let (caches, reflectors) = parts(&runs);
            shown.weaken(&CACHE, &caches);
            shown.weaken(&CACHE, &narrowed(caches));
            shown.weaken(&REFLECTOR, &reflectors);
        }
    }
    shown.weaken(&CACHE, &[small::cache()]);
    shown.weaken(&REFLECTOR, &[small::reflector()]);
    insta::assert_snapshot!(gaps::table("watch", &shown));
    gaps::hold("watch", &shown);
}

/// What becomes of an observation: another revision, the end of initial events or not.
fn altered_observation(observed: &Observed) -> Vec<Observed> {
    let revisions = |revision: u64| [revision.saturating_sub(1), revision + 1];
    match observed {
        Observed::Listed { revision, objects } => revisions(*revision)
            .map(|revision| Observed::Listed {
                revision,
                objects: objects.clone(),
            })
            .to_vec(),
        Observed::Event {
            change,
            key,
            revision,
        } => revisions(*revision)
            .map(|revision| Observed::Event {
                change: *change,
                key: key.clone(),
                revision,
            })
            .to_vec(),
        Observed::Bookmark {
            revision,
            initial_events_end,
        } => {
            let [before, after] = revisions(*revision);
            let ends = *initial_events_end;
            let altered = [(before, ends), (after, ends), (*revision, !ends)];
            altered
                .map(|(revision, initial_events_end)| Observed::Bookmark {
                    revision,
                    initial_events_end,
                })
                .to_vec()
        }
        Observed::WatchedAfter(after) => revisions(*after).map(Observed::WatchedAfter).to_vec(),
        Observed::WatchedInitial { .. }
        | Observed::Gone
        | Observed::Ended
        | Observed::Restarted => Vec::new(),
    }
}

/// The same, but that clients do not mind how fresh initial events are.
fn content_with_anything(mut runs: Vec<Vec<Observed>>) -> Vec<Vec<Observed>> {
    for observed in runs.iter_mut().flatten() {
        if let Observed::WatchedInitial { least } = observed {
            *least = 0;
        }
    }
    runs
}

#[test]
fn guards_of_a_watcher() {
    let look = Look {
        specification: Watcher,
        tries: 300,
        word: first,
        altered: altered_observation,
    };
    let mut shown = Shown::default();
    for filter in [Filter::Marked, Filter::Everything] {
        for streams in [false, true] {
            let world = Checked::new(machines_world(filter, streams));
            shown.weaken(&look, &runs::<Watcher, _>(&world, 40, 100));
        }
        let world = Checked::new(abstract_world(filter));
        let runs = runs::<Watcher, _>(&world, 60, 100);
        shown.weaken(&look, &runs);
        shown.weaken(&look, &content_with_anything(runs));
    }
    shown.weaken(&look, &[small::watcher()]);
    insta::assert_snapshot!(gaps::table("watcher", &shown));
    gaps::hold("watcher", &shown);
}
