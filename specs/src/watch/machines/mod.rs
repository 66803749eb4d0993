#![doc = include_str!("README.md")]

mod choice;
mod client;
mod feed;
mod held;
mod parts;
mod properties;

use std::hash::{Hash, Hasher};

use model::machines::reflector::Store as Copy;
use model::machines::watch_cache::{Limits, Timer, WatchCache};
use model::machines::{reflector, store};

pub use choice::Choice;
pub use held::Held;
pub use parts::{Caches, Reflectors, Stores};

use super::history::{EMPTY, Filter, History, Object};
use super::ledger::{Ledger, What, Witnessed};
use super::properties::{clients_accept, guarantees};
use super::specification::{Action, Watch};
use super::world::Writes;
use crate::catalog::{Listed, Size};
use crate::checked::Checked;
use crate::node::{Node, Process};
use crate::specification::Acceptor;
use crate::world::{Property, Word, World};
use client::Client;
use feed::Link;
use properties::{copies_are_true, object_left, refines, servers_differ, told_gone};

/// The size of the world, and its machines.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MachinesWorld<
    S = store::Store<Object>,
    C = WatchCache<Held>,
    R = reflector::Reflector<Object>,
> {
    /// The store.
    pub store: S,
    /// The watch cache of each API server.
    pub cache: C,
    /// The reflector of each client.
    pub reflector: R,
    /// How many API servers there are, and what the clients select.
    pub watch: Watch,
    /// Whether clients begin with the present objects in a watch, instead of a reflector's list.
    pub streams: bool,
    /// For each revision what may be written.
    pub script: &'static [&'static [Writes]],
    /// How many faults, compactions and rounds of bookmarks there are together.
    pub extras: u8,
}

/// A moment of the world.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State<S: Stores, C: Caches, R: Reflectors> {
    store: Node<S>,
    disk: store::Durable<Object>,
    servers: Vec<Server<C>>,
    clients: Vec<Client<R>>,
    extras_left: u8,
    /// Ghost: what is durable, read from what went to the disk.
    history: History,
    /// Ghost: what clients were told.
    ledger: Ledger,
    /// Ghost: the specification, given everything that the machines report.
    accepted: Acceptor<Watch>,
    /// Ghost: where each server's window begins.
    floors: Vec<u64>,
    /// Ghost: what the receivers of the reflectors made of what they were handed.
    copies: Vec<Copy<Object>>,
}

/// An API server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Server<C: Caches> {
    cache: Node<C>,
    link: Link,
}

impl<S: Stores, C: Caches, R: Reflectors> Witnessed for MachinesWorld<S, C, R> {
    fn ledger(state: &State<S, C, R>) -> &Ledger {
        &state.ledger
    }
}

impl<S: Stores, C: Caches, R: Reflectors> World for MachinesWorld<S, C, R> {
    type State = State<S, C, R>;
    type Choice = Choice;

    fn begin(&self) -> Self::State {
        let server = || Server {
            cache: Process::start(&self.cache, None),
            link: Link::default(),
        };
        let clients = self.watch.filters.len();
        let mut state = State {
            store: Process::start(&self.store, Some(store::Durable::default())),
            disk: store::Durable::default(),
            servers: (0..self.watch.servers).map(|_| server()).collect(),
            clients: (0..clients).map(|_| Client::start(self)).collect(),
            extras_left: self.extras,
            history: History::default(),
            ledger: Ledger::new(&self.watch.filters),
            accepted: Acceptor::new(&self.watch),
            floors: vec![0; self.watch.servers],
            copies: vec![Copy::default(); clients],
        };
        for server in 0..self.watch.servers {
            self.carry_out(&mut state, server);
        }
        state
    }

    fn choices(&self, state: &Self::State) -> Vec<Choice> {
        let mut choices = Vec::new();
        let extra = state.extras_left > 0;
        let next = self.script.get((state.disk.revision() - EMPTY) as usize);
        let options = next.map_or(0, |options| options.len());
        choices.extend((0..options).map(|option| Choice::Write { option }));
        if extra && state.disk.compacted < state.disk.revision() && !state.disk.log.is_empty() {
            choices.push(Choice::Compact);
        }
        for (number, server) in state.servers.iter().enumerate() {
            of_server(number, server, extra, &mut choices);
        }
        for (number, client) in state.clients.iter().enumerate() {
            client.choices(number, self.watch.servers, extra, &mut choices);
        }
        choices
    }

