#![doc = include_str!("README.md")]

mod properties;
mod specification;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::hash::{Hash, Hasher};

use model::actions::store::StoreAction;
use model::machine::{Machine, Step};
use model::machines::store::{Durable, Input, Limits, Output, Record, Store};
use model::messages::store::{
    Compare, Event, KeyRange, Operand, Operation, OperationResult, RangeRequest, Relation,
    StoreRequest, StoreResponse, Transaction, WatchFrame, WatchRequest,
};

use crate::catalog::{Listed, Size};
use crate::checked::Checked;
use crate::node::Node;
use crate::specification::Acceptor;
use crate::world::{Happens, Property, Word, World};

pub use properties::properties;
pub use specification::{Known, StoreSpecification};

/// Two that race, and a third so that two writes can wait for the disk while a commit is under way.
const CLIENTS: usize = 3;

/// The one key that everybody writes.
const KEY: &str = "a";

/// The size of the world.
#[derive(Clone, Debug)]
pub struct StoreWorld {
    /// The machine.
    pub machine: Store<u8>,
    /// How many transactions each client tries.
    pub attempts: u8,
    /// How often the store may crash.
    pub crashes: u8,
    /// How often history may be compacted.
    pub compactions: u8,
}

/// A moment of the world.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    store: Node<Store<u8>>,
    disk: Durable<u8>,
    /// The commit that is on its way to the disk.
    writing: Option<(u64, Vec<Record<u8>>)>,
    clients: [Client; CLIENTS],
    watcher: Watcher,
    crashes_left: u8,
    compactions_left: u8,
    /// Ghost: every durable write, by revision: the value, and the mod revision that it replaced.
    history: BTreeMap<u64, (u8, u64)>,
    /// Ghost: the largest number of revisions in one commit.
    largest_commit: usize,
    /// Ghost: the specification, told everything that the machine says it does.
    refinement: Acceptor<StoreSpecification>,
}

/// A client that compares and swaps at first, and then writes whatever is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Client {
    /// The mod revision that it last saw; 0 for no such key.
    seen: u64,
    attempts: u8,
    /// The value that it has asked to write and has no answer for.
    asking: Option<u8>,
    /// The answer on its way: the revision that it wrote, or what the key's mod revision is instead.
    answer: Option<Result<u64, u64>>,
    /// Writes acknowledged: revision, value, and for a swap the mod revision that it replaced.
    acknowledged: Vec<(u64, u8, Option<u64>)>,
    refused: bool,
}

/// A watcher that resumes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Watcher {
    open: bool,
    frames: VecDeque<WatchFrame<u8>>,
    /// Everything after this revision is still to come.
    position: u64,
    received: Vec<(u64, u8)>,
    resumed_at: Option<u64>,
    told_compacted: bool,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// A client asks for a swap.
    Ask(usize),
    /// An answer arrives at a client.
    Answer(usize),
    /// The disk finishes the commit under way.
    Persist,
    /// The store crashes and starts again.
    Crash {
        /// Whether the commit under way is on disk afterwards.
        written: bool,
    },
    /// The watcher opens its watch, after the last revision that it received.
    Watch,
    /// The watcher takes a frame.
    Take,
    /// History up to the newest durable revision is compacted.
    Compact,
}

impl World for StoreWorld {
    type State = State;
    type Choice = Choice;

    fn begin(&self) -> State {
        let store = Node::start(&self.machine, Some(Durable::default()));
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
        properties()
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

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Choice::Ask(client) => write!(f, "client {client} asks for a write"),
            Choice::Answer(client) => write!(f, "client {client} hears the answer"),
            Choice::Persist => write!(f, "the disk has the commit"),
            Choice::Crash { written: true } => {
                write!(f, "the store crashes, its commit on disk")
            }
            Choice::Crash { written: false } => write!(f, "the store crashes"),
            Choice::Watch => write!(f, "the watcher opens its watch"),
            Choice::Take => write!(f, "the watcher takes a frame"),
            Choice::Compact => write!(f, "history is compacted"),
        }
    }
}

/// The specification as the catalog lists it.
pub fn listed() -> Listed {
    const SIZES: &[Size] = &[
        Size {
            name: "tiny",
            holds: "3 clients with an attempt each, a crash, a compaction",
            states: 5_526,
            unseen: &[
                "every client has a write acknowledged",
                "one commit carries two revisions",
                "the watcher resumes after a crash and goes on",
            ],
        },
        Size {
            name: "ci",
            holds: "3 clients with two attempts each, a crash, a compaction",
            states: 1_085_682,
            unseen: &[],
        },
        Size {
            name: "large",
            holds: "3 clients with two attempts each, two crashes, a compaction",
            states: 0,
            unseen: &[],
        },
    ];
    Listed {
        name: "store",
        about: "revisions, transactions, watches and compaction over a disk that crashes",
        readme: include_str!("README.md"),
        sizes: SIZES,
        world: |size| {
            let (attempts, crashes) = match size.name {
                "tiny" => (1, 1),
                "large" => (2, 2),
                _ => (2, 1),
            };
            Box::new(Checked::new(StoreWorld {
                machine: Store::new(Limits::default()),
                attempts,
                crashes,
                compactions: 1,
            }))
        },
    }
}

/// The asker of compactions, whose answers nobody reads.
const COMPACTOR: u64 = 99;

/// The watcher's name for its watch.
const WATCH: u64 = 1;

impl StoreWorld {
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
        state.store = Node::start(&self.machine, Some(state.disk.clone()));
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
                Output::Persist { through, records } => state.writing = Some((through, records)),
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

impl State {
    fn follow(&mut self, actions: &[StoreAction]) {
        for action in actions {
            self.refinement.accept(&StoreSpecification, action);
        }
    }

    fn write(&mut self, records: Vec<Record<u8>>) {
        let revisions = records
            .iter()
            .filter(|record| matches!(record, Record::Revision { .. }));
        self.largest_commit = self.largest_commit.max(revisions.count());
        for record in records {
            if let Record::Revision { revision, changes } = &record {
                let replaced = self
                    .history
                    .last_key_value()
                    .map_or(0, |(revision, _)| *revision);
                for change in changes {
                    let value = change.now.value.expect("nothing is deleted here");
                    self.history.insert(*revision, (value, replaced));
                }
            }
            self.disk.apply(record);
        }
    }
}

impl Client {
    fn hear(&mut self) {
        let value = self.asking.take();
        match (self.answer.take(), value) {
            (Some(Ok(revision)), Some(value)) => {
                self.acknowledged
                    .push((revision, value, swaps(value).then_some(self.seen)));
                self.seen = revision;
            }
            (Some(Err(seen)), _) => {
                self.refused = true;
                self.seen = seen;
            }
            (Some(Ok(_)) | None, _) => {}
        }
    }
}

/// Whether the write of a value is a swap: every other attempt of a client is.
fn swaps(value: u8) -> bool {
    value.is_multiple_of(2)
}

/// The revision that a swap wrote, or the key's mod revision where the swap was refused.
fn heard(response: &StoreResponse<u8>) -> Result<u64, u64> {
    match response {
        StoreResponse::Transaction {
            revision,
            succeeded: true,
            ..
        } => Ok(*revision),
        StoreResponse::Transaction { results, .. } => match results.first() {
            Some(OperationResult::Range(range)) => {
                Err(range.items.first().map_or(0, |item| item.mod_revision))
            }
            _ => unreachable!("a refused swap reads the key"),
        },
        other => unreachable!("no other answer to a transaction: {other:?}"),
    }
}
