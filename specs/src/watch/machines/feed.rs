//! The store and what passes between it and the API servers.

use std::collections::VecDeque;

use model::actions::watch_cache::WatchCacheAction;
use model::machine::Step;
use model::machines::store::{self, Record};
use model::machines::watch_cache::{Fed, Input, Listed, Output, Timer};
use model::messages::store::{
    Event, KeyRange, Operation, RangeRequest, StoreError, StoreRequest, StoreResponse, Transaction,
    WatchFrame, WatchRequest,
};

use super::super::history::{Key, Object, PREFIX, Written, key};
use super::super::specification::Action;
use super::{Caches, Held, MachinesWorld, Reflectors, State, Stores};
use crate::node::Process;
use crate::specification::Refused;

/// Who asks the store; answers are given at once, so one number is enough.
const ASKER: u64 = 0;

/// A server's connection with the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Link {
    /// Whether something is read or followed over it.
    up: bool,
    epoch: u64,
    /// The question under way.
    query: Option<u64>,
    /// The store's feed.
    frames: VecDeque<WatchFrame<Object>>,
    /// The store's answers, which are not ordered with the feed.
    answers: VecDeque<Input<Held>>,
}

impl Link {
    pub(super) fn has_fed(&self) -> bool {
        !self.frames.is_empty()
    }

    pub(super) fn has_answered(&self) -> bool {
        !self.answers.is_empty()
    }

    pub(super) fn is_up(&self) -> bool {
        self.up
    }
}

impl<S: Stores, C: Caches, R: Reflectors> MachinesWorld<S, C, R> {
    /// The transaction of the script that makes the next revision, durable at once: what a disk may do is the
    /// store's own world.
    pub(super) fn write(&self, state: &mut State<S, C, R>, option: usize) {
        let next = (state.disk.revision() - super::EMPTY) as usize;
        let operation = |(at, marked): &(usize, Option<bool>)| match marked {
            Some(marked) => Operation::Put {
                key: key(*at),
                value: Object { marked: *marked },
                lease: 0,
            },
            None => Operation::Delete {
                range: KeyRange::one(&key(*at)),
                previous: false,
            },
        };
        let transaction = Transaction {
            compares: vec![],
            success: self.script[next][option].iter().map(operation).collect(),
            failure: vec![],
        };
        self.ask_store(state, StoreRequest::Transaction(transaction));
    }

    pub(super) fn compact(&self, state: &mut State<S, C, R>) {
        let revision = state.disk.revision();
        self.ask_store(state, StoreRequest::Compact { revision });
    }

    fn ask_store(
        &self,
        state: &mut State<S, C, R>,
        request: StoreRequest<Object>,
    ) -> Option<StoreResponse<Object>> {
        let from = ASKER;
        self.step_store(state, store::Input::Ask { from, request })
    }

    /// Gives the store an input and carries out what it does. Answers with its last answer.
    fn step_store(
        &self,
        state: &mut State<S, C, R>,
        input: store::Input<Object>,
    ) -> Option<StoreResponse<Object>> {
        let mut inputs = VecDeque::from([input]);
        let mut answer = None;
        while let Some(input) = inputs.pop_front() {
            if let Step::Refused(guard) = state.store.step(&self.store, input) {
                refuse(state, guard);
            }
            while let Some(output) = state.store.outbox.pop_front() {
                match output {
                    store::Output::Persist { through, records } => {
                        self.persist(state, records);
                        inputs.push_back(store::Input::Persisted { through });
                    }
                    store::Output::Answer { response, .. } => answer = Some(response),
                    store::Output::Frame {
                        watch,
                        frame: WatchFrame::Started { .. },
                    } => inputs.push_back(store::Input::Taken { watch }),
                    store::Output::Frame { watch, frame } => {
                        state.servers[watch as usize].link.frames.push_back(frame);
                    }
                    store::Output::Stop { reason } => {
                        unreachable!("this disk does not fail: {reason}")
                    }
                }
            }
        }
        answer
    }

