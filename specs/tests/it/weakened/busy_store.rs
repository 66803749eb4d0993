//! The shipped store, asked for whatever a store can be asked for, over a disk that fails and a process that crashes:
//! what its world in the catalog is too small for. It is held against its specification on the way.

use std::collections::BTreeMap;

use model::machine::{Machine, Step};
use model::machines::store::{Durable, Input, Limits, Output, Record, Store};
use model::messages::store::{
    Compare, KeyRange, Operand, Operation, RangeRequest, Relation, StoreRequest, Transaction,
    WatchFrame, WatchRequest,
};
use specs::node::{Node, Process};
use specs::random::SplitMix;
use specs::specification::Acceptor;
use specs::store::StoreSpecification;

const KEYS: [&str; 3] = ["/a", "/b", "/b/c"];

/// A store and everyone around it.
pub struct Busy {
    random: SplitMix,
    machine: Store<u8>,
    store: Node<Store<u8>>,
    disk: Durable<u8>,
    /// The commit that is on its way to the disk.
    writing: Option<(u64, Vec<Record<u8>>)>,
    /// How many frames each open watch has not taken.
    watches: BTreeMap<u64, usize>,
    /// The last name that was given to a request or a watch.
    last: u64,
    failed: bool,
    accepted: Acceptor<StoreSpecification>,
}

impl Busy {
    pub fn begin(seed: u64) -> Self {
        let machine = Store::new(Limits {
            frames: 2,
            history_revisions: 5,
            compaction_step: 2,
            step_bytes: 100,
            ..Limits::default()
        });
        let mut busy = Busy {
            random: SplitMix::new(seed),
            store: Process::start(&machine, Some(Durable::default())),
            machine,
            disk: Durable::default(),
            writing: None,
            watches: BTreeMap::new(),
            last: 0,
            failed: false,
            accepted: Acceptor::new(&StoreSpecification),
        };
        busy.began();
        busy
    }

    fn began(&mut self) {
        let actions = self.machine.began(&self.store.state);
        self.hear(actions);
        self.carry_out();
    }

    pub fn goes_on(mut self, steps: usize) {
        for _ in 0..steps {
            self.choose();
        }
    }

    fn choose(&mut self) {
        match self.random.below(24) {
            0..8 => self.ask(),
            8..10 => self.watch(),
            10..16 => self.take(),
            16 => self.unwatch(),
            17..21 => self.persist(),
            21 => self.fire(),
            22 if self.failed || self.random.below(4) == 0 => self.crash(),
            23 if self.random.below(8) == 0 => self.fail(),
            _ => {}
        }
    }

    fn range(&mut self) -> KeyRange {
        match self.random.below(4) {
            0 => KeyRange::prefix("/b"),
            1 => KeyRange::prefix("/"),
            _ => KeyRange::one(KEYS[self.random.below(KEYS.len())]),
        }
    }

    /// A revision around those that there are.
    fn revision(&mut self) -> u64 {
        (self.disk.revision() + 2).saturating_sub(self.random.below(8) as u64)
    }

    fn lease(&mut self) -> u64 {
        1 + self.random.below(2) as u64
    }

    fn operations(&mut self) -> Vec<Operation<u8>> {
        let first = self.random.below(KEYS.len());
        let many = 1 + self.random.below(2);
        let keys = (first..KEYS.len()).take(many);
        keys.map(|key| match self.random.below(4) {
            0 => Operation::Delete {
                range: KeyRange::one(KEYS[key]),
                previous: true,
            },
            _ => Operation::Put {
                key: KEYS[key].into(),
                value: self.random.below(8) as u8,
                lease: if self.random.below(6) == 0 {
                    self.lease()
                } else {
                    0
                },
            },
        })
        .collect()
    }

