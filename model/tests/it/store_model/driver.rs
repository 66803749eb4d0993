//! The machine, its disk and its clients, held against the naive store after every step.

use std::collections::{BTreeMap, BTreeSet};

use model::actions::store::StoreAction;
use model::machine::{Machine, Now, Out, Request, Step};
use model::machines::store::{Durable, Input, Limits, Output, Record, State, Store, Timer};
use model::messages::store::{
    KeyRange, RangeRequest, RangeResponse, StoreError, StoreRequest, StoreResponse, WatchFrame,
    WatchRequest,
};

use super::naive::Naive;

struct Watching {
    request: WatchRequest,
    /// It has every event up to this revision.
    reached: u64,
    /// Frames it has not taken.
    under_way: u32,
}

pub struct Driver {
    machine: Store<u8>,
    limits: Limits,
    state: State<u8>,
    disk: Durable<u8>,
    /// What the machine has decided.
    naive: Naive,
    /// What is on disk, and what will be when the commit under way is.
    durable: Naive,
    committing: Option<(u64, Vec<Record<u8>>, Naive)>,
    expected: BTreeMap<u64, StoreResponse<u8>>,
    /// The newest revision that anyone was told of.
    acknowledged: u64,
    watches: BTreeMap<u64, Watching>,
    timers: BTreeSet<Timer>,
    next: u64,
}

impl Driver {
    pub fn new(limits: Limits) -> Self {
        let machine = Store::new(limits.clone());
        let state = machine.start(None, Now(0), &mut Out::new());
        Driver {
            machine,
            limits,
            state,
            disk: Durable::default(),
            naive: Naive::new(),
            durable: Naive::new(),
            committing: None,
            expected: BTreeMap::new(),
            acknowledged: 1,
            watches: BTreeMap::new(),
            timers: BTreeSet::new(),
            next: 1,
        }
    }

    pub fn durable(&self) -> u64 {
        self.durable.revision()
    }

    fn id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub fn ask(&mut self, request: StoreRequest<u8>) {
        let id = self.id();
        let expected = self.expect(&request);
        self.expected.insert(id, expected);
        self.step(Input::Ask { from: id, request });
    }

    /// What the naive store answers.
    fn expect(&mut self, request: &StoreRequest<u8>) -> StoreResponse<u8> {
        let newest = self.durable();
        let compacted = self.naive.compacted;
        let busy = self.state.waiting() as u64 >= self.limits.waiting;
        match request {
            StoreRequest::Range(request) => {
                let revision = request.revision.unwrap_or(newest);
                if revision > newest {
                    return StoreResponse::Failed(StoreError::FutureRevision { revision, newest });
                }
                if revision < compacted {
                    return StoreResponse::Failed(StoreError::Compacted { compacted });
                }
                StoreResponse::Range(self.naive.range(request, self.naive.at(revision), revision))
            }
            StoreRequest::Progress => StoreResponse::Done { revision: newest },
            _ if busy => StoreResponse::Failed(StoreError::Busy),
            StoreRequest::Transaction(transaction) => self.naive.transaction(transaction),
            StoreRequest::LeaseGrant { lease, ttl_seconds } => {
                if self.naive.leases.contains_key(lease) {
                    return StoreResponse::Failed(StoreError::LeaseExists { lease: *lease });
                }
                self.naive.leases.insert(*lease, *ttl_seconds);
                StoreResponse::Lease {
                    lease: *lease,
                    ttl_seconds: *ttl_seconds,
                }
            }
            StoreRequest::LeaseKeepAlive { lease } => match self.naive.leases.get(lease) {
                Some(ttl_seconds) => StoreResponse::Lease {
                    lease: *lease,
                    ttl_seconds: *ttl_seconds,
                },
                None => StoreResponse::Failed(StoreError::LeaseNotFound { lease: *lease }),
            },
            StoreRequest::LeaseRevoke { lease } => {
                if !self.naive.leases.contains_key(lease) {
                    return StoreResponse::Failed(StoreError::LeaseNotFound { lease: *lease });
                }
                self.naive.end_lease(*lease);
                StoreResponse::Done {
                    revision: self.naive.revision(),
                }
            }
            StoreRequest::Compact { revision } if *revision > newest => {
                StoreResponse::Failed(StoreError::FutureRevision {
                    revision: *revision,
                    newest,
                })
            }
            StoreRequest::Compact { revision } if *revision <= compacted => {
                StoreResponse::Failed(StoreError::Compacted { compacted })
            }
            StoreRequest::Compact { .. } => StoreResponse::Done { revision: newest },
            StoreRequest::Status => unreachable!("not asked here"),
        }
    }