    fn persist(&self, state: &mut State<S, C, R>, records: Vec<Record<Object>>) {
        for record in records {
            match &record {
                Record::Revision { revision, changes } => {
                    let written = changes.iter().map(|change| Written {
                        key: change.key.clone(),
                        object: change.now.value,
                    });
                    let changes: Vec<Written> = written.collect();
                    let revision = *revision;
                    state.history.write(changes.clone());
                    self.act(state, Action::Wrote { revision, changes });
                }
                Record::Compacted { through, .. } => {
                    let through = *through;
                    self.act(state, Action::Compacted { through });
                }
                Record::LeaseGranted { .. } | Record::LeaseEnded { .. } => {}
            }
            state.disk.apply(record);
        }
    }

    /// Gives a server's cache an input and carries out what it does.
    pub(super) fn step_cache(
        &self,
        state: &mut State<S, C, R>,
        server: usize,
        input: Input<Held>,
    ) -> bool {
        let step = state.servers[server].cache.step(&self.cache, input);
        self.after_step(state, server, step)
    }

    pub(super) fn fire(&self, state: &mut State<S, C, R>, server: usize, timer: Timer) -> bool {
        let step = state.servers[server].cache.fire(&self.cache, &timer);
        self.after_step(state, server, step);
        true
    }

    fn after_step(
        &self,
        state: &mut State<S, C, R>,
        server: usize,
        step: Step<WatchCacheAction>,
    ) -> bool {
        let moved = match step {
            Step::Moved(actions) => {
                for action in actions {
                    self.note(state, server, action);
                }
                true
            }
            Step::Nothing => false,
            Step::Refused(guard) => {
                refuse(state, guard);
                true
            }
        };
        self.carry_out(state, server);
        moved
    }

    fn note(&self, state: &mut State<S, C, R>, server: usize, action: WatchCacheAction) {
        let known = state.accepted.state.servers[server].cache.revision;
        match &action {
            WatchCacheAction::Filled { revision, .. } if *revision != known => {
                state.floors[server] = *revision;
            }
            WatchCacheAction::Trimmed { floor } => state.floors[server] = *floor,
            _ => {}
        }
        self.act(state, Action::Server { server, action });
    }

    /// Carries out what a server's cache asked for.
    pub(super) fn carry_out(&self, state: &mut State<S, C, R>, server: usize) {
        while let Some(output) = state.servers[server].cache.outbox.pop_front() {
            match output {
                Output::List {
                    epoch,
                    revision,
                    after,
                } => self.read(state, server, epoch, revision, after),
                Output::Follow { epoch, after } => self.follow(state, server, epoch, after),
                Output::Unfollow { .. } => self.unfollow(state, server),
                Output::Query { query } => {
                    let answer = self.ask_store(state, StoreRequest::Progress);
                    let link = &mut state.servers[server].link;
                    if let Some(StoreResponse::Done { revision }) = answer {
                        link.query = Some(query);
                        link.answers
                            .push_back(Input::Progressed { query, revision });
                    }
                }
                Output::Answer { .. }
                | Output::Deliver { .. }
                | Output::Bookmark { .. }
                | Output::Close { .. } => self.send(state, server, output),
            }
        }
    }

    fn read(
        &self,
        state: &mut State<S, C, R>,
        server: usize,
        epoch: u64,
        revision: Option<u64>,
        after: Option<Key>,
    ) {
        let everything = KeyRange::prefix(PREFIX);
        let range = after.map_or(everything.clone(), |after| everything.after(&after));
        let request = RangeRequest {
            revision,
            ..RangeRequest::now(range)
        };
        let answer = self.ask_store(state, StoreRequest::Range(request));
        let input = match answer {
            Some(StoreResponse::Range(range)) => Input::Listed {
                epoch,
                revision: range.revision,
                more: range.more,
                items: range
                    .items
                    .into_iter()
                    .filter_map(|item| {
                        Some(Listed {
                            value: held(&item.key, item.mod_revision, item.value?),
                            key: item.key,
                            revision: item.mod_revision,
                        })
                    })
                    .collect(),
            },
            Some(StoreResponse::Failed(error)) => ended(epoch, &error),
            _ => Input::Lost { epoch },
        };
        let link = &mut state.servers[server].link;
        link.up = true;
        link.epoch = epoch;
        link.answers.push_back(input);
    }

