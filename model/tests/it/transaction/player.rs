//! Scenario files of the write path.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use model::machine::{Machine, Now, Out, Request, Step};
use model::machines::transaction::{
    Binding, Input, Output, Seen, State, Timer, Transactions, Write, WriteVerb,
};
use model::messages::api::{DeleteOptions, Propagation};
use model::messages::store::{Key, LeaseId, Operation, StoreError, StoreResponse, Transaction};
use model::objects::key::{GroupResource, ObjectKey};
use model::objects::kinds;

use crate::scenario::{self, Player, variant};

use super::objects::{Change, Thing, Things};
use super::store::Store;

/// The commands:
///
/// ```text
/// submit ID create|update|patch|delete|bind RESOURCE/[NAMESPACE/]NAME [OPTION …]
///    spec=N rv=N uid=U finalizers=a,b generate=PREFIX node=N create, update
///    add=N | release=FINALIZER | let-go                      patch
///    grace=N uid=U rv=N propagation=orphan|foreground        delete
///    node=N uid=U                                            bind
///    dry-run  behind (the cache has nothing of what it concerns)  stale (it has it as it was before its last write)
///    size=N                                                  create, of an object that expires
/// store ID            the store carries out what was asked for ID, and answers
/// grant | deny | unknown-grant | lose-grant        the store, or nobody, answers the question for a lease
/// end L               the store ends a lease
/// late-grant L        an answer to an earlier question for a lease
/// used                the lease was used for as long as it may be
/// ttl SECONDS         how long what expires lives; an hour otherwise
/// lose ID [done]      the answer is lost; done: the store had carried it out
/// unsent ID | full ID | unsure ID | busy ID | too-large ID | away ID
/// outside KEY N       another server writes spec N
/// gone KEY            another server deletes it
/// show                what is stored
/// at MS               the time
/// ```
struct TransactionPlayer {
    machine: Transactions<Things>,
    state: State<Thing, Change>,
    store: Store,
    asked: BTreeMap<u64, Transaction<Thing>>,
    grants: Vec<(LeaseId, u32)>,
    /// Names of leases in the order in which they were asked for: L1, L2, …
    leases: Vec<LeaseId>,
    now: Now,
    transitions: Rc<RefCell<BTreeSet<String>>>,
}

fn key(text: &str) -> Result<ObjectKey, String> {
    let parts: Vec<&str> = text.split('/').collect();
    let (resource, group) = parts[0].split_once('.').unwrap_or((parts[0], ""));
    let resource = GroupResource::new(group, resource);
    match parts[1..] {
        [name] => Ok(ObjectKey::new(resource, "", name)),
        [namespace, name] => Ok(ObjectKey::new(resource, namespace, name)),
        _ => Err(format!("{text} is no key")),
    }
}

struct Options<'a>(&'a [&'a str]);

impl<'a> Options<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        self.0
            .iter()
            .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }

    fn text(&self, name: &str) -> String {
        self.get(name).unwrap_or_default().to_owned()
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.get(name)?.parse().ok()
    }

    fn thing(&self, key: &ObjectKey) -> Thing {
        let mut thing = Thing {
            spec: self.number("spec").unwrap_or(0),
            node: self.text("node"),
            size: self.number("size").unwrap_or(1) as u64,
            ..Thing::default()
        };
        let meta = &mut thing.meta;
        meta.name.clone_from(&key.name);
        meta.namespace.clone_from(&key.namespace);
        meta.resource_version = self.text("rv");
        meta.uid = self.text("uid");
        meta.generate_name = self.text("generate");
        if let Some(name) = self.get("name") {
            name.clone_into(&mut meta.name);
        }
        if let Some(finalizers) = self.get("finalizers") {
            meta.finalizers = finalizers.split(',').map(str::to_owned).collect();
        }
        thing
    }

    fn verb(&self, verb: &str, key: &ObjectKey) -> Result<WriteVerb<Change>, String> {
        Ok(match verb {
            "create" => WriteVerb::Create(Change::Whole(self.thing(key))),
            "update" => WriteVerb::Update(None, Change::Whole(self.thing(key))),
            "patch" => WriteVerb::Patch(
                None,
                match (self.number("add"), self.get("release")) {
                    (Some(more), _) => Change::Add(more),
                    (_, Some(finalizer)) => Change::Release(finalizer.to_owned()),
                    _ => Change::LetGo,
                },
            ),
            "delete" => WriteVerb::Delete(DeleteOptions {
                grace_period_seconds: self.number("grace"),
                uid: self.get("uid").map(str::to_owned),
                resource_version: self.get("rv").map(str::to_owned),
                propagation: self.get("propagation").map(|text| match text {
                    "orphan" => Propagation::Orphan,
                    "foreground" => Propagation::Foreground,
                    _ => Propagation::Background,
                }),
                dry_run: false,
            }),
            "bind" => WriteVerb::Bind(Binding {
                node: self.text("node"),
                uid: self.text("uid"),
                resource_version: self.text("rv"),
            }),
            other => return Err(format!("what is {other}?")),
        })
    }
}

