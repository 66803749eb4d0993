//! The witness: what each client has been told, and which guarantee that broke. A ghost of every world of this
//! specification.

use super::history::{Event, Filter, History, Key, Objects};
use super::properties::GUARANTEES;
use super::watcher::{Observed, Told, Watcher};
use crate::specification::Acceptor;
use crate::world::World;

/// A world that keeps a ledger.
pub trait Witnessed: World {
    /// The ledger.
    fn ledger(state: &Self::State) -> &Ledger;
}

/// What all clients have been told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ledger {
    /// Client by client.
    pub clients: Vec<Witness>,
    /// The guarantees that were broken, a bit each in the order of [`GUARANTEES`].
    broken: u32,
}

/// What one client has been told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Witness {
    /// What it selects.
    pub filter: Filter,
    /// What it was told, as far as the specification of one watcher allows that.
    pub told: Acceptor<Watcher>,
    /// What the list or the present objects under way must not be older than: what was acknowledged when the
    /// client asked, if it asked for a consistent read.
    pub least: u64,
}

/// One observation of a client, with what it is judged by.
#[derive(Debug)]
pub struct Seen<'a> {
    /// What truly happened.
    pub history: &'a History,
    /// The client before the observation.
    pub client: &'a Witness,
    /// The observation.
    pub what: &'a What,
}

/// An observation as a client's wire has it: whole batches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// It asks for a list.
    AsksList {
        /// What the list must not be older than.
        least: u64,
    },
    /// It asks for a watch strictly after a revision.
    AsksWatch {
        /// That revision.
        after: u64,
    },
    /// It asks for a watch that begins with the present objects.
    AsksInitial {
        /// What they must not be older than.
        least: u64,
    },
    /// A list came.
    Listed {
        /// Its revision.
        revision: u64,
        /// Its objects.
        objects: Objects,
    },
    /// Events came, in one batch.
    Events {
        /// The events.
        events: Vec<Event>,
        /// Where the window of the server that sent them begins.
        floor: u64,
    },
    /// A bookmark came.
    Bookmark {
        /// Its revision.
        revision: u64,
        /// Whether it ends the initial events.
        initial_events_end: bool,
    },
    /// The server refused or ended the watch.
    Closed {
        /// HTTP status code of the reason.
        code: u16,
        /// Whether everything after the client's revision was in the server's window.
        in_window: bool,
    },
    /// The connection broke.
    Broke,
    /// The client was restarted.
    Restarted,
    /// Nothing more: the state after an observation.
    Settled,
}

impl Ledger {
    /// Before anything.
    pub fn new(filters: &[Filter]) -> Self {
        let witness = |filter: &Filter| Witness {
            filter: *filter,
            told: Acceptor::new(&Watcher),
            least: 0,
        };
        Ledger {
            clients: filters.iter().map(witness).collect(),
            broken: 0,
        }
    }

    /// Whether a guarantee was kept so far.
    pub fn keeps(&self, guarantee: usize) -> bool {
        self.broken & (1 << guarantee) == 0
    }

    /// Whether everything that clients were told is a run of the specification of a watcher.
    pub fn accepted(&self) -> bool {
        self.clients
            .iter()
            .all(|client| client.told.refused.is_none())
    }

    /// Judges an observation and takes it in. Once a client was told what it may not be told, what follows from
    /// that is not judged.
    pub fn observe(&mut self, history: &History, client: usize, what: &What) {
        let Some(witness) = self.clients.get_mut(client) else {
            return;
        };
        if witness.told.refused.is_some() {
            return;
        }
        self.broken |= judge(history, witness, what);
        witness.take(what);
        if witness.told.refused.is_none() {
            self.broken |= judge(history, witness, &What::Settled);
        }
    }
}

fn judge(history: &History, client: &Witness, what: &What) -> u32 {
    let seen = Seen {
        history,
        client,
        what,
    };
    let broken = |(bit, guarantee): (usize, &super::properties::Guarantee)| {
        u32::from(!(guarantee.judge)(&seen)) << bit
    };
    GUARANTEES
        .iter()
        .enumerate()
        .map(broken)
        .fold(0, |all, one| all | one)
}

impl Witness {
    /// What the client was told.
    pub fn told(&self) -> &Told {
        &self.told.state
    }

    fn take(&mut self, what: &What) {
        match what {
            What::AsksList { least } => self.least = *least,
            What::AsksWatch { after } => self.accept(&Observed::WatchedAfter(*after)),
            What::AsksInitial { least } => {
                self.least = *least;
                self.accept(&Observed::WatchedInitial { least: *least });
            }
            What::Listed { revision, objects } => {
                let objects = objects.iter().map(|(key, (at, _))| (key.clone(), *at));
                self.least = 0;
                self.accept(&Observed::Listed {
                    revision: *revision,
                    objects: objects.collect::<Vec<(Key, u64)>>(),
                });
            }
            What::Events { events, .. } => {
                for event in events {
                    self.accept(&Observed::Event {
                        change: event.change,
                        key: event.key.clone(),
                        revision: event.revision,
                    });
                }
            }
            What::Bookmark {
                revision,
                initial_events_end,
            } => {
                if *initial_events_end {
                    self.least = 0;
                }
                self.accept(&Observed::Bookmark {
                    revision: *revision,
                    initial_events_end: *initial_events_end,
                });
            }
            What::Closed { code: 410, .. } => {
                self.least = 0;
                self.accept(&Observed::Gone);
            }
            What::Closed { .. } | What::Broke => {
                self.least = 0;
                self.accept(&Observed::Ended);
            }
            What::Restarted => {
                self.least = 0;
                self.accept(&Observed::Restarted);
            }
            What::Settled => {}
        }
    }

    fn accept(&mut self, observed: &Observed) {
        self.told.accept(&Watcher, observed);
    }
}
