//! The relay over an engine that others write to, loses answers, goes away and forgets: whatever happens its watches see
//! every event once and in order, its record is one of the store's specification, and no write is called refused that
//! was done.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use model::actions::store::StoreAction;
use model::machine::{Machine, Now, Out, Request, Step};
use model::machines::relay::{Attachment, CallError, Input, Limits, Output, Relay, State, Timer};
use model::messages::store::{
    Event, KeyRange, KeyValue, Operation, OperationResult, StoreError, StoreRequest, StoreResponse,
    Transaction, WatchFrame, WatchRequest,
};
use specs::random::SplitMix;
use specs::specification::Acceptor;
use specs::store::StoreSpecification;

/// A watch as its receiver sees it.
struct Receiver {
    range: KeyRange,
    frames: VecDeque<WatchFrame<u8>>,
    position: Option<u64>,
}

/// What was seen in all runs: none of it may be nothing.
#[derive(Default)]
struct Seen {
    words: BTreeSet<&'static str>,
}

struct Run {
    random: SplitMix,
    relay: Relay<u8>,
    state: State<u8>,
    timers: BTreeSet<Timer>,
    /// Every event of the engine by revision; none where another wrote.
    log: BTreeMap<u64, Option<Event<u8>>>,
    keys: BTreeMap<String, KeyValue<u8>>,
    compacted: u64,
    /// How far the feed has come; `None` while it is broken.
    fed: Option<u64>,
    reached: u64,
    calls: Vec<(u64, StoreRequest<u8>)>,
    /// Values that were written, and those that somebody was told were not.
    written: BTreeSet<u8>,
    refused: BTreeSet<u8>,
    asked: BTreeMap<u64, u8>,
    receivers: BTreeMap<u64, Receiver>,
    next: u64,
    accepted: Acceptor<StoreSpecification>,
}

impl Run {
    fn begin(seed: u64) -> Self {
        let relay = Relay::new(Limits {
            history_revisions: 6,
            compaction_step: 2,
            frames: 2,
            watches: 3,
            ..Limits::default()
        });
        let mut out = Out::new();
        let found = Attachment {
            after: 0,
            revision: 1,
            events: Vec::new(),
        };
        let state = relay.start(Some(found), Now(0), &mut out);
        let began = relay.began(&state);
        let mut run = Run {
            random: SplitMix::new(seed),
            relay,
            state,
            timers: BTreeSet::new(),
            log: BTreeMap::from([(1, None)]),
            keys: BTreeMap::new(),
            compacted: 0,
            fed: Some(1),
            reached: 1,
            calls: Vec::new(),
            written: BTreeSet::new(),
            refused: BTreeSet::new(),
            asked: BTreeMap::new(),
            receivers: BTreeMap::new(),
            next: 0,
            accepted: Acceptor::new(&StoreSpecification),
        };
        run.record(&began);
        run
    }

    fn newest(&self) -> u64 {
        self.log.keys().next_back().copied().unwrap_or(1)
    }

    fn record(&mut self, actions: &[StoreAction]) {
        for action in actions {
            if !self.accepted.accept(&StoreSpecification, action) {
                panic!("{action:?}: {:#?}", self.accepted);
            }
        }
    }

    fn step(&mut self, input: Input<u8>, seen: &mut Seen) {
        let (before, mut out) = (self.state.clone(), Out::new());
        let step = self
            .relay
            .step(&mut self.state, Now(0), input.clone(), &mut out);
        match step {
            Step::Moved(actions) => self.record(&actions),
            Step::Nothing => {
                assert_eq!(before, self.state, "{input:?}");
                assert!(out.is_empty(), "{input:?}");
            }
            Step::Refused(guard) => panic!("{guard}: {input:?}"),
        }
        let requests: Vec<_> = out.drain().collect();
        for request in requests {
            match request {
                Request::Timer(timer, _) => drop(self.timers.insert(timer)),
                Request::Cancel(timer) => drop(self.timers.remove(&timer)),
                Request::Output(Output::Call { call, request }) => self.calls.push((call, request)),
                Request::Output(Output::Mark) => {
                    let revision = self.newest() + 1;
                    self.log.insert(revision, None);
                    seen.words.insert("mark");
                }
                Request::Output(Output::Answer { to, response }) => {
                    self.answered(to, response, seen)
                }
                Request::Output(Output::Frame { watch, frame }) => {
                    if let Some(receiver) = self.receivers.get_mut(&watch) {
                        receiver.frames.push_back(frame);
                    }
                }
            }
        }
    }

