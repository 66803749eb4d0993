#![doc = include_str!("README.md")]

mod attached;
mod choice;
mod leases;
mod properties;
mod specification;
mod watches;
mod world;

use std::collections::{BTreeMap, VecDeque};

use model::actions::store::StoreAction;
use model::machine::Machine;
use model::machines::store::{Durable, Input, Limits, Output, Record, Store, Timer};
use model::messages::store::{OperationResult, StoreResponse, WatchFrame};

use crate::catalog::{Listed, Size};
use crate::checked::Checked;
use crate::node::Node;
use crate::specification::Acceptor;

pub use choice::Choice;
pub use properties::properties;
pub use specification::{Known, StoreSpecification};

/// Two that race, and a third so that two writes can wait for the disk while a commit is under way.
const CLIENTS: usize = 3;

/// The one key that everybody writes.
const KEY: &str = "a";

/// The shipped store, or one that knows, hears and says the same.
pub trait Stores:
    Machine<
        Durable = Durable<u8>,
        State = model::machines::store::State<u8>,
        Input = Input<u8>,
        Output = Output<u8>,
        Timer = Timer,
        Action = StoreAction,
    >
{
}

impl<M> Stores for M where
    M: Machine<
            Durable = Durable<u8>,
            State = model::machines::store::State<u8>,
            Input = Input<u8>,
            Output = Output<u8>,
            Timer = Timer,
            Action = StoreAction,
        >
{
}

/// The size of the world, and its machine.
#[derive(Clone, Debug)]
pub struct StoreWorld<M = Store<u8>> {
    /// The machine.
    pub machine: M,
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
            states: 2_548_758,
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
