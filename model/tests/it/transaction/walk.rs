//! Arbitrary interleavings of writers, lost answers and other servers: no update is lost, none is done twice,
//! a pod is bound once, and every write has one answer.

use std::collections::{BTreeMap, BTreeSet};

use model::actions::transaction::{Effect, TransactionAction as Action};
use model::machine::{Machine, Now, Out, Request, Step};
use model::machines::transaction::{
    Binding, Input, Outcome, Output, Seen, State, Timer, Transactions, Write, WriteVerb,
};
use model::messages::api::DeleteOptions;
use model::messages::store::{Key, LeaseId, StoreError, StoreResponse, Transaction};
use model::objects::key::ObjectKey;
use model::objects::kinds;
use model::objects::status::Reason;
use proptest::prelude::*;

use super::objects::{Change, Thing, Things};
use super::store::Store;

#[derive(Clone, Debug)]
enum Happening {
    Create(usize),
    Add(usize, View),
    Bind(usize, u8),
    Delete(usize, Option<i64>),
    DeleteNamespace,
    /// The store answers the nth question.
    Answer(usize),
    /// The answer to the nth question is lost with its connection; whether the store has carried it out.
    Lose(usize, bool),
    /// The nth question cannot be sent.
    Unsent(usize),
    /// The store does not know what becomes of the nth question.
    Doubt(usize, Late),
    /// What the store did not know of is carried out after all.
    Arrive,
    /// Another server adds a thousand.
    Outside(usize),
    /// An event is created, or counted up.
    Event(usize, bool),
    /// The store grants a lease, or nobody knows whether it did.
    Grant(bool),
    /// The lease was used for as long as it may be.
    Used,
    /// The nth lease ends, and what goes with it.
    End(usize),
}

/// How the cache has an object.
#[derive(Clone, Copy, Debug)]
enum View {
    Fresh,
    /// As it was before its last write.
    Stale,
    /// Not at all.
    Absent,
}

#[derive(Clone, Copy, Debug)]
enum Late {
    Done,
    Never,
    Later,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        3 => (0..3usize).prop_map(Happening::Create),
        5 => (0..3usize, prop_oneof![Just(View::Fresh), Just(View::Stale), Just(View::Absent)])
            .prop_map(|(which, view)| Happening::Add(which, view)),
        2 => (0..3usize, 0..3u8).prop_map(|(which, node)| Happening::Bind(which, node)),
        2 => (0..3usize, prop::option::of(0..40i64)).prop_map(|(which, grace)| Happening::Delete(which, grace)),
        1 => Just(Happening::DeleteNamespace),
        10 => (0..6usize).prop_map(Happening::Answer),
        3 => (0..6usize, any::<bool>()).prop_map(|(which, done)| Happening::Lose(which, done)),
        2 => (0..6usize).prop_map(Happening::Unsent),
        1 => (0..6usize, prop_oneof![Just(Late::Done), Just(Late::Never), Just(Late::Later)])
            .prop_map(|(which, late)| Happening::Doubt(which, late)),
        1 => Just(Happening::Arrive),
        1 => (0..3usize).prop_map(Happening::Outside),
        5 => (0..3usize, any::<bool>()).prop_map(|(which, counted)| Happening::Event(which, counted)),
        3 => prop::bool::weighted(0.8).prop_map(Happening::Grant),
        1 => Just(Happening::Used),
        1 => (0..3usize).prop_map(Happening::End),
    ]
}

struct World {
    machine: Transactions<Things>,
    state: State<Thing, Change>,
    store: Store,
    asked: BTreeMap<u64, Transaction<Thing>>,
    /// What is still on its way to where it is carried out.
    late: Vec<(u64, Transaction<Thing>)>,
    /// Whether anything was: who wrote what cannot be told then.
    tardy: bool,
    /// Which write made a revision.
    writers: BTreeMap<u64, u64>,
    granting: Option<(LeaseId, u32)>,
    /// What the verb of an unanswered write is.
    open: BTreeMap<u64, &'static str>,
    /// How often each UID was incremented, as the answers and the other server say.
    added: BTreeMap<String, i64>,
    bound: BTreeMap<String, String>,
    unknown: u32,
    /// How often the answer to each write was lost.
    lost: BTreeMap<u64, u32>,
    writes: u64,
    now: u64,
}