    fn take(&self, state: &mut Self::State, choice: &Choice) -> bool {
        if choice.is_extra() {
            state.extras_left -= 1;
        }
        match *choice {
            Choice::Write { option } => self.write(state, option),
            Choice::Compact => self.compact(state),
            Choice::HearFeed { server } => return self.hear_feed(state, server),
            Choice::HearAnswer { server } => return self.hear_answer(state, server),
            Choice::Rest { server } => return self.fire(state, server, Timer::Rest),
            Choice::Bookmarks { server } => return self.fire(state, server, Timer::Bookmarks),
            Choice::Stall { server, request } => {
                return self.fire(state, server, Timer::Stall(request));
            }
            Choice::Overdue { server, request } => {
                return self.fire(state, server, Timer::Fresh(request));
            }
            Choice::LoseFeed { server } => self.lose_feed(state, server),
            Choice::CrashServer { server } => self.crash_server(state, server),
            Choice::Ask { client, server } => self.ask(state, client, server),
            Choice::Take { client } => self.take_frame(state, client),
            Choice::Retry { client } => self.retry(state, client),
            Choice::Break { client } => self.break_wire(state, client, true),
            Choice::CrashClient { client } => self.crash_client(state, client),
        }
        true
    }

    fn properties() -> Vec<Property<Self>> {
        let mut properties = guarantees();
        properties.extend([
            Property::always(
                "clients see what the specification of a watcher allows",
                clients_accept,
            ),
            Property::always("the machines refine the watch specification", refines),
            Property::always("a client's copy is what was there", copies_are_true),
            Property::sometimes("two servers are differently fresh", servers_differ),
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

    fn project(state: &Self::State, mut hasher: &mut dyn Hasher) {
        let State {
            store,
            disk,
            servers,
            clients,
            extras_left,
            history: _,
            ledger: _,
            accepted: _,
            floors: _,
            copies: _,
        } = state;
        (store, disk, servers, clients, extras_left).hash(&mut hasher);
    }

    /// Every client watches a server that has everything, and was told everything.
    fn converged(&self, state: &Self::State) -> bool {
        let newest = state.history.newest();
        let mut clients = state.clients.iter().zip(&state.ledger.clients);
        clients.all(|(client, witness)| {
            let told = witness.told();
            let mut due = state.history.events(witness.filter, told.revision, newest);
            let server = &state.accepted.state.servers[client.server].cache;
            client.is_quiet()
                && told
                    .watch
                    .as_ref()
                    .is_some_and(|watch| watch.initial.is_none())
                && server.revision == newest
                && due.next().is_none()
        })
    }
}

fn of_server<C: Caches>(number: usize, server: &Server<C>, extra: bool, choices: &mut Vec<Choice>) {
    if server.link.has_fed() {
        choices.push(Choice::HearFeed { server: number });
    }
    if server.link.has_answered() {
        choices.push(Choice::HearAnswer { server: number });
    }
    for timer in &server.cache.timers {
        match *timer {
            Timer::Rest => choices.push(Choice::Rest { server: number }),
            Timer::Bookmarks if extra => choices.push(Choice::Bookmarks { server: number }),
            Timer::Fresh(request) if extra => {
                choices.push(Choice::Overdue {
                    server: number,
                    request,
                });
            }
            Timer::Stall(request) => choices.push(Choice::Stall {
                server: number,
                request,
            }),
            Timer::Bookmarks | Timer::Fresh(_) => {}
        }
    }
    if extra {
        choices.push(Choice::CrashServer { server: number });
        if server.link.is_up() {
            choices.push(Choice::LoseFeed { server: number });
        }
    }
}

impl<S: Stores, C: Caches, R: Reflectors> MachinesWorld<S, C, R> {
    fn act(&self, state: &mut State<S, C, R>, action: Action) {
        state.accepted.accept(&self.watch, &action);
    }

    fn observe(&self, state: &mut State<S, C, R>, client: usize, what: &What) {
        state.ledger.observe(&state.history, client, what);
    }
}

/// The world of a size, of shipped machines.
pub fn world(size: &str) -> MachinesWorld {
    let (servers, script, extras) = match size {
        "tiny" => (1, super::SHORT, 1),
        "large" => (2, super::LONG, 1),
        _ => (2, super::SHORT, 1),
    };
    MachinesWorld {
        store: store::Store::new(store::Limits {
            frames: 1,
            ..store::Limits::default()
        }),
        cache: WatchCache::new(Limits {
            window_changes: 1,
            untaken: 1,
            ..Limits::default()
        }),
        reflector: reflector::Reflector::default(),
        watch: Watch {
            servers,
            filters: vec![Filter::Marked],
        },
        streams: size == "streams",
        script,
        extras,
    }
}

/// The world as the catalog lists it.
pub fn listed() -> Listed {
    const fn size(name: &'static str, holds: &'static str, states: usize) -> Size {
        Size {
            name,
            holds,
            states,
            unseen: &[],
        }
    }
    const SIZES: &[Size] = &[
        size("tiny", "1 server, 1 client, 2 revisions, 1 extra", 2_989),
        size("ci", "2 servers, 1 client, 2 revisions, 1 extra", 154_102),
        size(
            "large",
            "2 servers, 1 client, 3 revisions, 1 extra",
            3_110_702,
        ),
    ];
    Listed {
        name: "watch-machines",
        about: "the shipped store, watch caches and reflectors, held against the watch specification",
        readme: include_str!("README.md"),
        sizes: SIZES,
        world: |size| Box::new(Checked::new(world(size.name))),
    }
}