    fn answered(&mut self, to: u64, response: StoreResponse<u8>, seen: &mut Seen) {
        let Some(value) = self.asked.remove(&to) else {
            return;
        };
        match response {
            StoreResponse::Transaction { .. } => assert!(self.written.contains(&value)),
            StoreResponse::Failed(StoreError::Unknown { .. }) => drop(seen.words.insert("unknown")),
            StoreResponse::Failed(_) => {
                seen.words.insert("refused");
                self.refused.insert(value);
            }
            other => panic!("{other:?}"),
        }
    }

    /// The engine carries out a write.
    fn write(&mut self, key: &str, value: u8) -> StoreResponse<u8> {
        let revision = self.newest() + 1;
        let previous = self.keys.get(key).cloned();
        let now = KeyValue {
            key: key.into(),
            create_revision: previous
                .as_ref()
                .map_or(revision, |one| one.create_revision),
            mod_revision: revision,
            version: previous.as_ref().map_or(1, |one| one.version + 1),
            lease: 0,
            value: Some(value),
        };
        self.written.insert(value);
        self.keys.insert(key.to_owned(), now.clone());
        self.log
            .insert(revision, Some(Event::Put { now, previous }));
        StoreResponse::Transaction {
            revision,
            succeeded: true,
            results: vec![OperationResult::Put],
        }
    }

    fn call(&mut self, seen: &mut Seen) {
        if self.calls.is_empty() {
            return;
        }
        let at = self.random.below(self.calls.len());
        let (call, request) = self.calls.swap_remove(at);
        let fate = self.random.below(6);
        let reason = String::from("by chance");
        if fate == 0 {
            let answer = Err(CallError::Unsent { reason });
            return self.step(Input::Called { call, answer }, seen);
        }
        let response = match request {
            StoreRequest::Transaction(transaction) => match transaction.success.first() {
                Some(Operation::Put { key, value, .. }) => self.write(&key.clone(), *value),
                other => panic!("{other:?}"),
            },
            StoreRequest::Progress => StoreResponse::Done {
                revision: self.newest(),
            },
            other => panic!("{other:?}"),
        };
        let answer = match fate {
            1 => Err(CallError::Lost { reason }),
            _ => Ok(response),
        };
        self.step(Input::Called { call, answer }, seen);
    }

    /// What is fed next: whole revisions up to one.
    fn feed(&mut self, seen: &mut Seen) {
        let Some(fed) = self.fed.filter(|fed| *fed < self.newest()) else {
            return;
        };
        if fed < self.compacted {
            return self.detach(seen);
        }
        let revision = fed + 1 + self.random.below((self.newest() - fed) as usize) as u64;
        let events = self.events(fed, revision);
        self.fed = Some(revision);
        self.reached = revision;
        self.step(Input::Fed { revision, events }, seen);
    }

    fn events(&self, after: u64, through: u64) -> Vec<Event<u8>> {
        let range = self.log.range(after + 1..through + 1);
        range.filter_map(|(_, event)| event.clone()).collect()
    }

    fn detach(&mut self, seen: &mut Seen) {
        self.fed = None;
        let reason = format!("away {}", self.random.below(2));
        self.step(Input::Detached { reason }, seen);
    }

    fn attach(&mut self, seen: &mut Seen) {
        if self.fed.is_some() {
            return;
        }
        self.log.insert(self.newest() + 1, None);
        let revision = self.newest();
        let after = self.reached.max(self.compacted);
        let events = self.events(after, revision);
        (self.fed, self.reached) = (Some(revision), revision);
        self.step(
            Input::Attached(Attachment {
                after,
                revision,
                events,
            }),
            seen,
        );
    }

    fn open(&mut self, seen: &mut Seen) {
        self.next += 1;
        let watch = self.next;
        let range = match self.random.below(2) {
            0 => KeyRange::prefix("/"),
            _ => KeyRange::one("/a"),
        };
        let after =
            Some(self.random.below(self.newest() as usize + 3) as u64).filter(|after| *after > 0);
        self.receivers.insert(
            watch,
            Receiver {
                range: range.clone(),
                frames: VecDeque::new(),
                position: None,
            },
        );
        let request = WatchRequest {
            range,
            after,
            previous: self.random.below(2) == 0,
        };
        self.step(Input::Watch { watch, request }, seen);
    }

