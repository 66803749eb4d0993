#![doc = include_str!("README.md")]

mod choice;
mod properties;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use model::actions::store::StoreAction;
use model::machines::store::{Durable, Limits, Record, Store, Timer};
use model::messages::store::{Key, LeaseId};

use crate::catalog::{Listed, Size};
use crate::checked::Checked;
use crate::node::Node;
use crate::specification::Acceptor;
use crate::store::StoreSpecification;

pub use crate::store::Stores;
pub use choice::{Choice, Verb};
pub use properties::properties;

/// The one lease.
const LEASE: LeaseId = 7;

/// The keys that may go with it.
const KEYS: [&str; 2] = ["a", "b"];

/// The size of the world, and its machine.
#[derive(Clone, Debug)]
pub struct LeaseWorld<M = Store<u8>> {
    /// The machine.
    pub machine: M,
    /// How often the holder asks for something.
    pub asks: u8,
    /// How many puts the writer tries.
    pub puts: u8,
    /// How often the store may crash.
    pub crashes: u8,
}

/// A moment of the world.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    store: Node<Store<u8>>,
    disk: Durable<u8>,
    /// The commit that is on its way to the disk.
    writing: Option<(u64, Vec<Record<u8>>)>,
    /// Timers that were taken back when their firing was already under way.
    late: BTreeSet<Timer>,
    holder: Client<Verb>,
    writer: Client<()>,
    crashes_left: u8,
    ghosts: Ghosts,
}

/// One who asks for a thing at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Client<A> {
    left: u8,
    /// What it has asked for and heard nothing of.
    asking: Option<A>,
    /// Whether that was done: the answer is on its way.
    answer: Option<bool>,
}

/// What the properties remember; nothing that happens depends on it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Ghosts {
    /// The lease lives, as the store says.
    alive: bool,
    /// The holder was told that the lease lives while it did, and nothing has ended it since.
    told_alive: bool,
    /// The holder was told that the lease has ended, and nothing has granted it since.
    told_ended: bool,
    /// A timer of an earlier life ended the lease.
    early: bool,
    /// A timer of an earlier life came, and nothing happened.
    ignored: bool,
    /// A lease was there after a crash.
    survived: bool,
    /// A put was refused because the lease was gone.
    refused: bool,
    /// The most keys that went with the end of the lease.
    along: usize,
    /// The specification, told everything that the machine says it does.
    refinement: Acceptor<StoreSpecification>,
}

/// The specification as the catalog lists it.
pub fn listed() -> Listed {
    const SIZES: &[Size] = &[
        Size {
            name: "tiny",
            holds: "a lease asked about twice, two puts, a crash",
            states: 14_202,
            unseen: &[],
        },
        Size {
            name: "ci",
            holds: "a lease asked about three times, three puts, a crash",
            states: 269_045,
            unseen: &[],
        },
    ];
    Listed {
        name: "lease",
        about: "keys that go when nobody speaks for them, over a disk that crashes",
        readme: include_str!("README.md"),
        sizes: SIZES,
        world: |size| {
            let (asks, puts) = if size.name == "tiny" { (2, 2) } else { (3, 3) };
            Box::new(Checked::new(LeaseWorld {
                machine: Store::new(Limits::default()),
                asks,
                puts,
                crashes: 1,
            }))
        },
    }
}

impl State {
    fn follow(&mut self, actions: &[StoreAction]) {
        let ghosts = &mut self.ghosts;
        for action in actions {
            ghosts.refinement.accept(&StoreSpecification, action);
            match action {
                StoreAction::Started { leases, .. } => ghosts.alive = !leases.is_empty(),
                StoreAction::LeaseGranted { .. } => {
                    (ghosts.alive, ghosts.told_ended) = (true, false)
                }
                StoreAction::LeaseEnded { .. } => {
                    (ghosts.alive, ghosts.told_alive) = (false, false)
                }
                _ => {}
            }
        }
        let ended = |action: &StoreAction| matches!(action, StoreAction::LeaseEnded { .. });
        if let Some(at) = actions.iter().position(ended) {
            let gone = actions[at..].iter().map(|action| match action {
                StoreAction::Wrote { changes, .. } => changes.len(),
                _ => 0,
            });
            ghosts.along = ghosts.along.max(gone.sum());
        }
    }
}

/// The keys that are on a disk, each with its lease.
fn leased(disk: &Durable<u8>) -> BTreeMap<&Key, LeaseId> {
    let mut keys: BTreeMap<&Key, LeaseId> = disk
        .base
        .iter()
        .map(|(key, version)| (key, version.lease))
        .collect();
    for change in disk.log.values().flatten() {
        match change.now.value {
            Some(_) => keys.insert(&change.key, change.now.lease),
            None => keys.remove(&change.key),
        };
    }
    keys
}