fn pod(which: usize) -> ObjectKey {
    ObjectKey::new(kinds::pods(), "d", ["a", "b", "c"][which])
}

fn event(which: usize) -> ObjectKey {
    ObjectKey::new(kinds::events(), "d", ["a", "b", "c"][which])
}

fn namespace() -> ObjectKey {
    ObjectKey::new(kinds::namespaces(), "", "d")
}

fn thing(key: &ObjectKey) -> Thing {
    let mut thing = Thing::default();
    thing.meta.name.clone_from(&key.name);
    thing.meta.namespace.clone_from(&key.namespace);
    thing
}

impl World {
    fn new() -> Self {
        let machine = Transactions {
            strategy: Things,
            ttl_seconds: 3600,
        };
        let state = machine.start(None, Now(0), &mut Out::new());
        let mut store = Store::default();
        let mut of = thing(&namespace());
        of.held = true;
        store.put(namespace().path().into(), of);
        World {
            machine,
            state,
            store,
            asked: BTreeMap::new(),
            late: Vec::new(),
            tardy: false,
            writers: BTreeMap::new(),
            granting: None,
            open: BTreeMap::new(),
            added: BTreeMap::new(),
            bound: BTreeMap::new(),
            unknown: 0,
            lost: BTreeMap::new(),
            writes: 0,
            now: 0,
        }
    }

    fn step(&mut self, input: Input<Thing, Change>) {
        self.now += 1000;
        let late = matches!(input, Input::LeaseUsed);
        let mut out = Out::new();
        match self
            .machine
            .step(&mut self.state, Now(self.now), input, &mut out)
        {
            Step::Moved(actions) => actions.into_iter().for_each(|action| self.note(action)),
            // A lease that was used up may be none any more.
            Step::Nothing if late => {}
            other => panic!("{other:?}"),
        }
        let outputs: Vec<_> = out.drain().collect();
        for request in outputs {
            let Request::Output(output) = request else {
                continue;
            };
            match output {
                Output::Grant { lease, ttl_seconds } => {
                    let granting = self.granting.replace((lease, ttl_seconds));
                    assert_eq!(granting, None, "one lease at a time");
                }
                Output::Ask { id, transaction } => {
                    assert!(self.open.contains_key(&id));
                    assert!(
                        self.asked.insert(id, transaction).is_none(),
                        "one question at a time"
                    );
                }
                Output::Answer { id, result } => {
                    let verb = self.open.remove(&id).expect("one answer a write");
                    if let Ok(written) = &result
                        && verb == "add"
                        && written.outcome == Outcome::Updated
                    {
                        *self
                            .added
                            .entry(written.value.meta.uid.clone())
                            .or_default() += 1;
                    }
                    if let Err(status) = result {
                        assert_ne!(
                            (verb, status.reason),
                            ("add", Reason::Conflict),
                            "patches do not conflict"
                        );
                        self.unknown +=
                            u32::from(status.reason == Reason::InternalError && verb != "create");
                    }
                }
            }
        }
    }

    fn note(&mut self, action: Action) {
        let Action::Committed {
            id,
            uid,
            revision,
            effect,
            ..
        } = action
        else {
            return;
        };
        let writer = self.writers.get(&revision).copied();
        assert!(
            self.tardy || writer == Some(id),
            "{id} is said to have made revision {revision}, which {writer:?} made"
        );
        if let Effect::Bound { node } = effect {
            let before = self.bound.insert(uid, node);
            assert_eq!(before, None, "nodeName is set once for a UID");
        }
    }

