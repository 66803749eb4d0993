//! The abstract closed world: the specification, and around it whatever a cluster may do to it.

mod choice;
mod client;
mod enabled;
mod server;

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};

pub use choice::Choice;

use super::history::{Filter, key};
use super::ledger::{Ledger, What, Witnessed};
use super::properties::{clients_accept, guarantees, has_left};
use super::specification::{self, Action, Watch};
use crate::checked::Checked;
use crate::specification::{Refused, Specification};
use crate::world::{Property, Word, World};

/// One transaction of a script: keys by number, each with the mark of the object written, or deleted.
pub type Writes = &'static [(usize, Option<bool>)];

/// The size of the world.
#[derive(Clone, Debug)]
pub struct WatchWorld {
    /// The specification, with its servers and clients.
    pub watch: Watch,
    /// For each revision what may be written.
    pub script: &'static [&'static [Writes]],
    /// How many faults, compactions and bookmarks (beside those that end initial events) there are together.
    pub extras: u8,
    /// How many revisions a window holds at least.
    pub window: u64,
    /// How many frames fit onto a connection.
    pub room: usize,
    /// Whether clients may ask for the present objects as a part of the watch.
    pub streams: bool,
}

/// A moment of the world.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub(super) watch: specification::State,
    pub(super) feeds: Vec<Feed>,
    pub(super) clients: Vec<Client>,
    pub(super) extras_left: u8,
    /// Ghost: what clients were told.
    pub(super) ledger: Ledger,
    /// Ghost: a step that the specification does not allow.
    pub(super) refused: Option<Refused>,
}

/// How an API server follows the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Feed {
    /// It has to read everything.
    Listing,
    /// It takes in changes, over so many connections so far.
    Following(u8),
    /// So many connections broke.
    Broken(u8),
}

/// A client and its connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Client {
    pub(super) phase: Phase,
    /// The API server that it is connected with.
    pub(super) server: usize,
    /// What is on its way to it.
    pub(super) frames: VecDeque<Frame>,
    /// It has everything up to this revision; 0 if nothing.
    pub(super) revision: u64,
    /// Whether it has ever been told anything, whatever it has forgotten.
    pub(super) told: bool,
}

/// What a client is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    /// It needs all objects.
    Outside,
    /// It asked for a list.
    Listing,
    /// It needs the events after its revision.
    Behind,
    /// It asked for a watch: after its revision, or with the present objects.
    Asking { initial: bool },
    /// Its watch is open; `initial` until the initial events' end was sent.
    Watching { initial: bool },
}

/// What a server sends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Frame {
    /// A list as of a revision.
    List(u64),
    /// The present objects as of a revision.
    Initial(u64),
    /// The events after one revision, up to another.
    Events(u64, u64),
    /// A bookmark, and whether it ends the initial events.
    Bookmark(u64, bool),
    /// The end of the watch: status code, and whether its place was in the window.
    Closed(u16, bool),
}

impl Witnessed for WatchWorld {
    fn ledger(state: &State) -> &Ledger {
        &state.ledger
    }
}

impl World for WatchWorld {
    type State = State;
    type Choice = Choice;

    fn begin(&self) -> State {
        let client = Client {
            phase: Phase::Outside,
            server: 0,
            frames: VecDeque::new(),
            revision: 0,
            told: false,
        };
        State {
            watch: self.watch.begin(),
            feeds: vec![Feed::Listing; self.watch.servers],
            clients: vec![client; self.watch.filters.len()],
            extras_left: self.extras,
            ledger: Ledger::new(&self.watch.filters),
            refused: None,
        }
    }

    fn choices(&self, state: &State) -> Vec<Choice> {
        enabled::choices(self, state)
    }

    fn take(&self, state: &mut State, choice: &Choice) -> bool {
        match *choice {
            Choice::Write { option } => self.write(state, option),
            Choice::Compact => {
                state.extras_left -= 1;
                let through = state.watch.history.newest();
                self.act(state, Action::Compacted { through });
            }
            Choice::Fill { server } => self.fill(state, server),
            Choice::Apply { server } => self.apply(state, server),
            Choice::Expire { server } => self.expire(state, server),
            Choice::Follow { server } => self.follow(state, server),
            Choice::LoseFeed { server } => self.lose_feed(state, server),
            Choice::Trim { server } => self.trim(state, server),
            Choice::Query { server } => self.query(state, server),
            Choice::Answer { server } => self.answer(state, server),
            Choice::CrashServer { server } => self.crash_server(state, server),
            Choice::Serve { client } => self.serve(state, client),
            Choice::Open { client } => self.open(state, client),
            Choice::Refuse { client } => self.refuse(state, client),
            Choice::Deliver { client, all } => self.deliver(state, client, all),
            Choice::EndInitial { client } => self.bookmark(state, client, true),
            Choice::Bookmark { client } => self.bookmark(state, client, false),
            Choice::CutOff { client } | Choice::Stall { client } => self.close_slow(state, client),
            Choice::List {
                client,
                server,
                any,
            } => self.list(state, client, server, any),
            Choice::Stream {
                client,
                server,
                any,
            } => self.stream(state, client, server, any),
            Choice::Watch { client, server } => self.watch(state, client, server),
            Choice::Take { client } => self.take_frame(state, client),
            Choice::Break { client } => self.break_wire(state, client),
            Choice::CrashClient { client } => self.crash_client(state, client),
        }
        true
    }

