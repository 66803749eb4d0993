//! Clients, their reflectors, and what passes between them and the API servers.

use std::collections::VecDeque;

use model::machine::Step;
use model::machines::reflector::{self, Item, WatchEnd};
use model::machines::watch_cache::{Answer, Delivery, Input, Output, Read, Start, Watch};
use model::messages::api::Change;
use model::objects::key::ObjectKey;
use model::rules::resource_version::ReadAt;

use super::super::history::{Event, Object, Objects, prefix};
use super::super::ledger::What;
use super::super::specification::Action;
use super::{Caches, Choice, Held, MachinesWorld, Reflectors, State, Stores};
use crate::node::{Node, Process};
use crate::specification::Refused;

/// A client and its connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Client<R: Reflectors> {
    reflector: Node<R>,
    /// What it wants and has not asked for.
    want: Option<Want>,
    /// What it has asked for and still gets.
    asked: Option<Want>,
    /// Whom it asked last.
    pub(super) server: usize,
    frames: VecDeque<Frame>,
    /// Where a client without a reflector is; 0 if it does not have all objects.
    revision: u64,
}

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Want {
    List,
    Watch(u64),
    Initial,
}

/// What a server sends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Frame {
    /// A list, or none.
    List(Option<(u64, Vec<Held>)>),
    Events(Vec<Delivery<Held>>),
    Bookmark(u64, bool),
    /// Status code, and whether the watch's place was in the window.
    Closed(u16, bool),
}

impl<R: Reflectors> Client<R> {
    pub(super) fn start<S: Stores, C: Caches>(world: &MachinesWorld<S, C, R>) -> Self {
        let mut client = Client {
            reflector: Process::start(&world.reflector, None),
            want: world.streams.then_some(Want::Initial),
            asked: None,
            server: 0,
            frames: VecDeque::new(),
            revision: 0,
        };
        client.carry_out(world.streams);
        client
    }

    /// Carries out what the reflector asked for; answers with what it handed out.
    fn carry_out(&mut self, streams: bool) -> Vec<reflector::Delivery<Object>> {
        let mut delivered = Vec::new();
        while let Some(output) = self.reflector.outbox.pop_front() {
            match output {
                // A client that streams has no use for its reflector.
                _ if streams => {}
                reflector::Output::List => self.want = Some(Want::List),
                reflector::Output::Watch { after } => self.want = Some(Want::Watch(after)),
                reflector::Output::Deliver(delivery) => delivered.push(delivery),
            }
        }
        delivered
    }

    pub(super) fn choices(
        &self,
        client: usize,
        servers: usize,
        extra: bool,
        choices: &mut Vec<Choice>,
    ) {
        if self.want.is_some() && self.asked.is_none() {
            choices.extend((0..servers).map(|server| Choice::Ask { client, server }));
        }
        if !self.frames.is_empty() {
            choices.push(Choice::Take { client });
        }
        if !self.reflector.timers.is_empty() {
            choices.push(Choice::Retry { client });
        }
        if extra && self.asked.is_some() {
            choices.push(Choice::Break { client });
            choices.push(Choice::CrashClient { client });
        }
    }

    /// Whether it watches, and nothing is on its way.
    pub(super) fn is_quiet(&self) -> bool {
        self.frames.is_empty() && matches!(self.asked, Some(Want::Watch(_) | Want::Initial))
    }
}

impl<S: Stores, C: Caches, R: Reflectors> MachinesWorld<S, C, R> {
    /// The number of a client's request: a list's and a watch's differ.
    fn request(&self, client: usize, want: Want) -> u64 {
        match want {
            Want::List => client as u64,
            Want::Watch(_) | Want::Initial => (client + self.watch.filters.len()) as u64,
        }
    }