impl TransactionPlayer {
    fn step(&mut self, input: Input<Thing, Change>) -> String {
        let (word, mut out) = (variant(&input), Out::new());
        let step = self
            .machine
            .step(&mut self.state, self.now, input, &mut out);
        let mut lines = Vec::new();
        let outcome = match step {
            Step::Moved(actions) => {
                lines.extend(
                    actions
                        .iter()
                        .map(|action| crate::shorthand::shorten(&format!("{action:?}"))),
                );
                actions.iter().map(variant).collect::<Vec<_>>().join(" ")
            }
            Step::Nothing => "nothing".to_owned(),
            Step::Refused(guard) => format!("refused: {guard}"),
        };
        if lines.is_empty() {
            lines.push(outcome.clone());
        }
        self.transitions
            .borrow_mut()
            .insert(format!("{word} | {outcome}"));
        for request in out.drain() {
            match request {
                Request::Output(output) => self.carry_out(output, &mut lines),
                Request::Timer(timer, after_ms) => {
                    lines.push(format!("-> {timer:?} in {after_ms} ms"));
                }
                Request::Cancel(timer) => lines.push(format!("-> no {timer:?}")),
            }
        }
        self.named(&lines.join("\n"))
    }

    fn carry_out(&mut self, output: Output<Thing>, lines: &mut Vec<String>) {
        match output {
            Output::Ask { id, transaction } => {
                lines.push(format!("-> asks for {id}: {}", asked(&transaction)));
                self.asked.insert(id, transaction);
            }
            Output::Grant { lease, ttl_seconds } => {
                self.leases.push(lease);
                self.grants.push((lease, ttl_seconds));
                lines.push(format!("-> asks for lease {lease} of {ttl_seconds} s"));
            }
            Output::Answer {
                id,
                result: Ok(written),
            } => lines.push(format!(
                "-> answers {id}: {:?} at {}: {}",
                written.outcome,
                written.revision,
                written.value.line()
            )),
            Output::Answer {
                id,
                result: Err(status),
            } => {
                lines.push(format!(
                    "-> answers {id}: {:?}: {}",
                    status.reason, status.message
                ));
                for cause in &status.details.causes {
                    lines.push(format!(
                        "   {}: {}: {}",
                        cause.reason, cause.field, cause.message
                    ));
                }
            }
        }
    }

    /// A text with the leases' names as people say them.
    fn named(&self, text: &str) -> String {
        let leases = self.leases.iter().enumerate();
        leases.fold(text.to_owned(), |text, (at, lease)| {
            let name = format!("L{}", at + 1);
            text.replace(&lease.to_string(), &name)
                .replace(&format!("{lease:016x}"), &name)
        })
    }

    fn grant(
        &mut self,
        answer: impl FnOnce(&mut Store, LeaseId, u32) -> Option<StoreResponse<Thing>>,
    ) -> Result<String, String> {
        let (lease, ttl_seconds) = self.grants.pop().ok_or("no lease was asked for")?;
        let answer = answer(&mut self.store, lease, ttl_seconds);
        Ok(self.step(Input::Granted { lease, answer }))
    }

    fn lease(&self, name: &str) -> Result<LeaseId, String> {
        let at = number(name.trim_start_matches('L'))? as usize;
        let lease = self.leases.get(at.wrapping_sub(1)).copied();
        lease.ok_or_else(|| format!("{name} was not asked for"))
    }

    fn seen(&self, path: &str, stale: bool) -> Seen<Thing> {
        let before = self.store.before.get(path).filter(|_| stale);
        match before.or_else(|| self.store.objects.get(path)) {
            Some((revision, thing)) => Seen::Present {
                revision: *revision,
                value: thing.clone(),
            },
            None => Seen::Absent,
        }
    }

    fn submit(&mut self, id: u64, verb: &str, at: &str, words: &[&str]) -> Result<String, String> {
        let (key, options) = (key(at)?, Options(words));
        let namespace = ObjectKey::new(kinds::namespaces(), "", &key.namespace);
        let (behind, stale) = (words.contains(&"behind"), words.contains(&"stale"));
        let seen = |path: &str| {
            if behind {
                Seen::Absent
            } else {
                self.seen(path, stale)
            }
        };
        let input = Input::Submit {
            id,
            object: seen(&key.path()),
            namespace: seen(&namespace.path()),
            write: Write {
                verb: options.verb(verb, &key)?,
                dry_run: words.contains(&"dry-run"),
                key,
            },
            uid: format!("u{id}"),
            random: id,
        };
        Ok(self.step(input))
    }

    fn taken(&mut self, id: u64) -> Result<Transaction<Thing>, String> {
        self.asked
            .remove(&id)
            .ok_or_else(|| format!("nothing was asked for {id}"))
    }
}