    fn properties() -> Vec<Property<Self>> {
        let mut properties = guarantees();
        properties.push(Property::always(
            "clients see what the specification of a watcher allows",
            clients_accept,
        ));
        properties.push(Property::always(
            "every step is one of the specification",
            steps_are_allowed,
        ));
        properties.extend([
            Property::sometimes("two servers are differently fresh", servers_differ),
            Property::sometimes("a client is ahead of its server", client_is_ahead),
            Property::sometimes("a place has left the window", place_is_lost),
            Property::sometimes("a client is told 410", told_gone),
            Property::sometimes("an object has left a selector", object_left),
        ]);
        properties
    }

    fn words() -> &'static [Word] {
        choice::WORDS
    }

    fn word(choice: &Choice) -> &'static str {
        choice.word()
    }

    fn process(choice: &Choice) -> u8 {
        choice.process()
    }

    fn parties(choice: &Choice) -> (String, String) {
        choice.parties()
    }

    fn project(state: &State, mut hasher: &mut dyn Hasher) {
        let State {
            watch,
            feeds,
            clients,
            extras_left,
            ledger: _,
            refused: _,
        } = state;
        (watch, feeds, clients, extras_left).hash(&mut hasher);
    }

    /// Every client has every event that it selects, from a server that has everything.
    fn converged(&self, state: &State) -> bool {
        let newest = state.watch.history.newest();
        state
            .clients
            .iter()
            .zip(&self.watch.filters)
            .all(|(client, filter)| {
                let mut due = state.watch.history.events(*filter, client.revision, newest);
                client.phase == Phase::Watching { initial: false }
                    && client.frames.is_empty()
                    && state.watch.servers[client.server].cache.revision == newest
                    && due.next().is_none()
            })
    }
}

impl WatchWorld {
    /// The request numbers of a client: its list and its watch.
    pub(super) fn requests(&self, client: usize) -> (u64, u64) {
        (client as u64, (client + self.watch.filters.len()) as u64)
    }

    /// Lets the specification take an action; one that it does not allow is kept as a find.
    pub(super) fn act(&self, state: &mut State, action: Action) {
        crate::guards::hear(&action);
        let refused = self.watch.apply(&mut state.watch, &action).err();
        state.refused = state.refused.take().or(refused);
    }

    pub(super) fn observe(&self, state: &mut State, client: usize, what: &What) {
        state.ledger.observe(&state.watch.history, client, what);
    }

    /// The revision that a transaction of the script makes.
    fn write(&self, state: &mut State, option: usize) {
        let next = (state.watch.history.newest() - super::history::EMPTY) as usize;
        let changes = self.script[next][option].iter().map(|(at, marked)| {
            let object = marked.map(|marked| super::history::Object { marked });
            super::history::Written {
                key: key(*at),
                object,
            }
        });
        let action = Action::Wrote {
            revision: state.watch.history.newest() + 1,
            changes: changes.collect(),
        };
        self.act(state, action);
    }
}

type Held = Checked<WatchWorld>;

fn steps_are_allowed(_: &Held, state: &State) -> bool {
    state.refused.is_none()
}

fn servers_differ(world: &Held, state: &State) -> bool {
    let revisions = || {
        state
            .watch
            .servers
            .iter()
            .map(|server| server.cache.revision)
    };
    world.world.watch.servers < 2 || revisions().min() != revisions().max()
}

fn client_is_ahead(world: &Held, state: &State) -> bool {
    world.world.watch.servers < 2
        || state.clients.iter().any(|client| {
            matches!(client.phase, Phase::Watching { .. })
                && client.revision > state.watch.servers[client.server].cache.revision
        })
}

fn place_is_lost(_: &Held, state: &State) -> bool {
    let mut caches = state.watch.servers.iter().map(|server| &server.cache);
    caches.any(|cache| cache.watches.values().any(|watch| watch.lost))
}

fn told_gone(_: &Held, state: &State) -> bool {
    let mut clients = state.ledger.clients.iter();
    clients.any(|client| client.told().gone)
}

fn object_left(world: &Held, state: &State) -> bool {
    let filters = &world.world.watch.filters;
    !filters.contains(&Filter::Marked) || has_left(&state.ledger, &state.watch.history)
}