    pub fn range_back(&mut self, range: KeyRange, back: u64) {
        let revision = Some(self.durable().saturating_sub(back));
        self.ask(StoreRequest::Range(RangeRequest {
            revision,
            ..RangeRequest::now(range)
        }));
    }

    pub fn watch(&mut self, request: WatchRequest) {
        let id = self.id();
        let after = request.after.unwrap_or(self.durable());
        let watching = Watching {
            request: request.clone(),
            reached: after,
            under_way: 0,
        };
        self.watches.insert(id, watching);
        self.step(Input::Watch { watch: id, request });
        let refused = !self.watches.contains_key(&id);
        assert_eq!(
            refused,
            after < self.naive.compacted,
            "a watch after {after}"
        );
    }

    fn nth(&self, nth: usize) -> Option<u64> {
        self.watches.keys().nth(nth).copied()
    }

    pub fn taken(&mut self, nth: usize) {
        let Some(id) = self.nth(nth) else { return };
        let watching = self.watches.get_mut(&id).unwrap();
        if watching.under_way > 0 {
            watching.under_way -= 1;
            self.step(Input::Taken { watch: id });
        }
    }

    pub fn unwatch(&mut self, nth: usize) {
        if let Some(id) = self.nth(nth) {
            self.watches.remove(&id);
            self.step(Input::Unwatch { watch: id });
        }
    }

    pub fn persisted(&mut self) {
        if let Some(through) = self.land() {
            self.step(Input::Persisted { through });
        }
    }

    /// The commit under way reaches the disk.
    fn land(&mut self) -> Option<u64> {
        let (through, records, naive) = self.committing.take()?;
        let before = self.disk.compacted;
        records
            .into_iter()
            .for_each(|record| self.disk.apply(record));
        assert!(self.disk.compacted >= before, "compaction is monotone");
        assert_eq!(self.disk.check(), Ok(()));
        self.durable = naive;
        assert_eq!(self.disk.revision(), self.durable.revision());
        Some(through)
    }

    pub fn fire(&mut self, nth: usize) {
        let Some(timer) = self.timers.iter().nth(nth).cloned() else {
            return;
        };
        self.timers.remove(&timer);
        if let Timer::Lease { lease, .. } = timer {
            self.naive.end_lease(lease);
        }
        self.step(self.machine.fired(timer));
    }

    pub fn crash(&mut self, landed: bool) {
        if landed {
            self.land();
        }
        self.committing = None;
        assert!(
            self.acknowledged <= self.disk.revision(),
            "what was acknowledged is lost"
        );
        self.naive = self.durable.clone();
        self.naive.compacted = self.disk.compacted;
        self.expected.clear();
        self.watches.clear();
        self.timers.clear();
        let mut out = Out::new();
        self.state = self
            .machine
            .start(Some(self.disk.clone()), Now(0), &mut out);
        let timers = out.drain().map(|request| match request {
            Request::Timer(Timer::Lease { lease, .. }, after) => (lease, after / 1000),
            _ => panic!("a start does nothing but set timers"),
        });
        let leases = self
            .durable
            .leases
            .iter()
            .map(|(lease, ttl)| (*lease, u64::from(*ttl)));
        assert_eq!(
            timers.collect::<BTreeMap<_, _>>(),
            leases.collect(),
            "leases live for their whole time again"
        );
        self.timers = self
            .durable
            .leases
            .keys()
            .map(|lease| Timer::Lease {
                lease: *lease,
                life: 0,
            })
            .collect();
        for revision in self.disk.compacted..=self.durable() {
            let request = RangeRequest {
                revision: Some(revision),
                ..RangeRequest::now(KeyRange::prefix(""))
            };
            self.ask(StoreRequest::Range(request));
        }
    }

    /// The disk works on and every receiver takes what it is sent: everyone gets everything.
    pub fn settle(&mut self) {
        loop {
            let ready: Vec<usize> = (0..self.watches.len())
                .filter(|nth| {
                    self.watches
                        .values()
                        .nth(*nth)
                        .is_some_and(|watching| watching.under_way > 0)
                })
                .collect();
            let rest = self
                .timers
                .iter()
                .position(|timer| *timer == Timer::SendRest);
            if ready.is_empty() && self.committing.is_none() && rest.is_none() {
                break;
            }
            if let Some(rest) = rest {
                self.fire(rest);
            }
            self.persisted();
            ready.into_iter().rev().for_each(|nth| self.taken(nth));
        }
        assert!(self.expected.is_empty(), "unanswered: {:?}", self.expected);
        for (id, watching) in &self.watches {
            let missed = self.naive.events(
                &watching.request.range,
                watching.reached,
                self.naive.revision(),
                false,
            );
            assert!(missed.is_empty(), "watch {id} misses {missed:?}");
        }
    }