fn asked(transaction: &Transaction<Thing>) -> String {
    if transaction.compares.is_empty() {
        return "read".to_owned();
    }
    let compares: Vec<String> = transaction
        .compares
        .iter()
        .map(|one| format!("{} is {:?}", one.key, one.operand))
        .collect();
    let operation = &transaction.success[0];
    let with = match operation {
        Operation::Put { lease, .. } if *lease != 0 => format!(" with {lease}"),
        _ => String::new(),
    };
    format!("{}{with} if {}", variant(operation), compares.join(" and "))
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}

impl Player for TransactionPlayer {
    fn play(&mut self, command: &str) -> Result<String, String> {
        let words: Vec<&str> = command.split_whitespace().collect();
        match words[..] {
            ["submit", id, verb, at, ref options @ ..] => {
                self.submit(number(id)?, verb, at, options)
            }
            ["store", id] => {
                let id = number(id)?;
                let transaction = self.taken(id)?;
                let response = self.store.carry_out(transaction);
                Ok(self.step(Input::Stored { id, response }))
            }
            [
                word @ ("full" | "unsure" | "busy" | "too-large" | "away"),
                id,
            ] => {
                let id = number(id)?;
                self.taken(id)?;
                let reason = "the engine gave no answer".to_owned();
                let response = StoreResponse::Failed(match word {
                    "full" => StoreError::NoSpace { bytes: 9 },
                    "unsure" => StoreError::Unknown { reason },
                    "busy" => StoreError::Busy,
                    "too-large" => StoreError::RequestTooLarge { bytes: 9, limit: 8 },
                    _ => StoreError::Unavailable { reason },
                });
                Ok(self.step(Input::Stored { id, response }))
            }
            ["lose", id, ref done @ ..] => {
                let id = number(id)?;
                let transaction = self.taken(id)?;
                if done == ["done"] {
                    self.store.carry_out(transaction);
                }
                Ok(self.step(Input::Lost { id }))
            }
            ["unsent", id] => {
                let id = number(id)?;
                self.taken(id)?;
                Ok(self.step(Input::Unsent { id }))
            }
            ["grant"] => self.grant(|store, lease, ttl| Some(store.grant(lease, ttl))),
            ["deny"] => {
                let error = StoreError::TooManyLeases { limit: 9 };
                self.grant(|_, _, _| Some(StoreResponse::Failed(error)))
            }
            ["unknown-grant"] => {
                let reason = "the engine gave no answer".to_owned();
                let error = StoreError::Unknown { reason };
                self.grant(|_, _, _| Some(StoreResponse::Failed(error)))
            }
            ["lose-grant"] => self.grant(|_, _, _| None),
            ["late-grant", lease] => {
                let lease = self.lease(lease)?;
                let answer = None;
                Ok(self.step(Input::Granted { lease, answer }))
            }
            ["end", lease] => {
                let lease = self.lease(lease)?;
                self.store.end(lease);
                Ok(String::new())
            }
            ["used"] => Ok(self.step(self.machine.fired(Timer::Lease))),
            ["ttl", seconds] => {
                self.machine.ttl_seconds = number(seconds)? as u32;
                Ok(String::new())
            }
            ["late", id] => Ok(self.step(Input::Lost { id: number(id)? })),
            ["outside", at, spec] => {
                let key = key(at)?;
                let path: Key = key.path().into();
                let found = self
                    .store
                    .objects
                    .get(&path)
                    .map(|(_, thing)| thing.clone());
                let mut thing = found.unwrap_or_else(|| Options(&[]).thing(&key));
                thing.spec = number(spec)? as i64;
                self.store.put(path, thing);
                Ok(String::new())
            }
            ["gone", at] => {
                let path: Key = key(at)?.path().into();
                self.store.remove(&path).ok_or("it is not there")?;
                Ok(String::new())
            }
            ["show"] => {
                let lines = self.store.objects.iter();
                let lines = lines.map(|(key, (revision, thing))| {
                    format!("{key} at {revision}: {}", thing.line())
                });
                Ok(lines.collect::<Vec<_>>().join("\n"))
            }
            ["at", ms] => {
                self.now = Now(number(ms)?);
                Ok(String::new())
            }
            _ => Err(format!("what is {command}?")),
        }
    }
}

#[test]
fn scenarios_and_transitions() {
    let transitions = Rc::new(RefCell::new(BTreeSet::new()));
    scenario::play_all("transaction", || {
        let machine = Transactions {
            strategy: Things,
            ttl_seconds: 3600,
        };
        let state = machine.start(None, Now(0), &mut Out::new());
        let mut store = Store::default();
        let namespace = ObjectKey::new(kinds::namespaces(), "", "d");
        let mut thing = Options(&[]).thing(&namespace);
        thing.held = true;
        store.put(namespace.path().into(), thing);
        TransactionPlayer {
            machine,
            state,
            store,
            asked: BTreeMap::new(),
            grants: Vec::new(),
            leases: Vec::new(),
            now: Now(0),
            transitions: transitions.clone(),
        }
    });
    let rows: Vec<String> = transitions.borrow().iter().cloned().collect();
    insta::assert_snapshot!(rows.join("\n"));
}
