//! What clients do in the abstract world.

use model::actions::reflector::ReflectorAction;
use model::actions::watch_cache::WatchCacheAction;
use model::messages::api::Change;
use model::objects::key::ObjectKey;

use super::super::history::{Event, Key};
use super::super::ledger::What;
use super::super::reflector;
use super::super::specification::Action;
use super::{Frame, Phase, State, WatchWorld};

impl WatchWorld {
    fn on_client(&self, state: &mut State, client: usize, action: ReflectorAction) {
        self.act(state, Action::Client { client, action });
    }

    pub(super) fn list(&self, state: &mut State, client: usize, server: usize, any: bool) {
        let least = if any { 0 } else { state.watch.history.newest() };
        self.ask_for_all(state, client, server, self.requests(client).0, any);
        state.clients[client].phase = Phase::Listing;
        self.observe(state, client, &What::AsksList { least });
    }

    pub(super) fn stream(&self, state: &mut State, client: usize, server: usize, any: bool) {
        let least = if any { 0 } else { state.watch.history.newest() };
        self.ask_for_all(state, client, server, self.requests(client).1, any);
        state.clients[client].phase = Phase::Asking { initial: true };
        self.observe(state, client, &What::AsksInitial { least });
    }

    /// A reflector that streams is listing until the initial events have ended.
    fn ask_for_all(
        &self,
        state: &mut State,
        client: usize,
        server: usize,
        request: u64,
        any: bool,
    ) {
        state.clients[client].server = server;
        if state.watch.clients[client].phase == reflector::Phase::Idle {
            self.on_client(state, client, ReflectorAction::Listing);
        }
        if !any {
            let waits = WatchCacheAction::Waits {
                request,
                revision: None,
            };
            self.on_server(state, server, waits);
        }
    }

    pub(super) fn watch(&self, state: &mut State, client: usize, server: usize) {
        let after = state.clients[client].revision;
        state.clients[client].server = server;
        state.clients[client].phase = Phase::Asking { initial: false };
        self.on_client(state, client, ReflectorAction::Watching { after });
        self.observe(state, client, &What::AsksWatch { after });
    }

    pub(super) fn take_frame(&self, state: &mut State, client: usize) {
        let Some(frame) = state.clients[client].frames.pop_front() else {
            return;
        };
        let filter = self.watch.filters[client];
        let server = state.clients[client].server;
        match frame {
            Frame::List(revision) => {
                let objects = state.watch.history.at(revision, filter);
                let count = objects.len() as u64;
                self.observe(state, client, &What::Listed { revision, objects });
                self.on_client(state, client, ReflectorAction::Replaced { revision, count });
                state.clients[client].reach(revision);
                state.clients[client].phase = Phase::Behind;
            }
            Frame::Initial(revision) => {
                let objects = state.watch.history.at(revision, filter).into_iter();
                let added = |(key, (revision, object))| Event {
                    revision,
                    key,
                    change: Change::Added,
                    object,
                };
                let events = objects.map(added).collect();
                self.observe(state, client, &What::Events { events, floor: 0 });
                state.clients[client].told = true;
            }
            Frame::Events(after, through) => {
                let events: Vec<Event> =
                    state.watch.history.events(filter, after, through).collect();
                let floor = state.watch.servers[server].cache.floor;
                let seen = What::Events {
                    events: events.clone(),
                    floor,
                };
                self.observe(state, client, &seen);
                for event in events {
                    self.on_client(
                        state,
                        client,
                        taken_in(event.change, &event.key, event.revision),
                    );
                }
                state.clients[client].reach(through);
            }
            Frame::Bookmark(revision, initial_events_end) => {
                let seen = What::Bookmark {
                    revision,
                    initial_events_end,
                };
                self.observe(state, client, &seen);
                if initial_events_end {
                    let count = state.watch.history.at(revision, filter).len() as u64;
                    self.on_client(state, client, ReflectorAction::Replaced { revision, count });
                    let after = revision;
                    self.on_client(state, client, ReflectorAction::Watching { after });
                } else {
                    self.on_client(state, client, ReflectorAction::Advanced { revision });
                }
                state.clients[client].reach(revision);
            }
            Frame::Closed(code, in_window) => {
                self.observe(state, client, &What::Closed { code, in_window });
                self.on_client(state, client, ReflectorAction::Interrupted);
                state.clients[client].fall_back(code == 410);
            }
        }
        self.mark_taken(state, client);
    }

    /// The abstract server is told at once what was taken; only its sum matters.
    fn mark_taken(&self, state: &mut State, client: usize) {
        let server = state.clients[client].server;
        let watcher = self.requests(client).1;
        let watches = &state.watch.servers[server].cache.watches;
        let untaken = watches.get(&watcher).map_or(0, |watch| watch.untaken);
        if untaken > 0 && state.clients[client].frames.is_empty() {
            let taken = WatchCacheAction::Taken {
                watcher,
                changes: untaken as u32,
            };
            self.on_server(state, server, taken);
        }
    }

    pub(super) fn break_wire(&self, state: &mut State, client: usize) {
        state.extras_left -= 1;
        self.cut(state, client);
    }

    pub(super) fn crash_client(&self, state: &mut State, client: usize) {
        state.extras_left -= 1;
        self.drop_requests(state, client);
        let one = &mut state.clients[client];
        one.frames.clear();
        one.phase = Phase::Outside;
        one.revision = 0;
        self.act(state, Action::ClientLost { client });
        self.observe(state, client, &What::Restarted);
    }

    /// What was on its way is lost, and both sides learn of it.
    pub(super) fn cut(&self, state: &mut State, client: usize) {
        self.drop_requests(state, client);
        self.observe(state, client, &What::Broke);
        self.on_client(state, client, ReflectorAction::Interrupted);
        let one = &mut state.clients[client];
        one.frames.clear();
        one.fall_back(matches!(
            one.phase,
            Phase::Listing | Phase::Asking { initial: true }
        ));
    }

    fn drop_requests(&self, state: &mut State, client: usize) {
        let server = state.clients[client].server;
        let (list, watch) = self.requests(client);
        for watcher in [list, watch] {
            let cache = &state.watch.servers[server].cache;
            if cache.watches.contains_key(&watcher) || cache.waiting.contains_key(&watcher) {
                self.on_server(state, server, WatchCacheAction::Closed { watcher, code: 0 });
            }
        }
    }
}

impl super::Client {
    fn reach(&mut self, revision: u64) {
        self.revision = revision;
        self.told = true;
    }

    /// It watches again after its revision, if it has one and that is of use.
    fn fall_back(&mut self, all: bool) {
        if all {
            self.revision = 0;
        }
        self.phase = if self.revision == 0 {
            Phase::Outside
        } else {
            Phase::Behind
        };
    }
}

/// An event as a reflector tells of it.
pub(in super::super) fn taken_in(change: Change, key: &Key, revision: u64) -> ReflectorAction {
    // Keys of these worlds are made of object keys.
    let key = ObjectKey::parse(key).unwrap_or_else(|| unreachable!("{key} is an object's"));
    match change {
        Change::Added | Change::Modified => ReflectorAction::Applied { key, revision },
        Change::Deleted => ReflectorAction::Deleted { key, revision },
    }
}
