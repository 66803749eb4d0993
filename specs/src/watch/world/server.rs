//! What servers do in the abstract world.

use model::actions::watch_cache::WatchCacheAction;
use model::messages::api::Change;

use super::super::history::{Event, Filter, Key, prefix};
use super::super::specification::{Action, applied};
use super::{Feed, Frame, Phase, State, WatchWorld, enabled};

/// The only question that is ever under way.
const QUESTION: u64 = 1;

impl WatchWorld {
    pub(super) fn on_server(&self, state: &mut State, server: usize, action: WatchCacheAction) {
        self.act(state, Action::Server { server, action });
    }

    pub(super) fn fill(&self, state: &mut State, server: usize) {
        let revision = state.watch.history.newest();
        if state.watch.servers[server].cache.revision != revision {
            for client in self.missing(state, server, revision) {
                self.close(state, client, 410, false);
            }
        }
        let objects = state.watch.history.at(revision, Filter::Everything).len() as u64;
        state.feeds[server] = Feed::Following(0);
        self.on_server(
            state,
            server,
            WatchCacheAction::Filled { revision, objects },
        );
    }

    pub(super) fn apply(&self, state: &mut State, server: usize) {
        let known = state.watch.servers[server].cache.revision;
        let revision = known + 1;
        let changes = state
            .watch
            .history
            .events(Filter::Everything, known, revision);
        let changes = changes.map(applied).collect();
        self.on_server(
            state,
            server,
            WatchCacheAction::Applied { revision, changes },
        );
    }

    pub(super) fn expire(&self, state: &mut State, server: usize) {
        state.feeds[server] = Feed::Listing;
        self.on_server(state, server, WatchCacheAction::FeedLost);
    }

    pub(super) fn follow(&self, state: &mut State, server: usize) {
        if let Feed::Broken(connections) = state.feeds[server] {
            state.feeds[server] = Feed::Following(connections);
        }
    }

    pub(super) fn lose_feed(&self, state: &mut State, server: usize) {
        state.extras_left -= 1;
        if let Feed::Following(connections) = state.feeds[server] {
            state.feeds[server] = Feed::Broken(connections + 1);
        }
        self.on_server(state, server, WatchCacheAction::FeedLost);
    }

    pub(super) fn trim(&self, state: &mut State, server: usize) {
        let floor = state.watch.servers[server].cache.floor + 1;
        self.on_server(state, server, WatchCacheAction::Trimmed { floor });
    }

    pub(super) fn query(&self, state: &mut State, server: usize) {
        let query = QUESTION;
        self.on_server(state, server, WatchCacheAction::Queried { query });
    }

    pub(super) fn answer(&self, state: &mut State, server: usize) {
        let revision = state.watch.history.newest();
        let query = QUESTION;
        self.on_server(
            state,
            server,
            WatchCacheAction::Answered { query, revision },
        );
    }

    pub(super) fn crash_server(&self, state: &mut State, server: usize) {
        state.extras_left -= 1;
        for client in 0..state.clients.len() {
            let connected = state.clients[client].server == server;
            let phase = state.clients[client].phase;
            if connected && phase != Phase::Outside && phase != Phase::Behind {
                self.cut(state, client);
            }
        }
        state.feeds[server] = Feed::Listing;
        self.act(state, Action::ServerLost { server });
    }

    pub(super) fn serve(&self, state: &mut State, client: usize) {
        let server = state.clients[client].server;
        let revision = state.watch.servers[server].cache.revision;
        let objects = state.watch.history.at(revision, self.watch.filters[client]);
        let served = WatchCacheAction::Served {
            request: self.requests(client).0,
            revision,
            objects: objects.len() as u64,
        };
        self.on_server(state, server, served);
        state.clients[client]
            .frames
            .push_back(Frame::List(revision));
    }

