//! The closed world: clients that race, a disk, a watcher that resumes.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

use model::machine::Step;
use model::machines::store::{Durable, Input, Output};
use model::messages::store::{
    Compare, Event, KeyRange, Operand, Operation, RangeRequest, Relation, StoreRequest,
    Transaction, WatchFrame, WatchRequest,
};

use super::{
    Choice, Client, KEY, State, StoreSpecification, StoreWorld, Stores, Watcher, heard, swaps,
};
use crate::node::Process;
use crate::specification::Acceptor;
use crate::world::{Happens, Property, Word, World};

/// The asker of compactions, whose answers nobody reads.
const COMPACTOR: u64 = 99;

/// The watcher's name for its watch.
const WATCH: u64 = 1;

impl<M: Stores> World for StoreWorld<M> {
    type State = State;
    type Choice = Choice;

    fn begin(&self) -> State {
        let store = Process::start(&self.machine, Some(Durable::default()));
        let mut state = State {
            disk: Durable::default(),
            writing: None,
            clients: Default::default(),
            watcher: Watcher {
                position: 1,
                ..Watcher::default()
            },
            crashes_left: self.crashes,
            compactions_left: self.compactions,
            history: BTreeMap::new(),
            largest_commit: 0,
            refinement: Acceptor::new(&StoreSpecification),
            store,
        };
        state.follow(&self.machine.began(&state.store.state));
        state
    }

    fn choices(&self, state: &State) -> Vec<Choice> {
        let mut choices = Vec::new();
        for (number, client) in state.clients.iter().enumerate() {
            if client.answer.is_some() {
                choices.push(Choice::Answer(number));
            } else if client.asking.is_none() && client.attempts < self.attempts {
                choices.push(Choice::Ask(number));
            }
        }
        if state.writing.is_some() {
            choices.push(Choice::Persist);
        }
        if state.crashes_left > 0 {
            choices.push(Choice::Crash { written: false });
            if state.writing.is_some() {
                choices.push(Choice::Crash { written: true });
            }
        }
        if !state.watcher.open && !state.watcher.told_compacted {
            choices.push(Choice::Watch);
        }
        if !state.watcher.frames.is_empty() {
            choices.push(Choice::Take);
        }
        if state.compactions_left > 0
            && state.store.state.durable() > state.store.state.compacted() + 1
        {
            choices.push(Choice::Compact);
        }
        choices
    }

    fn take(&self, state: &mut State, choice: &Choice) -> bool {
        match choice {
            Choice::Ask(client) => self.ask(state, *client),
            Choice::Answer(client) => state.clients[*client].hear(),
            Choice::Persist => self.persist(state),
            Choice::Crash { written } => self.crash(state, *written),
            Choice::Watch => self.watch(state),
            Choice::Take => self.take_frame(state),
            Choice::Compact => {
                state.compactions_left -= 1;
                let revision = state.store.state.durable();
                let request = StoreRequest::Compact { revision };
                self.step(
                    state,
                    Input::Ask {
                        from: COMPACTOR,
                        request,
                    },
                );
            }
        }
        true
    }

    fn properties() -> Vec<Property<Self>> {
        super::properties()
    }

    fn words() -> &'static [Word] {
        const fn word(name: &'static str, kind: Happens) -> Word {
            Word { name, kind }
        }
        const WORDS: [Word; 7] = [
            word("ask", Happens::Surely),
            word("answer", Happens::Surely),
            word("persist", Happens::Surely),
            word("crash", Happens::Fault),
            word("watch", Happens::Surely),
            word("take", Happens::Surely),
            word("compact", Happens::Perhaps),
        ];
        &WORDS
    }

    fn word(choice: &Choice) -> &'static str {
        match choice {
            Choice::Ask(_) => "ask",
            Choice::Answer(_) => "answer",
            Choice::Persist => "persist",
            Choice::Crash { .. } => "crash",
            Choice::Watch => "watch",
            Choice::Take => "take",
            Choice::Compact => "compact",
        }
    }

    fn process(choice: &Choice) -> u8 {
        match choice {
            Choice::Ask(client) | Choice::Answer(client) => *client as u8,
            _ => 0,
        }
    }

    fn parties(choice: &Choice) -> (String, String) {
        let named = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        match choice {
            Choice::Ask(client) => (format!("client {client}"), "store".to_owned()),
            Choice::Answer(client) => ("store".to_owned(), format!("client {client}")),
            Choice::Persist => named("disk", "store"),
            Choice::Crash { .. } | Choice::Compact => named("store", "store"),
            Choice::Watch => named("watcher", "store"),
            Choice::Take => named("store", "watcher"),
        }
    }

    fn project(state: &State, mut hasher: &mut dyn Hasher) {
        let State {
            store,
            disk,
            writing,
            clients,
            watcher,
            crashes_left,
            compactions_left,
            history: _,
            largest_commit: _,
            refinement: _,
        } = state;
        (store, disk, writing).hash(&mut hasher);
        for client in clients {
            (client.seen, client.attempts, client.asking, client.answer).hash(&mut hasher);
        }
        (
            watcher.open,
            &watcher.frames,
            watcher.position,
            watcher.told_compacted,
        )
            .hash(&mut hasher);
        (crashes_left, compactions_left).hash(&mut hasher);
    }

    /// Everyone is answered, and the watcher has everything or knows that it cannot.
    fn converged(&self, state: &State) -> bool {
        let answered =
            |client: &Client| client.asking.is_none() && client.attempts == self.attempts;
        let newest = state
            .history
            .last_key_value()
            .map_or(1, |(revision, _)| *revision);
        state.clients.iter().all(answered)
            && (state.watcher.told_compacted || state.watcher.position >= newest)
    }
}