    fn ask(&mut self) {
        let lease = self.lease();
        let request = match self.random.below(16) {
            0..8 => StoreRequest::Transaction(Transaction {
                compares: match self.random.below(3) {
                    0 => vec![Compare {
                        key: KEYS[0].into(),
                        operand: Operand::ModRevision(self.revision()),
                        relation: Relation::Less,
                    }],
                    _ => vec![],
                },
                success: self.operations(),
                failure: vec![],
            }),
            8..11 => StoreRequest::Range(RangeRequest {
                revision: match self.random.below(2) {
                    0 => Some(self.revision()),
                    _ => None,
                },
                ..RangeRequest::now(self.range())
            }),
            11 => StoreRequest::LeaseGrant {
                lease,
                ttl_seconds: 1,
            },
            12 => StoreRequest::LeaseKeepAlive { lease },
            13 => StoreRequest::LeaseRevoke { lease },
            14 => StoreRequest::Progress,
            _ => StoreRequest::Compact {
                revision: self.revision(),
            },
        };
        self.last += 1;
        let from = self.last;
        self.step(Input::Ask { from, request });
    }

    fn watch(&mut self) {
        self.last += 1;
        let watch = self.last;
        let request = WatchRequest {
            range: self.range(),
            after: match self.random.below(3) {
                0 => None,
                _ => Some(self.revision()),
            },
            previous: self.random.below(2) == 0,
        };
        self.watches.insert(watch, 0);
        self.step(Input::Watch { watch, request });
    }

    /// One of the watches, and how many frames it has not taken.
    fn some_watch(&mut self) -> Option<(u64, usize)> {
        let many = self.watches.len().max(1);
        let watch = self.watches.iter().nth(self.random.below(many));
        watch.map(|(watch, frames)| (*watch, *frames))
    }

    fn take(&mut self) {
        let Some((watch, frames)) = self.some_watch() else {
            return;
        };
        if frames > 0 {
            self.watches.insert(watch, frames - 1);
            self.step(Input::Taken { watch });
        }
    }

    fn unwatch(&mut self) {
        if let Some((watch, _)) = self.some_watch() {
            self.watches.remove(&watch);
            self.step(Input::Unwatch { watch });
        }
    }

    fn persist(&mut self) {
        if let Some((through, records)) = self.writing.take() {
            records
                .into_iter()
                .for_each(|record| self.disk.apply(record));
            self.step(Input::Persisted { through });
        }
    }

    fn fire(&mut self) {
        let many = self.store.timers.len().max(1);
        let timer = self.store.timers.iter().nth(self.random.below(many));
        if let Some(timer) = timer.cloned() {
            self.store.timers.remove(&timer);
            self.step(self.machine.fired(timer));
        }
    }

    fn fail(&mut self) {
        if self.writing.take().is_some() {
            let reason = "no room".to_owned();
            self.step(Input::PersistFailed { reason });
        }
    }

    /// The process ends; the commit under way was written or was not.
    fn crash(&mut self) {
        if let Some((_, records)) = self.writing.take()
            && self.random.below(2) == 0
        {
            records
                .into_iter()
                .for_each(|record| self.disk.apply(record));
        }
        self.watches.clear();
        self.failed = false;
        self.store = Process::start(&self.machine, Some(self.disk.clone()));
        self.began();
    }

    fn step(&mut self, input: Input<u8>) {
        match self.store.step(&self.machine, input) {
            Step::Moved(actions) => self.hear(actions),
            Step::Nothing => {}
            // What became of a watch may not have reached its receiver when it goes.
            Step::Refused(_) => {}
        }
        self.carry_out();
    }

    fn hear(&mut self, actions: Vec<model::actions::store::StoreAction>) {
        for action in actions {
            self.accepted.accept(&StoreSpecification, &action);
        }
        assert_eq!(self.accepted.refused, None);
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.store.outbox.pop_front() {
            match output {
                Output::Persist { through, records } => self.writing = Some((through, records)),
                Output::Frame {
                    watch,
                    frame: WatchFrame::Cancelled(_),
                } => {
                    self.watches.remove(&watch);
                }
                Output::Frame { watch, .. } => *self.watches.entry(watch).or_default() += 1,
                Output::Answer { .. } => {}
                Output::Stop { .. } => self.failed = true,
            }
        }
    }
}