    /// A receiver takes its next frame, and holds it against what happened.
    fn take(&mut self, seen: &mut Seen) {
        let ids: Vec<u64> = self.receivers.keys().copied().collect();
        if ids.is_empty() {
            return;
        }
        let watch = ids[self.random.below(ids.len())];
        if self.random.below(12) == 0 {
            self.receivers.remove(&watch);
            return self.step(Input::Unwatch { watch }, seen);
        }
        let Some(receiver) = self.receivers.get_mut(&watch) else {
            return;
        };
        let Some(frame) = receiver.frames.pop_front() else {
            return;
        };
        let due = |after: u64, through: u64| -> Vec<(u64, String)> {
            let range = self.log.range(after + 1..through.max(after) + 1);
            range
                .filter_map(|(at, event)| Some((*at, event.as_ref()?.key().to_string())))
                .filter(|(_, key)| receiver.range.contains(key))
                .collect()
        };
        match (frame, receiver.position) {
            (WatchFrame::Started { after }, None) => receiver.position = Some(after),
            (WatchFrame::Events { revision, events }, Some(position)) => {
                seen.words.insert("events");
                let told: Vec<_> = events
                    .iter()
                    .map(|event| (event.revision(), event.key().to_string()))
                    .collect();
                assert_eq!(told, due(position, revision), "after {position}");
                assert!(revision > position);
                receiver.position = Some(revision);
            }
            (WatchFrame::Progress { revision }, Some(position)) => {
                seen.words.insert("progress");
                assert!(revision >= position);
                assert_eq!(due(position, revision), []);
                receiver.position = Some(revision);
            }
            (WatchFrame::Cancelled(error), _) => {
                seen.words.insert(match error {
                    StoreError::Behind { .. } => "behind",
                    StoreError::Compacted { .. } => "compacted",
                    StoreError::FutureRevision { .. } => "future",
                    StoreError::Unavailable { .. } => "unavailable",
                    StoreError::TooManyWatches { .. } => "too many",
                    other => panic!("{other}"),
                });
                self.receivers.remove(&watch);
                return;
            }
            (frame, position) => panic!("{frame:?} at {position:?}"),
        }
        self.step(Input::Taken { watch }, seen);
    }

    fn choose(&mut self, seen: &mut Seen) {
        match self.random.below(14) {
            0 | 1 => {
                self.next += 1;
                let (from, value) = (self.next, self.next as u8);
                self.asked.insert(from, value);
                let key = if self.random.below(2) == 0 {
                    "/a"
                } else {
                    "/b"
                };
                let put = Operation::Put {
                    key: key.into(),
                    value,
                    lease: 0,
                };
                let request = StoreRequest::Transaction(Transaction {
                    compares: vec![],
                    success: vec![put],
                    failure: vec![],
                });
                self.step(Input::Ask { from, request }, seen);
            }
            2 => {
                self.next += 1;
                let (from, request) = (self.next, StoreRequest::Progress);
                self.step(Input::Ask { from, request }, seen);
            }
            3 => drop(self.log.insert(self.newest() + 1, None)),
            4 | 5 => self.call(seen),
            6 | 7 => self.feed(seen),
            8 => match self.random.below(4) {
                0 => self.detach(seen),
                1 => {
                    self.compacted =
                        self.newest() - (self.random.below(3) as u64).min(self.newest() - 1)
                }
                _ => self.attach(seen),
            },
            9 => self.open(seen),
            10 if !self.timers.is_empty() => {
                let at = self.random.below(self.timers.len());
                if let Some(timer) = self.timers.iter().nth(at).cloned() {
                    self.timers.remove(&timer);
                    let input = self.relay.fired(timer);
                    self.step(input, seen);
                }
            }
            _ => self.take(seen),
        }
    }
}

fn walk(seed: u64, steps: usize, seen: &mut Seen) {
    let mut run = Run::begin(seed);
    for _ in 0..steps {
        run.choose(seen);
    }
    let both: Vec<_> = run.refused.intersection(&run.written).collect();
    assert!(both.is_empty(), "seed {seed}: refused and written {both:?}");
}

/// A run of the relay, for who listens to what it says.
pub fn run(seed: u64, steps: usize) {
    walk(seed, steps, &mut Seen::default());
}

#[test]
fn whatever_happens_to_the_engine_the_relay_tells_the_truth() {
    let mut seen = Seen::default();
    for seed in 0..2_000 {
        walk(seed, 150, &mut seen);
    }
    let words = [
        "behind",
        "compacted",
        "events",
        "future",
        "mark",
        "progress",
        "refused",
        "too many",
        "unavailable",
        "unknown",
    ];
    assert_eq!(seen.words, BTreeSet::from(words));
}