    pub(super) fn ask(&self, state: &mut State<S, C, R>, client: usize, server: usize) {
        let Some(want) = state.clients[client].want.take() else {
            return;
        };
        state.clients[client].asked = Some(want);
        state.clients[client].server = server;
        let least = state.history.newest();
        let (what, start) = match want {
            Want::List => (What::AsksList { least }, None),
            Want::Watch(after) => (What::AsksWatch { after }, Some(Start::After(after))),
            Want::Initial => {
                let at = ReadAt::Consistent;
                let start = Start::Initial { at, bookmark: true };
                (What::AsksInitial { least }, Some(start))
            }
        };
        self.observe(state, client, &what);
        let request = self.request(client, want);
        let filter = self.watch.filters[client];
        let input = match start {
            None => Input::Read {
                request,
                at: ReadAt::Consistent,
                read: Read::List {
                    prefix: prefix(),
                    filter,
                    limit: 0,
                    after: None,
                },
            },
            Some(start) => Input::Watch {
                request,
                watch: Watch {
                    prefix: prefix(),
                    filter,
                    start,
                    bookmarks: true,
                },
            },
        };
        self.step_cache(state, server, input);
    }

    /// Puts what a server sends onto the client's wire.
    pub(super) fn send(&self, state: &mut State<S, C, R>, server: usize, output: Output<Held>) {
        let (request, frame) = match output {
            Output::Answer { request, answer } => {
                let list = match answer {
                    Ok(Answer::List {
                        revision, items, ..
                    }) => Some((revision, items)),
                    Ok(Answer::Object(_)) | Err(_) => None,
                };
                (request, Frame::List(list))
            }
            Output::Deliver { watcher, changes } => (watcher, Frame::Events(changes)),
            Output::Bookmark {
                watcher,
                revision,
                initial_events_end,
            } => (watcher, Frame::Bookmark(revision, initial_events_end)),
            Output::Close { watcher, status } => {
                let client = watcher as usize % state.clients.len();
                let in_window = self.position(state, client) >= state.floors[server];
                (watcher, Frame::Closed(status.reason.code(), in_window))
            }
            _ => return,
        };
        let number = request as usize % state.clients.len();
        let client = &mut state.clients[number];
        let is_for = client
            .asked
            .is_some_and(|want| self.request(number, want) == request);
        if is_for && client.server == server {
            client.frames.push_back(frame);
        }
    }

    /// Up to where a client has, or is being sent, everything.
    fn position(&self, state: &State<S, C, R>, client: usize) -> u64 {
        let sent = state.clients[client]
            .frames
            .iter()
            .map(|frame| match frame {
                Frame::Events(changes) => changes.iter().map(|change| change.revision).max(),
                Frame::Bookmark(revision, _) => Some(*revision),
                Frame::List(_) | Frame::Closed(..) => None,
            });
        let told = state.ledger.clients[client].told().revision;
        sent.flatten().max().unwrap_or(0).max(told)
    }

    pub(super) fn take_frame(&self, state: &mut State<S, C, R>, client: usize) {
        let Some(frame) = state.clients[client].frames.pop_front() else {
            return;
        };
        let server = state.clients[client].server;
        match frame {
            Frame::List(Some((revision, items))) => {
                let objects: Objects = items
                    .iter()
                    .map(|held| (held.key.clone(), (held.revision, held.object)))
                    .collect();
                self.observe(state, client, &What::Listed { revision, objects });
                state.clients[client].asked = None;
                let items = items.iter().map(item).collect();
                self.step_client(state, client, reflector::Input::Listed { revision, items });
            }
            Frame::List(None) => {
                self.observe(state, client, &What::Broke);
                state.clients[client].asked = None;
                self.step_client(state, client, reflector::Input::ListFailed);
            }
            Frame::Events(changes) => {
                let events = changes.iter().map(event).collect();
                let floor = state.floors[server];
                self.observe(state, client, &What::Events { events, floor });
                self.taken(state, client, changes.len() as u32);
                if state.clients[client].revision > 0 {
                    let last = changes.iter().map(|change| change.revision).max();
                    state.clients[client].revision = last.unwrap_or_default();
                }
                let events = changes.iter().map(told).collect();
                self.step_client(state, client, reflector::Input::Events(events));
            }
            Frame::Bookmark(revision, initial_events_end) => {
                let what = What::Bookmark {
                    revision,
                    initial_events_end,
                };
                self.observe(state, client, &what);
                self.taken(state, client, 1);
                if self.streams {
                    state.clients[client].revision = revision;
                }
                self.step_client(state, client, reflector::Input::Bookmark(revision));
            }
            Frame::Closed(code, in_window) => {
                self.observe(state, client, &What::Closed { code, in_window });
                state.clients[client].asked = None;
                if code == 410 {
                    state.clients[client].revision = 0;
                }
                self.want_again(state, client);
                let end = match code {
                    410 => WatchEnd::Gone,
                    429 => WatchEnd::Lagging,
                    _ => WatchEnd::Closed,
                };
                self.step_client(state, client, reflector::Input::WatchEnded(end));
            }
        }
    }

