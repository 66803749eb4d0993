//! The closed world: a holder, a writer, a disk, and timers that may fire late.

use std::hash::{Hash, Hasher};

use model::actions::store::StoreAction;
use model::machine::Step;
use model::machines::store::{Durable, Input, Output, Timer};
use model::messages::store::{Operation, StoreRequest, StoreResponse, Transaction};

use super::{
    Choice, Client, Ghosts, KEYS, LEASE, LeaseWorld, State, StoreSpecification, Stores, Verb,
};
use crate::node::Process;
use crate::specification::Acceptor;
use crate::world::{Happens, Property, Word, World};

/// Who asks.
const HOLDER: u64 = 0;
const WRITER: u64 = 1;

/// How long the lease lives; no clock runs here.
const TTL_SECONDS: u32 = 10;

impl<M: Stores> World for LeaseWorld<M> {
    type State = State;
    type Choice = Choice;

    fn begin(&self) -> State {
        let store = Process::start(&self.machine, Some(Durable::default()));
        let mut state = State {
            disk: Durable::default(),
            writing: None,
            late: Default::default(),
            holder: Client::asks(self.asks),
            writer: Client::asks(self.puts),
            crashes_left: self.crashes,
            ghosts: Ghosts::new(),
            store,
        };
        state.follow(&self.machine.began(&state.store.state));
        state
    }

    fn choices(&self, state: &State) -> Vec<Choice> {
        let mut choices = Vec::new();
        if state.holder.answer.is_some() {
            choices.push(Choice::Held);
        } else if state.holder.may_ask() {
            choices.extend([Verb::Grant, Verb::KeepAlive, Verb::Revoke].map(Choice::Hold));
        }
        if state.writer.answer.is_some() {
            choices.push(Choice::Written);
        } else if state.writer.may_ask() {
            let puts = (0..KEYS.len()).flat_map(|key| [true, false].map(|leased| (key, leased)));
            choices.extend(puts.map(|(key, leased)| Choice::Put { key, leased }));
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
        if !state.store.timers.is_empty() {
            choices.push(Choice::RunOut);
        }
        if !state.late.is_empty() {
            choices.push(Choice::Late);
        }
        choices
    }

    fn take(&self, state: &mut State, choice: &Choice) -> bool {
        match choice {
            Choice::Hold(verb) => self.hold(state, *verb),
            Choice::Held => state.hold(),
            Choice::Put { key, leased } => self.put(state, KEYS[*key], *leased),
            Choice::Written => state.writer.forget(),
            Choice::Persist => self.persist(state),
            Choice::Crash { written } => self.crash(state, *written),
            Choice::RunOut => {
                if let Some(timer) = state.store.timers.pop_first() {
                    self.step(state, self.machine.fired(timer));
                }
            }
            Choice::Late => self.late(state),
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
        const WORDS: [Word; 9] = [
            word("grant", Happens::Perhaps),
            word("keep-alive", Happens::Perhaps),
            word("revoke", Happens::Perhaps),
            word("put", Happens::Perhaps),
            word("answer", Happens::Surely),
            word("persist", Happens::Surely),
            word("crash", Happens::Fault),
            word("run-out", Happens::Surely),
            word("late", Happens::Surely),
        ];
        &WORDS
    }

    fn word(choice: &Choice) -> &'static str {
        match choice {
            Choice::Hold(Verb::Grant) => "grant",
            Choice::Hold(Verb::KeepAlive) => "keep-alive",
            Choice::Hold(Verb::Revoke) => "revoke",
            Choice::Put { .. } => "put",
            Choice::Held | Choice::Written => "answer",
            Choice::Persist => "persist",
            Choice::Crash { .. } => "crash",
            Choice::RunOut => "run-out",
            Choice::Late => "late",
        }
    }

    fn process(choice: &Choice) -> u8 {
        u8::from(matches!(choice, Choice::Put { .. } | Choice::Written))
    }

    fn parties(choice: &Choice) -> (String, String) {
        let (from, to) = match choice {
            Choice::Hold(_) => ("holder", "store"),
            Choice::Held => ("store", "holder"),
            Choice::Put { .. } => ("writer", "store"),
            Choice::Written => ("store", "writer"),
            Choice::Persist => ("disk", "store"),
            Choice::Crash { .. } => ("store", "store"),
            Choice::RunOut | Choice::Late => ("clock", "store"),
        };
        (from.to_owned(), to.to_owned())
    }

    fn project(state: &State, mut hasher: &mut dyn Hasher) {
        let State {
            store,
            disk,
            writing,
            late,
            holder,
            writer,
            crashes_left,
            ghosts: _,
        } = state;
        (store, disk, writing, late, holder, writer, crashes_left).hash(&mut hasher);
    }

    /// Everyone is answered, and nothing is left of the lease.
    fn converged(&self, state: &State) -> bool {
        state.holder.asking.is_none()
            && state.writer.asking.is_none()
            && state.disk.leases.is_empty()
            && state.writing.is_none()
            && state.store.timers.is_empty()
    }
}

impl<M: Stores> LeaseWorld<M> {
    fn hold(&self, state: &mut State, verb: Verb) {
        state.holder.ask(verb);
        let (lease, ttl_seconds) = (LEASE, TTL_SECONDS);
        let request = match verb {
            Verb::Grant => StoreRequest::LeaseGrant { lease, ttl_seconds },
            Verb::KeepAlive => StoreRequest::LeaseKeepAlive { lease },
            Verb::Revoke => StoreRequest::LeaseRevoke { lease },
        };
        let from = HOLDER;
        self.step(state, Input::Ask { from, request });
    }