    fn submit(&mut self, name: &'static str, key: ObjectKey, verb: WriteVerb<Change>, view: View) {
        self.writes += 1;
        let id = self.writes;
        self.open.insert(id, name);
        let seen = |key: &ObjectKey| {
            let path = key.path();
            let before = self.store.before.get(path.as_str());
            let now = self.store.objects.get(path.as_str());
            let found = match view {
                View::Fresh => now,
                View::Stale => before.or(now),
                View::Absent => None,
            };
            found.map_or(Seen::Absent, |(revision, value)| Seen::Present {
                revision: *revision,
                value: value.clone(),
            })
        };
        let input = Input::Submit {
            id,
            object: seen(&key),
            namespace: seen(&namespace()),
            write: Write {
                key,
                verb,
                dry_run: false,
            },
            uid: format!("u{id}"),
            random: id,
        };
        self.step(input);
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Create(which) => {
                let key = pod(which);
                let verb = WriteVerb::Create(Change::Whole(thing(&key)));
                self.submit("create", key, verb, View::Fresh);
            }
            Happening::Add(which, view) => {
                self.submit(
                    "add",
                    pod(which),
                    WriteVerb::Patch(None, Change::Add(1)),
                    view,
                );
            }
            Happening::Bind(which, node) => {
                let binding = Binding {
                    node: format!("n{node}"),
                    ..Binding::default()
                };
                self.submit("bind", pod(which), WriteVerb::Bind(binding), View::Fresh);
            }
            Happening::Delete(which, grace) => {
                let options = DeleteOptions {
                    grace_period_seconds: grace,
                    ..DeleteOptions::default()
                };
                self.submit(
                    "delete",
                    pod(which),
                    WriteVerb::Delete(options),
                    View::Fresh,
                );
            }
            Happening::DeleteNamespace => {
                self.submit(
                    "delete",
                    namespace(),
                    WriteVerb::Delete(DeleteOptions::default()),
                    View::Fresh,
                );
            }
            Happening::Answer(nth) => {
                if let Some((id, transaction)) = self.question(nth) {
                    let response = self.store_does(id, transaction);
                    self.step(Input::Stored { id, response });
                }
            }
            Happening::Lose(nth, done) => {
                if let Some((id, transaction)) = self.question(nth) {
                    if done {
                        self.store_does(id, transaction);
                    }
                    self.step(Input::Lost { id });
                }
            }
            Happening::Unsent(nth) => {
                if let Some((id, _)) = self.question(nth) {
                    self.step(Input::Unsent { id });
                }
            }
            Happening::Doubt(nth, late) => {
                if let Some((id, transaction)) = self.question(nth) {
                    match late {
                        Late::Done => drop(self.store_does(id, transaction)),
                        Late::Never => {}
                        Late::Later => {
                            self.late.push((id, transaction));
                            self.tardy = true;
                        }
                    }
                    let reason = "the engine gave no answer".to_owned();
                    let response = StoreResponse::Failed(StoreError::Unknown { reason });
                    self.step(Input::Stored { id, response });
                }
            }
            Happening::Arrive => {
                if let Some((id, transaction)) = self.late.pop() {
                    self.store_does(id, transaction);
                }
            }
            Happening::Event(which, counted) => {
                let key = event(which);
                let (name, verb) = match counted {
                    true => ("count", WriteVerb::Patch(None, Change::Add(1))),
                    false => ("create", WriteVerb::Create(Change::Whole(thing(&key)))),
                };
                self.submit(name, key, verb, View::Fresh);
            }
            Happening::Grant(told) => {
                if let Some((lease, ttl_seconds)) = self.granting.take() {
                    let granted = self.store.grant(lease, ttl_seconds);
                    let answer = told.then_some(granted);
                    self.step(Input::Granted { lease, answer });
                }
            }
            Happening::Used => self.step(self.machine.fired(Timer::Lease)),
            Happening::End(nth) => {
                let lease = self.store.leases.keys().nth(nth).copied();
                lease.into_iter().for_each(|lease| self.store.end(lease));
            }
            Happening::Outside(which) => {
                let path: Key = pod(which).path().into();
                if let Some((_, mut thing)) = self.store.objects.get(&path).cloned() {
                    thing.spec += 1000;
                    *self.added.entry(thing.meta.uid.clone()).or_default() += 1000;
                    self.store.put(path, thing);
                }
            }
        }
    }

    fn store_does(&mut self, id: u64, transaction: Transaction<Thing>) -> StoreResponse<Thing> {
        let pods = |store: &Store| store.pods().count();
        let (before, revision) = (pods(&self.store), self.store.revision);
        let response = self.store.carry_out(transaction);
        if self.store.revision > revision {
            self.writers.insert(self.store.revision, id);
        }
        let of = self.store.objects.get(namespace().path().as_str());
        if pods(&self.store) > before {
            let (_, of) = of.expect("nothing is created in a namespace that is gone");
            assert!(
                !of.meta.deleting(),
                "nothing is created in a namespace that is terminating"
            );
        }
        response
    }

    /// Whether the answer to a question may be lost without anybody having to give up: a write, not lost too often.
    fn may_lose(&mut self, nth: usize) -> bool {
        let Some((id, transaction)) = self.question(nth) else {
            return false;
        };
        let write = !transaction.compares.is_empty();
        self.asked.insert(id, transaction);
        let lost = self.lost.entry(id).or_default();
        *lost += 1;
        write && *lost < 8
    }

    /// Everything that is asked is answered, until nothing is asked any more.
    fn come_to_rest(&mut self) {
        while !self.asked.is_empty() || self.granting.is_some() {
            self.happen(Happening::Grant(true));
            self.happen(Happening::Answer(0));
        }
    }

    fn question(&mut self, nth: usize) -> Option<(u64, Transaction<Thing>)> {
        let ids: Vec<u64> = self.asked.keys().copied().collect();
        let id = *ids.get(nth.checked_rem(ids.len())?)?;
        Some((id, self.asked.remove(&id)?))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

    #[test]
    fn writes_are_done_once_and_none_is_lost(happenings in prop::collection::vec(happening(), 0..100)) {
        let mut world = World::new();
        for happening in happenings {
            world.happen(happening);
        }
        world.come_to_rest();
        let leased: BTreeSet<&Key> = world.store.leases.values().flatten().collect();
        let events = world.store.objects.keys().filter(|key| key.contains("/events/"));
        prop_assert!(events.eq(leased), "what expires goes with a lease, and nothing else does");
        prop_assert!(world.open.is_empty(), "every write is answered: {:?}", world.open);
        prop_assert!(world.state.is_empty());
        for (revision, thing) in world.store.pods() {
            prop_assert!(*revision <= world.store.revision);
            let added = world.added.get(&thing.meta.uid).copied().unwrap_or(0);
            let missing = thing.spec - added;
            prop_assert!(
                (0..=i64::from(world.unknown)).contains(&missing),
                "{} was incremented {added} times, of which {} are not known", thing.line(), world.unknown
            );
            prop_assert_eq!(world.bound.get(&thing.meta.uid).cloned().unwrap_or_default() == thing.node
                || world.unknown > 0 || !thing.node.is_empty(), true);
            if thing.meta.generation > 0 {
                let deleting = i64::from(thing.meta.deleting());
                // The other server of this test does not count generations.
                prop_assert!(thing.meta.generation <= 1 + thing.spec + deleting);
            }
        }
    }

    /// A store that ends and comes back is a pause: who patches, binds or deletes is never told that nobody knows.
    #[test]
    fn a_lost_connection_is_a_pause(happenings in prop::collection::vec(happening(), 0..100)) {
        let mut world = World::new();
        for happening in happenings {
            match happening {
                Happening::Unsent(_)
                | Happening::Doubt(..)
                | Happening::Outside(_)
                | Happening::End(_) => continue,
                Happening::Lose(nth, _) if !world.may_lose(nth) => continue,
                _ => world.happen(happening),
            }
            prop_assert_eq!(world.unknown, 0);
        }
        world.come_to_rest();
        prop_assert_eq!(world.unknown, 0);
        for (_, thing) in world.store.pods() {
            prop_assert_eq!(thing.spec, world.added.get(&thing.meta.uid).copied().unwrap_or(0));
        }
    }
}
