//! The whole: a store, API servers with their caches, clients with their reflectors. What each may do alone is
//! [`cache`] and [`reflector`]; here stands what they owe to the store's history.

use model::actions::reflector::ReflectorAction;
use model::actions::watch_cache::{AppliedChange, WatchCacheAction};
use model::messages::api::Change;
use model::objects::key::ObjectKey;

use super::cache;
use super::history::{Event, Filter, History, Key, Written};
use super::reflector;
use crate::specification::{Refused, Specification, guard};

/// The specification of a store with its API servers and their clients.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Watch {
    /// How many API servers there are.
    pub servers: usize,
    /// What each client selects. Client `c` asks under the numbers `c`, `c + clients`, `c + 2·clients`, ….
    pub filters: Vec<Filter>,
}

/// What the specification knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// What the store has made durable.
    pub history: History,
    /// Ranges and watches before this revision are refused by the store.
    pub compacted: u64,
    /// The caches of the API servers.
    pub servers: Vec<Server>,
    /// The reflectors of the clients.
    pub clients: Vec<reflector::State>,
}

/// One API server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Server {
    /// Its cache.
    pub cache: cache::State,
    /// The store's revision when the question under way was asked: an answer is not older.
    pub asked_at: u64,
}

/// One thing that can happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The store made a revision durable.
    Wrote {
        /// The revision.
        revision: u64,
        /// What it changed.
        changes: Vec<Written>,
    },
    /// The store forgot what was before a revision.
    Compacted {
        /// That revision.
        through: u64,
    },
    /// An API server's cache did something.
    Server {
        /// Which server.
        server: usize,
        /// What.
        action: WatchCacheAction,
    },
    /// An API server was restarted.
    ServerLost {
        /// Which.
        server: usize,
    },
    /// A client's reflector did something.
    Client {
        /// Which client.
        client: usize,
        /// What.
        action: ReflectorAction,
    },
    /// A client was restarted.
    ClientLost {
        /// Which.
        client: usize,
    },
}

impl Specification for Watch {
    type State = State;
    type Action = Action;

    fn begin(&self) -> State {
        State {
            history: History::default(),
            compacted: 0,
            servers: vec![Server::default(); self.servers],
            clients: vec![reflector::Reflector.begin(); self.filters.len()],
        }
    }

    fn apply(&self, state: &mut State, action: &Action) -> Result<(), Refused> {
        self.check(state, action)?;
        self.take(state, action);
        Ok(())
    }
}

impl Watch {
    /// Lets something happen that [`check`](Self::check) allows.
    pub fn take(&self, state: &mut State, action: &Action) {
        match action {
            Action::Wrote { changes, .. } => state.history.write(changes.clone()),
            Action::Compacted { through } => state.compacted = *through,
            Action::Server { server, action } => {
                let server = &mut state.servers[*server];
                match action {
                    WatchCacheAction::Queried { .. } => server.asked_at = state.history.newest(),
                    WatchCacheAction::Answered { .. } => server.asked_at = 0,
                    WatchCacheAction::Trimmed { floor } => {
                        for (watcher, watch) in &mut server.cache.watches {
                            let filter = self.filters[*watcher as usize % self.filters.len()];
                            let mut left = state.history.events(filter, watch.sent, *floor);
                            watch.lost |= left.next().is_some();
                        }
                    }
                    _ => {}
                }
                cache::take(&mut server.cache, action);
            }
            Action::ServerLost { server } => state.servers[*server] = Server::default(),
            Action::Client { client, action } => {
                reflector::take(&mut state.clients[*client], action);
            }
            Action::ClientLost { client } => state.clients[*client] = reflector::Reflector.begin(),
        }
    }

    /// Whether something may happen.
    ///
    /// # Errors
    /// The guard that forbids it.
    pub fn check(&self, state: &State, action: &Action) -> Result<(), Refused> {
        alone(state, action)?;
        self.against_history(state, action)
    }

    fn filter(&self, request: u64) -> Filter {
        self.filters[request as usize % self.filters.len()]
    }

    fn against_history(&self, state: &State, action: &Action) -> Result<(), Refused> {
        let newest = state.history.newest();
        match action {
            Action::Wrote { revision, .. } => {
                guard(*revision == newest + 1, "revisions have no gaps", || {
                    format!("{revision} after {newest}")
                })
            }
            Action::Compacted { through } => {
                let detail = || format!("{through} after {} at {newest}", state.compacted);
                guard(state.compacted < *through, "compaction is monotone", detail)?;
                guard(*through <= newest, "compaction is of the past", detail)
            }
            Action::Server { server, action } => {
                self.server(&state.history, &state.servers[*server], action)
            }
            Action::Client { client, action } => {
                let seen = state.clients[*client].seen;
                client_is_true(&state.history, self.filters[*client], seen, action)
            }
            Action::ServerLost { .. } | Action::ClientLost { .. } => Ok(()),
        }
    }