    fn step(&mut self, input: Input<u8>) {
        let mut out = Out::new();
        let before = self.state.clone();
        let step = self
            .machine
            .step(&mut self.state, Now(0), input.clone(), &mut out);
        match &step {
            Step::Moved(actions) => self.follow(actions),
            Step::Nothing | Step::Refused(_) => {
                assert!(
                    out.is_empty() && before == self.state,
                    "{step:?} to {input:?} did something"
                );
            }
        }
        assert!(!matches!(step, Step::Refused(_)), "{step:?} to {input:?}");
        let requests: Vec<_> = out.drain().collect();
        for request in requests {
            match request {
                Request::Output(output) => self.output(output),
                Request::Timer(timer, _) => drop(self.timers.insert(timer)),
                Request::Cancel(timer) => drop(self.timers.remove(&timer)),
            }
        }
    }

    fn follow(&mut self, actions: &[StoreAction]) {
        for action in actions {
            if let StoreAction::Compacted { through } = action {
                assert!(*through > self.naive.compacted && *through <= self.durable());
                self.naive.compacted = *through;
            }
        }
    }

    fn output(&mut self, output: Output<u8>) {
        match output {
            Output::Answer { to, response } => self.answered(to, response),
            Output::Frame { watch, frame } => self.framed(watch, frame),
            Output::Persist { through, records } => {
                assert!(self.committing.is_none(), "two commits at a time");
                assert_eq!(through, self.naive.revision());
                self.committing = Some((through, records, self.naive.clone()));
            }
            Output::Stop { reason } => panic!("{reason}"),
        }
    }

    fn answered(&mut self, to: u64, response: StoreResponse<u8>) {
        let mut expected = self
            .expected
            .remove(&to)
            .expect("an answer to who asked, once");
        shorten(&mut expected, &response);
        assert_eq!(response, expected);
        let told = match &response {
            StoreResponse::Range(range) => range.revision,
            StoreResponse::Transaction { revision, .. } | StoreResponse::Done { revision } => {
                *revision
            }
            _ => 0,
        };
        assert!(told <= self.durable(), "{response:?} before it is durable");
        self.acknowledged = self.acknowledged.max(told);
    }

    fn framed(&mut self, id: u64, frame: WatchFrame<u8>) {
        let durable = self.durable();
        let watching = self
            .watches
            .get_mut(&id)
            .expect("a frame for a watch that there is");
        watching.under_way += 1;
        assert!(
            watching.under_way <= self.limits.frames || matches!(frame, WatchFrame::Cancelled(_)),
            "too many frames"
        );
        let (revision, events) = match frame {
            WatchFrame::Started { after } => {
                assert_eq!(after, watching.reached);
                return;
            }
            WatchFrame::Cancelled(error) => {
                assert!(matches!(
                    error,
                    StoreError::Compacted { .. } | StoreError::Behind { .. }
                ));
                assert!(
                    watching.reached < self.naive.compacted,
                    "{error} without a cause"
                );
                self.watches.remove(&id);
                return;
            }
            WatchFrame::Events { revision, events } => (revision, events),
            WatchFrame::Progress { revision } => (revision, Vec::new()),
        };
        assert!(revision <= durable, "events before they are durable");
        let WatchRequest {
            range, previous, ..
        } = &watching.request;
        // Ordered, unique, reliable, atomic, filtered, with the right states before.
        assert_eq!(
            events,
            self.naive
                .events(range, watching.reached, revision, *previous)
        );
        watching.reached = revision;
        self.acknowledged = self.acknowledged.max(revision);
    }
}

/// An answer may stop early where it grew too long; what it holds must still be right.
fn shorten(expected: &mut StoreResponse<u8>, response: &StoreResponse<u8>) {
    use model::messages::store::OperationResult;
    fn cut(expected: &mut RangeResponse<u8>, got: &RangeResponse<u8>) {
        if got.more && got.items.len() < expected.items.len() {
            expected.items.truncate(got.items.len());
            expected.more = true;
        }
    }
    match (expected, response) {
        (StoreResponse::Range(expected), StoreResponse::Range(got)) => {
            assert!(
                expected.items.is_empty() || !got.items.is_empty(),
                "a range makes no progress"
            );
            cut(expected, got);
        }
        (
            StoreResponse::Transaction {
                results: expected, ..
            },
            StoreResponse::Transaction { results: got, .. },
        ) => {
            for pair in expected.iter_mut().zip(got) {
                if let (OperationResult::Range(expected), OperationResult::Range(got)) = pair {
                    cut(expected, got);
                }
            }
        }
        _ => {}
    }
}