    /// Tells the server how much its client took.
    fn taken(&self, state: &mut State<S, C, R>, client: usize, changes: u32) {
        let server = state.clients[client].server;
        if let Some(want) = state.clients[client].asked {
            let watcher = self.request(client, want);
            self.step_cache(state, server, Input::Taken { watcher, changes });
        }
    }

    fn step_client(
        &self,
        state: &mut State<S, C, R>,
        client: usize,
        input: reflector::Input<Object>,
    ) {
        if !self.streams {
            let step = state.clients[client].reflector.step(&self.reflector, input);
            self.after_client(state, client, step);
        }
    }

    fn after_client(
        &self,
        state: &mut State<S, C, R>,
        client: usize,
        step: Step<<R as model::machine::Machine>::Action>,
    ) {
        match step {
            Step::Moved(actions) => {
                for action in actions {
                    self.act(state, Action::Client { client, action });
                }
            }
            Step::Nothing => {}
            Step::Refused(guard) => {
                let refused = Refused::by_a_machine(guard);
                state.accepted.refused.get_or_insert(refused);
            }
        }
        for delivery in state.clients[client].carry_out(self.streams) {
            state.copies[client].take(delivery);
        }
    }

    pub(super) fn retry(&self, state: &mut State<S, C, R>, client: usize) {
        let timer = reflector::Timer::Retry;
        let step = state.clients[client]
            .reflector
            .fire(&self.reflector, &timer);
        self.after_client(state, client, step);
    }

    /// What was on its way is lost; the server learns of it unless it is that which crashed.
    pub(super) fn break_wire(&self, state: &mut State<S, C, R>, client: usize, drop: bool) {
        let Some(asked) = state.clients[client].asked.take() else {
            return;
        };
        let server = state.clients[client].server;
        state.clients[client].frames.clear();
        if drop {
            let request = self.request(client, asked);
            self.step_cache(state, server, Input::Dropped { request });
        }
        self.observe(state, client, &What::Broke);
        self.want_again(state, client);
        let input = match asked {
            Want::List => reflector::Input::ListFailed,
            Want::Watch(_) | Want::Initial => reflector::Input::WatchEnded(WatchEnd::Disconnected),
        };
        self.step_client(state, client, input);
    }

    /// A client without a reflector goes on where it is.
    fn want_again(&self, state: &mut State<S, C, R>, client: usize) {
        if self.streams {
            let client = &mut state.clients[client];
            client.want = Some(match client.revision {
                0 => Want::Initial,
                revision => Want::Watch(revision),
            });
        }
    }

    pub(super) fn crash_client(&self, state: &mut State<S, C, R>, client: usize) {
        let server = state.clients[client].server;
        if let Some(asked) = state.clients[client].asked {
            let request = self.request(client, asked);
            self.step_cache(state, server, Input::Dropped { request });
        }
        state.clients[client] = Client::start(self);
        state.clients[client].server = server;
        state.copies[client] = reflector::Store::default();
        self.act(state, Action::ClientLost { client });
        self.observe(state, client, &What::Restarted);
    }
}

fn object_key(held: &Held) -> ObjectKey {
    // Keys of this world are made of object keys.
    ObjectKey::parse(&held.key).unwrap_or_else(|| unreachable!("{} is an object's", held.key))
}

fn item(held: &Held) -> Item<Object> {
    Item {
        key: object_key(held),
        revision: held.revision,
        value: held.object,
    }
}

/// A change as the ledger has it: what the client can read of it.
fn event(change: &Delivery<Held>) -> Event {
    Event {
        revision: change.value.revision,
        key: change.key.clone(),
        change: change.change,
        object: change.value.object,
    }
}

fn told(change: &Delivery<Held>) -> reflector::Event<Object> {
    let item = item(&change.value);
    match change.change {
        Change::Added | Change::Modified => reflector::Event::Applied(item),
        Change::Deleted => reflector::Event::Deleted(item),
    }
}