impl<M: Stores> StoreWorld<M> {
    fn ask(&self, state: &mut State, number: usize) {
        let client = &mut state.clients[number];
        let value = (number as u8) * 10 + client.attempts;
        client.attempts += 1;
        client.asking = Some(value);
        let compare = Compare {
            key: KEY.into(),
            operand: Operand::ModRevision(client.seen),
            relation: Relation::Equal,
        };
        let put = Operation::Put {
            key: KEY.into(),
            value,
            lease: 0,
        };
        let read = Operation::Range(RangeRequest::now(KeyRange::one(KEY)));
        let request = StoreRequest::Transaction(Transaction {
            compares: if swaps(value) { vec![compare] } else { vec![] },
            success: vec![put],
            failure: vec![read],
        });
        self.step(
            state,
            Input::Ask {
                from: number as u64,
                request,
            },
        );
    }

    fn persist(&self, state: &mut State) {
        let Some((through, records)) = state.writing.take() else {
            return;
        };
        state.write(records);
        self.step(state, Input::Persisted { through });
    }

    fn crash(&self, state: &mut State, written: bool) {
        state.crashes_left -= 1;
        if let (Some((_, records)), true) = (state.writing.take(), written) {
            state.write(records);
        }
        // What was on its way is lost with the connections; nobody knows what became of their requests.
        for client in &mut state.clients {
            client.asking = None;
            client.answer = None;
        }
        state.watcher.frames.clear();
        state.watcher.open = false;
        state.store = Process::start(&self.machine, Some(state.disk.clone()));
        state.follow(&self.machine.began(&state.store.state));
        self.carry_out(state);
    }

    fn watch(&self, state: &mut State) {
        state.watcher.open = true;
        if state.crashes_left < self.crashes {
            state.watcher.resumed_at = Some(state.watcher.position);
        }
        let request = WatchRequest {
            range: KeyRange::one(KEY),
            after: Some(state.watcher.position),
            previous: false,
        };
        self.step(
            state,
            Input::Watch {
                watch: WATCH,
                request,
            },
        );
    }

    fn take_frame(&self, state: &mut State) {
        let Some(frame) = state.watcher.frames.pop_front() else {
            return;
        };
        match frame {
            WatchFrame::Events { revision, events } => {
                state.watcher.position = revision;
                for event in events {
                    if let Event::Put { now, .. } = event {
                        let value = now.value.expect("a put carries its value");
                        state.watcher.received.push((now.mod_revision, value));
                    }
                }
            }
            WatchFrame::Started { .. } => {}
            WatchFrame::Progress { revision } => state.watcher.position = revision,
            WatchFrame::Cancelled(_) => {
                state.watcher.told_compacted = true;
                state.watcher.open = false;
                return;
            }
        }
        self.step(state, Input::Taken { watch: WATCH });
    }

    fn step(&self, state: &mut State, input: Input<u8>) {
        let step = state.store.step(&self.machine, input);
        assert!(
            !matches!(step, Step::Refused(_)),
            "the world asks nothing illegal: {step:?}"
        );
        if let Step::Moved(actions) = step {
            state.follow(&actions);
        }
        self.carry_out(state);
    }

    /// Puts what the store sent onto its way.
    fn carry_out(&self, state: &mut State) {
        while let Some(output) = state.store.outbox.pop_front() {
            match output {
                Output::Persist { through, records } => {
                    // The shipped machine never asks for a second commit while one is under way; this disk does both.
                    let writing = state.writing.get_or_insert_default();
                    writing.0 = through;
                    writing.1.extend(records);
                }
                Output::Frame { frame, .. } => state.watcher.frames.push_back(frame),
                Output::Answer { to: COMPACTOR, .. } => {}
                Output::Answer { to, response } => {
                    state.clients[to as usize].answer = Some(heard(&response));
                }
                Output::Stop { reason } => unreachable!("this disk does not fail: {reason}"),
            }
        }
    }
}