    pub(super) fn open(&self, state: &mut State, client: usize) {
        let Client {
            server,
            revision,
            initial,
        } = Client::of(state, client);
        let cache = state.watch.servers[server].cache.revision;
        let after = if initial { cache } else { revision };
        let filter = self.watch.filters[client];
        let objects = state.watch.history.at(after, filter).len() as u64;
        let opened = WatchCacheAction::Opened {
            watcher: self.requests(client).1,
            prefix: prefix(),
            everything: filter == Filter::Everything,
            after,
            initial: if initial { objects } else { 0 },
        };
        self.on_server(state, server, opened);
        state.clients[client].phase = Phase::Watching { initial };
    }

    pub(super) fn refuse(&self, state: &mut State, client: usize) {
        let Client {
            server, revision, ..
        } = Client::of(state, client);
        let request = self.requests(client).1;
        self.on_server(
            state,
            server,
            WatchCacheAction::Declined { request, code: 410 },
        );
        let in_window = revision >= state.watch.servers[server].cache.floor;
        state.clients[client]
            .frames
            .push_back(Frame::Closed(410, in_window));
    }

    pub(super) fn deliver(&self, state: &mut State, client: usize, all: bool) {
        let Client { server, .. } = Client::of(state, client);
        let watcher = self.requests(client).1;
        let Some(watch) = state.watch.servers[server].cache.watches.get(&watcher) else {
            return;
        };
        let (frame, changes): (Frame, Vec<(Change, Key, u64)>) = if watch.initial > 0 {
            let objects = state
                .watch
                .history
                .at(watch.after, self.watch.filters[client]);
            let added = |(key, (revision, _))| (Change::Added, key, revision);
            (
                Frame::Initial(watch.after),
                objects.into_iter().map(added).collect(),
            )
        } else {
            let mut due = enabled::pending(self, state, client, watch);
            let first = due.first().map_or(0, |event| event.revision);
            due.retain(|event| all || event.revision == first);
            let through = due.last().map_or(0, |event| event.revision);
            let handed = |event: Event| (event.change, event.key, event.revision);
            (
                Frame::Events(watch.sent, through),
                due.into_iter().map(handed).collect(),
            )
        };
        self.on_server(
            state,
            server,
            WatchCacheAction::Delivered { watcher, changes },
        );
        state.clients[client].frames.push_back(frame);
    }

    pub(super) fn bookmark(&self, state: &mut State, client: usize, initial_events_end: bool) {
        let Client { server, .. } = Client::of(state, client);
        let watcher = self.requests(client).1;
        let cache = &state.watch.servers[server].cache;
        let mut revision = cache.revision;
        if initial_events_end {
            revision = cache
                .watches
                .get(&watcher)
                .map_or(revision, |watch| watch.after);
            state.clients[client].phase = Phase::Watching { initial: false };
        } else {
            state.extras_left -= 1;
        }
        let marked = WatchCacheAction::Bookmarked {
            watcher,
            revision,
            initial_events_end,
        };
        self.on_server(state, server, marked);
        let frame = Frame::Bookmark(revision, initial_events_end);
        state.clients[client].frames.push_back(frame);
    }

    /// 429: it is never thinned instead.
    pub(super) fn close_slow(&self, state: &mut State, client: usize) {
        self.close(state, client, 429, true);
    }

    fn close(&self, state: &mut State, client: usize, code: u16, in_window: bool) {
        let server = state.clients[client].server;
        let watcher = self.requests(client).1;
        self.on_server(state, server, WatchCacheAction::Closed { watcher, code });
        state.clients[client]
            .frames
            .push_back(Frame::Closed(code, in_window));
    }

    /// The clients with a watch at a server that has not been handed everything up to a revision.
    fn missing(&self, state: &State, server: usize, revision: u64) -> Vec<usize> {
        let watches = &state.watch.servers[server].cache.watches;
        (0..state.clients.len())
            .filter(|client| {
                let watch = watches.get(&self.requests(*client).1);
                watch.is_some_and(|watch| watch.sent < revision)
            })
            .collect()
    }
}

/// What a server is told of a client.
struct Client {
    server: usize,
    revision: u64,
    initial: bool,
}

impl Client {
    fn of(state: &State, client: usize) -> Self {
        let client = &state.clients[client];
        Client {
            server: client.server,
            revision: client.revision,
            initial: client.phase == Phase::Asking { initial: true },
        }
    }
}