    fn follow(&self, state: &mut State<S, C, R>, server: usize, epoch: u64, after: u64) {
        let link = &mut state.servers[server].link;
        link.up = true;
        link.epoch = epoch;
        let request = WatchRequest {
            range: KeyRange::prefix(PREFIX),
            after: Some(after),
            previous: false,
        };
        let watch = server as u64;
        self.step_store(state, store::Input::Watch { watch, request });
    }

    fn unfollow(&self, state: &mut State<S, C, R>, server: usize) {
        let watch = server as u64;
        self.step_store(state, store::Input::Unwatch { watch });
        let link = &mut state.servers[server].link;
        link.up = false;
        link.frames.clear();
    }

    pub(super) fn hear_feed(&self, state: &mut State<S, C, R>, server: usize) -> bool {
        let Some(frame) = state.servers[server].link.frames.pop_front() else {
            return false;
        };
        let epoch = state.servers[server].link.epoch;
        let input = match frame {
            WatchFrame::Started { .. } => return true,
            WatchFrame::Progress { revision } => Input::Fed {
                epoch,
                revision,
                changes: Vec::new(),
            },
            WatchFrame::Events { revision, events } => Input::Fed {
                epoch,
                revision,
                changes: events.into_iter().map(fed).collect(),
            },
            WatchFrame::Cancelled(error) => ended(epoch, &error),
        };
        let watch = server as u64;
        self.step_store(state, store::Input::Taken { watch });
        self.step_cache(state, server, input);
        true
    }

    pub(super) fn hear_answer(&self, state: &mut State<S, C, R>, server: usize) -> bool {
        let link = &mut state.servers[server].link;
        let Some(input) = link.answers.pop_front() else {
            return false;
        };
        if matches!(input, Input::Progressed { .. }) {
            link.query = None;
        }
        self.step_cache(state, server, input);
        true
    }

    pub(super) fn lose_feed(&self, state: &mut State<S, C, R>, server: usize) {
        self.unfollow(state, server);
        let link = &mut state.servers[server].link;
        link.answers.clear();
        let epoch = link.epoch;
        let query = link.query.take();
        self.step_cache(state, server, Input::Lost { epoch });
        if let Some(query) = query {
            self.step_cache(state, server, Input::QueryLost { query });
        }
    }

    pub(super) fn crash_server(&self, state: &mut State<S, C, R>, server: usize) {
        for client in 0..state.clients.len() {
            if state.clients[client].server == server {
                self.break_wire(state, client, false);
            }
        }
        self.unfollow(state, server);
        state.servers[server].link = Link::default();
        state.servers[server].cache = Process::start(&self.cache, None);
        state.floors[server] = 0;
        self.act(state, Action::ServerLost { server });
        self.carry_out(state, server);
    }
}

/// A machine refused what the world gave it: as much a find as a step that the specification does not allow.
fn refuse<S: Stores, C: Caches, R: Reflectors>(state: &mut State<S, C, R>, guard: &'static str) {
    let refused = Refused::by_a_machine(guard);
    state.accepted.refused.get_or_insert(refused);
}

fn held(key: &Key, revision: u64, object: Object) -> Held {
    Held {
        key: key.clone(),
        revision,
        object,
    }
}

fn fed(event: Event<Object>) -> Fed<Held> {
    let (key, revision) = (event.key().clone(), event.revision());
    let value = match event {
        Event::Put { now, .. } => now.value.map(|object| held(&key, revision, object)),
        Event::Deleted { .. } => None,
    };
    Fed {
        key,
        revision,
        value,
    }
}

/// Whether everything has to be read again, as the API server's shell decides it.
fn ended(epoch: u64, error: &StoreError) -> Input<Held> {
    match error {
        StoreError::Compacted { .. }
        | StoreError::Behind { .. }
        | StoreError::FutureRevision { .. } => Input::Expired { epoch },
        _ => Input::Lost { epoch },
    }
}