    fn server(
        &self,
        history: &History,
        server: &Server,
        action: &WatchCacheAction,
    ) -> Result<(), Refused> {
        use WatchCacheAction as Told;
        match action {
            Told::Filled { revision, objects } => {
                let there = history.at(*revision, Filter::Everything).len() as u64;
                let detail = || format!("{objects} objects as of {revision}, there were {there}");
                let past = *revision <= history.newest();
                guard(past, "a cache is not ahead of the store", detail)?;
                guard(
                    there == *objects,
                    "a cache holds what the store held",
                    detail,
                )
            }
            Told::Applied { revision, changes } => {
                let happened = history.events(Filter::Everything, server.cache.revision, *revision);
                let happened: Vec<AppliedChange> = happened.map(applied).collect();
                let detail = || format!("{changes:?} up to {revision}, happened: {happened:?}");
                let past = *revision <= history.newest();
                guard(past, "a cache is not ahead of the store", detail)?;
                guard(
                    happened == *changes,
                    "a cache takes in what happened",
                    detail,
                )
            }
            Told::Answered { revision, .. } => {
                let detail = || format!("{revision}, asked at {}", server.asked_at);
                let fresh = server.asked_at <= *revision;
                guard(
                    fresh,
                    "the store's answer is as fresh as the question",
                    detail,
                )?;
                let past = *revision <= history.newest();
                guard(past, "the store's answer is of the past", detail)
            }
            Told::Opened {
                watcher,
                after,
                initial,
                ..
            } => {
                let most = history.at(*after, self.filter(*watcher)).len() as u64;
                guard(
                    *initial == 0 || *initial == most,
                    "initial events are the present objects",
                    || format!("{initial} as of {after}, there are {most}"),
                )
            }
            Told::Delivered { watcher, changes } => {
                self.delivered(history, &server.cache, *watcher, changes)
            }
            Told::Bookmarked {
                watcher, revision, ..
            } => {
                let missed = server.cache.watches.get(watcher).and_then(|watch| {
                    let mut missed = history.events(self.filter(*watcher), watch.sent, *revision);
                    missed.next()
                });
                guard(missed.is_none(), "no change is left out", || {
                    format!("{missed:?} before a bookmark at {revision}")
                })
            }
            _ => Ok(()),
        }
    }

    fn delivered(
        &self,
        history: &History,
        cache: &cache::State,
        watcher: u64,
        changes: &[(Change, Key, u64)],
    ) -> Result<(), Refused> {
        let filter = self.filter(watcher);
        let Some(watch) = cache.watches.get(&watcher) else {
            return Ok(());
        };
        if watch.initial > 0 {
            let objects = history.at(watch.after, filter);
            let present = changes.iter().all(|(_, key, revision)| {
                objects
                    .get(key)
                    .is_some_and(|(written, _)| written == revision)
            });
            return guard(present, "initial events are the present objects", || {
                format!("{changes:?} as of {}", watch.after)
            });
        }
        let through = changes.last().map_or(watch.sent, |(_, _, last)| *last);
        let happened: Vec<Event> = history.events(filter, watch.sent, through).collect();
        let handed = happened
            .iter()
            .map(|event| (event.change, &event.key, event.revision));
        let equal = handed.eq(changes
            .iter()
            .map(|(change, key, revision)| (*change, key, *revision)));
        guard(equal, "a watch is handed what happened", || {
            format!("{changes:?}, happened: {happened:?}")
        })
    }
}

/// What a cache or a reflector may do by itself.
fn alone(state: &State, action: &Action) -> Result<(), Refused> {
    match action {
        Action::Server { server, action } => cache::check(&state.servers[*server].cache, action),
        Action::Client { client, action } => reflector::check(&state.clients[*client], action),
        _ => Ok(()),
    }
}

/// What a client takes for true, happened.
fn client_is_true(
    history: &History,
    filter: Filter,
    seen: u64,
    action: &ReflectorAction,
) -> Result<(), Refused> {
    use ReflectorAction as Told;
    let event = |key: &ObjectKey, revision: u64, deleted: bool| {
        let path = key.path();
        let missed = history
            .events(filter, seen, revision.saturating_sub(1))
            .next();
        guard(missed.is_none(), "no event is missed", || {
            format!("{missed:?} before {key} at {revision}")
        })?;
        let happened = history
            .events_of(revision, filter)
            .any(|event| *event.key == *path && (event.change == Change::Deleted) == deleted);
        guard(happened, "a client takes in what happened", || {
            format!("{action:?}")
        })
    };
    match action {
        Told::Replaced { revision, count } => {
            let there = history.at(*revision, filter).len() as u64;
            let detail = || format!("{count} objects as of {revision}, there were {there}");
            let past = *revision <= history.newest();
            guard(past, "a list is not ahead of the store", detail)?;
            guard(there == *count, "a list holds what the store held", detail)
        }
        Told::Applied { key, revision } => event(key, *revision, false),
        Told::Deleted { key, revision } => event(key, *revision, true),
        Told::Advanced { revision } => {
            let missed = history.events(filter, seen, *revision).next();
            let detail = || format!("{missed:?} before a bookmark at {revision}");
            guard(missed.is_none(), "no event is missed", detail)?;
            let past = *revision <= history.newest();
            guard(past, "a bookmark is not ahead of the store", detail)
        }
        _ => Ok(()),
    }
}

/// A change as a cache takes it in.
pub fn applied(event: Event) -> AppliedChange {
    AppliedChange {
        key: event.key,
        revision: event.revision,
        change: event.change,
    }
}