    fn put(&self, state: &mut State, key: &str, leased: bool) {
        state.writer.ask(());
        let put = Operation::Put {
            key: key.into(),
            value: 0,
            lease: if leased { LEASE } else { 0 },
        };
        let request = StoreRequest::Transaction(Transaction {
            compares: vec![],
            success: vec![put],
            failure: vec![],
        });
        let from = WRITER;
        self.step(state, Input::Ask { from, request });
    }

    fn persist(&self, state: &mut State) {
        let Some((through, records)) = state.writing.take() else {
            return;
        };
        for record in records {
            state.disk.apply(record);
        }
        self.step(state, Input::Persisted { through });
    }

    fn crash(&self, state: &mut State, written: bool) {
        state.crashes_left -= 1;
        if let (Some((_, records)), true) = (state.writing.take(), written) {
            for record in records {
                state.disk.apply(record);
            }
        }
        state.ghosts.survived |= !state.disk.leases.is_empty();
        // What was on its way is lost with the connections; timers go with the process.
        state.holder.forget();
        state.writer.forget();
        state.late.clear();
        state.store = Process::start(&self.machine, Some(state.disk.clone()));
        state.follow(&self.machine.began(&state.store.state));
        self.carry_out(state);
    }

    fn late(&self, state: &mut State) {
        let Some(timer) = state.late.pop_first() else {
            return;
        };
        let actions = self.step(state, self.machine.fired(timer));
        let ended = |action: &StoreAction| matches!(action, StoreAction::LeaseEnded { .. });
        match actions.iter().any(ended) {
            true => state.ghosts.early = true,
            false => state.ghosts.ignored = true,
        }
    }

    fn step(&self, state: &mut State, input: Input<u8>) -> Vec<StoreAction> {
        let before = state.store.timers.clone();
        let step = state.store.step(&self.machine, input);
        assert!(
            !matches!(step, Step::Refused(_)),
            "the world asks nothing illegal: {step:?}"
        );
        // What was taken back may be under way.
        let lives = |timer: &&Timer| !state.store.timers.contains(timer);
        state.late.extend(before.iter().filter(lives).cloned());
        let actions = match step {
            Step::Moved(actions) => actions,
            Step::Nothing | Step::Refused(_) => Vec::new(),
        };
        state.follow(&actions);
        self.carry_out(state);
        actions
    }

    /// Puts what the store sent onto its way.
    fn carry_out(&self, state: &mut State) {
        while let Some(output) = state.store.outbox.pop_front() {
            match output {
                Output::Persist { through, records } => {
                    let writing = state.writing.get_or_insert_default();
                    writing.0 = through;
                    writing.1.extend(records);
                }
                Output::Answer { to, response } => state.answer(to, &response),
                Output::Frame { .. } => unreachable!("nobody watches"),
                Output::Stop { reason } => unreachable!("this disk does not fail: {reason}"),
            }
        }
    }
}

impl State {
    fn answer(&mut self, to: u64, response: &StoreResponse<u8>) {
        let done = !matches!(response, StoreResponse::Failed(_));
        if to == WRITER {
            self.writer.answer = Some(done);
            self.ghosts.refused |= !done;
            return;
        }
        self.holder.answer = Some(done);
    }

    /// The holder hears: what it was told holds from here on, if nothing has happened to it on the way.
    fn hold(&mut self) {
        if self.holder.answer == Some(true) {
            match self.holder.asking {
                Some(Verb::Grant | Verb::KeepAlive) => self.ghosts.told_alive = self.ghosts.alive,
                Some(Verb::Revoke) => self.ghosts.told_ended = !self.ghosts.alive,
                None => {}
            }
        }
        self.holder.forget();
    }
}

impl<A> Client<A> {
    fn asks(left: u8) -> Self {
        Client {
            left,
            asking: None,
            answer: None,
        }
    }

    fn may_ask(&self) -> bool {
        self.asking.is_none() && self.left > 0
    }

    fn ask(&mut self, what: A) {
        self.left -= 1;
        self.asking = Some(what);
    }

    /// It has heard, or will hear nothing.
    fn forget(&mut self) {
        self.asking = None;
        self.answer = None;
    }
}

impl Ghosts {
    fn new() -> Self {
        Ghosts {
            alive: false,
            told_alive: false,
            told_ended: false,
            early: false,
            ignored: false,
            survived: false,
            refused: false,
            along: 0,
            refinement: Acceptor::new(&StoreSpecification),
        }
    }
}
