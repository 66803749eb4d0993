//! Scenarios of the controllers that look at metadata: garbage collector, namespaces, service accounts, pods of
//! gone nodes. One player for all: objects in short form, answers, timers.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use model::machine::{Machine, Now, Out, Request};
use model::machines::controller::{Answer, Controller, Input, Output, Reconcile, State};
use model::machines::garbage_collector::GarbageCollector;
use model::machines::namespace::Namespaces;
use model::machines::pod_gc::PodGc;
use model::machines::reflector::Delivery;
use model::machines::serviceaccount::ServiceAccounts;
use model::messages::api::Verb;
use model::objects::key::{GroupResource, ObjectKey};
use model::objects::kinds;
use model::objects::object::Object;
use model::objects::status::{Cause, Reason, Status};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::scenario::{self, Player, Rig};
use crate::shorthand::{self, Words};

struct CollectingPlayer<R: Reconcile> {
    reconcile: R,
    rig: Rig<Controller<R>>,
    revision: u64,
    transitions: Rc<RefCell<BTreeSet<String>>>,
}

fn phase<R: Reconcile>(state: &State<R>) -> String {
    match (state.working(), state.waiting()) {
        (0, 0) => "idle".to_owned(),
        (0, _) => "waiting".to_owned(),
        _ => "working".to_owned(),
    }
}

fn resource(word: &str) -> Result<GroupResource, String> {
    let found = kinds::KINDS.iter().find(|kind| kind.singular == word);
    found
        .map(|kind| kind.resource())
        .ok_or_else(|| format!("unknown kind {word}"))
}

/// `pod d/a`, `node n1`.
fn key(kind: &str, name: &str) -> Result<ObjectKey, String> {
    let (namespace, name) = name.split_once('/').unwrap_or(("", name));
    Ok(ObjectKey::new(resource(kind)?, namespace, name))
}

/// An owner reference `kind:name:uid`, with `!` at its end if it blocks.
fn owner(text: &str) -> Value {
    let (text, blocks) = text
        .strip_suffix('!')
        .map_or((text, false), |text| (text, true));
    let parts: Vec<&str> = text.split(':').collect();
    let kind = kinds::KINDS.iter().find(|kind| kind.singular == parts[0]);
    json!({
        "apiVersion": kind.map_or("example.com/v1".to_owned(), |kind| kind.api_version()),
        "kind": kind.map_or(parts[0], |kind| kind.kind),
        "name": parts[1], "uid": parts[2], "blockOwnerDeletion": blocks,
    })
}

fn body(key: &ObjectKey, revision: u64, words: &Words<'_>) -> Value {
    let mut metadata = json!({ "name": key.name, "namespace": key.namespace, "resourceVersion": revision.to_string(),
        "uid": words.get("uid").unwrap_or(&key.name) });
    if let Some(owners) = words.get("owners") {
        metadata["ownerReferences"] = owners.split(',').map(owner).collect();
    }
    if let Some(finalizers) = words.get("finalizers") {
        metadata["finalizers"] = finalizers.split(',').collect();
    }
    if words.has("deleting") {
        metadata["deletionTimestamp"] = json!("1970-01-01T00:00:01Z");
    }
    let mut body = json!({ "metadata": metadata, "spec": {} });
    if key.resource == kinds::namespaces() {
        body["spec"]["finalizers"] = words
            .get("held")
            .map_or(json!(["kubernetes"]), |held| json!([held]));
    }
    if let Some(node) = words.get("node") {
        body["spec"]["nodeName"] = json!(node);
    }
    body
}

impl<R: Reconcile> CollectingPlayer<R> {
    fn inputs(&mut self, line: &str) -> Result<Vec<Input<R>>, String> {
        let words = Words::of(line);
        self.revision += 1;
        let revision = words.int("at").map_or(self.revision, |at| at as u64);
        let seen = |key: ObjectKey| -> Result<_, String> {
            let body = body(&key, revision, &words);
            let object =
                shorthand::object(&key.resource, &key.namespace, &key.name, revision, &body);
            let view = self
                .reconcile
                .read(&object)
                .map_err(|error| error.to_string())?;
            Ok((key.resource, shorthand::item(object, view)))
        };
        Ok(match words.at(0)? {
            "listed" => {
                let resources = self.reconcile.resources().into_iter();
                resources
                    .map(|resource| Input::Seen(resource, shorthand::empty(revision)))
                    .collect()
            }
            // list KIND NAME …: the kind's list, with this one object. list-rest KIND: the other kinds' lists, empty.
            "list" => {
                let (resource, item) = seen(key(words.at(1)?, words.at(2)?)?)?;
                vec![Input::Seen(
                    resource,
                    Delivery::Replace {
                        revision,
                        items: vec![item],
                    },
                )]
            }
            "list-rest" => {
                let listed = resource(words.at(1)?)?;
                let rest = self
                    .reconcile
                    .resources()
                    .into_iter()
                    .filter(|other| *other != listed);
                rest.map(|resource| Input::Seen(resource, shorthand::empty(revision)))
                    .collect()
            }
            "see" => {
                let (resource, item) = seen(key(words.at(1)?, words.at(2)?)?)?;
                vec![Input::Seen(resource, Delivery::Apply(item))]
            }
            "gone" => {
                let (resource, item) = seen(key(words.at(1)?, words.at(2)?)?)?;
                vec![Input::Seen(resource, Delivery::Delete(item))]
            }
            // answer KIND NAME INDEX ok@REVISION|lost|REASON … [live=KIND:NAME uid=…] [cause=REASON]
            "answer" => {
                let about = words.get("live").map(|live| -> Result<Object, String> {
                    let (kind, name) = live.split_once(':').ok_or("live=KIND:NAME")?;
                    let key = key(kind, name)?;
                    let body = body(&key, revision, &words);
                    Ok(shorthand::object(
                        &key.resource,
                        &key.namespace,
                        &key.name,
                        revision,
                        &body,
                    ))
                });
                let mut answer = shorthand::answer(&words.plain[4..], about.transpose()?)?;
                if let (Answer::Failed(status), Some(cause)) = (&mut answer, words.get("cause")) {
                    status.details.causes.push(Cause {
                        reason: cause.to_owned(),
                        ..Cause::default()
                    });
                }
                let key = key(words.at(1)?, words.at(2)?)?;
                vec![Input::Answered(key, words.number(3)? as u32, answer)]
            }
            // answers KIND NAME COUNT ok@REVISION: the same for the whole batch.
            "answers" => {
                let answer = shorthand::answer(&words.plain[4..], None)?;
                let key = key(words.at(1)?, words.at(2)?)?;
                (0..words.number(3)? as u32)
                    .map(|index| Input::Answered(key.clone(), index, answer.clone()))
                    .collect()
            }
            other => return Err(format!("unknown command {other}")),
        })
    }
}

impl<R: Reconcile> Player for CollectingPlayer<R> {
    fn play(&mut self, command: &str) -> Result<String, String> {
        let mut answers = Vec::new();
        for line in command.lines() {
            if let Some(rest) = line.strip_prefix("fire ") {
                let words = Words::of(rest);
                let timer = format!("{}({:?})", words.at(0)?, key(words.at(1)?, words.at(2)?)?);
                answers.push(self.rig.fire(phase, &timer)?);
                continue;
            }
            for input in self.inputs(line)? {
                answers.push(self.rig.step(phase, input));
            }
        }
        self.transitions.borrow_mut().extend(self.rig.transitions());
        let answers = shorthand::shorten(&answers.join("\n"));
        // The actions tell what was asked; the outputs tell it with the bodies.
        let told = |line: &&str| !line.starts_with("Saw ") && !line.starts_with("Asked ");
        Ok(answers.lines().filter(told).collect::<Vec<_>>().join("\n"))
    }
}

fn play<R: Reconcile>(name: &str, reconcile: R) -> String {
    let transitions = Rc::new(RefCell::new(BTreeSet::new()));
    scenario::play_all(name, || CollectingPlayer {
        reconcile: reconcile.clone(),
        rig: Rig::new(Controller::new(reconcile.clone())).0,
        revision: 0,
        transitions: transitions.clone(),
    });
    let rows: Vec<String> = transitions.borrow().iter().cloned().collect();
    rows.join("\n")
}

#[test]
fn garbage_collector() {
    insta::assert_snapshot!(play("garbage_collector", GarbageCollector));
}

#[test]
fn namespace() {
    insta::assert_snapshot!(play("namespace", Namespaces));
}

#[test]
fn serviceaccount() {
    insta::assert_snapshot!(play("serviceaccount", ServiceAccounts));
}

#[test]
fn pod_gc() {
    insta::assert_snapshot!(play("pod_gc", PodGc));
}

/// What there really is: by key, with UID, owner and revision.
type Truth = BTreeMap<ObjectKey, (u64, Option<u64>, u64)>;

#[derive(Clone, Debug)]
enum Happening {
    Create { name: u8, owner: Option<u8> },
    Delete(u8),
    Adopt { name: u8, owner: u8 },
    Show(u8),
    Answer(bool),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        3 => (0u8..5, proptest::option::of(0u8..5)).prop_map(|(name, owner)| Happening::Create { name, owner }),
        2 => (0u8..5).prop_map(Happening::Delete),
        1 => (0u8..5, 0u8..5).prop_map(|(name, owner)| Happening::Adopt { name, owner }),
        4 => (0u8..5).prop_map(Happening::Show),
        5 => proptest::bool::weighted(0.9).prop_map(Happening::Answer),
    ]
}

/// The collector beside a truth that its view lags behind, with an API server that keeps preconditions.
struct World {
    machine: Controller<GarbageCollector>,
    state: State<GarbageCollector>,
    truth: Truth,
    shown: BTreeMap<ObjectKey, u64>,
    revision: u64,
    asked: Vec<(ObjectKey, u32, model::machines::controller::Ask)>,
    timers: BTreeSet<model::machines::controller::Timer>,
}

fn configmap(name: u8) -> ObjectKey {
    ObjectKey::new(kinds::configmaps(), "d", &name.to_string())
}

impl World {
    fn input(&mut self, input: Input<GarbageCollector>) {
        let mut out = Out::new();
        self.machine.step(&mut self.state, Now(0), input, &mut out);
        for request in out.drain() {
            match request {
                Request::Output(Output::Ask(key, index, ask)) => self.asked.push((key, index, ask)),
                Request::Output(Output::Record(_)) => {}
                Request::Timer(timer, _) => {
                    self.timers.insert(timer);
                }
                Request::Cancel(timer) => {
                    self.timers.remove(&timer);
                }
            }
        }
    }

    fn object(&self, key: &ObjectKey) -> Option<Object> {
        let (uid, owner, revision) = self.truth.get(key)?;
        let mut body = json!({ "metadata": { "uid": uid.to_string(), "resourceVersion": revision.to_string() } });
        if let Some(owner) = owner {
            // The name of the owner is in its UID: a UID is never used twice.
            let name = (owner % 8).to_string();
            body["metadata"]["ownerReferences"] = json!([{ "apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": owner.to_string() }]);
        }
        Some(shorthand::object(
            &key.resource,
            &key.namespace,
            &key.name,
            *revision,
            &body,
        ))
    }

    fn show(&mut self, name: u8) {
        let key = configmap(name);
        let shown = self.shown.get(&key).copied();
        let delivery = match self.object(&key) {
            Some(object) if shown == Some(object.revision) => return,
            Some(object) => {
                self.shown.insert(key, object.revision);
                let view = GarbageCollector.read(&object).expect("a view");
                Delivery::Apply(shorthand::item(object, view))
            }
            None if shown.is_none() => return,
            None => {
                self.shown.remove(&key);
                let object =
                    shorthand::object(&key.resource, "d", &key.name, self.revision, &json!({}));
                Delivery::Delete(shorthand::item(object, Default::default()))
            }
        };
        self.input(Input::Seen(kinds::configmaps(), delivery));
    }

    /// Carries the oldest request out as the API server does. Panics if that deletes what has a live owner.
    fn answer(&mut self, done: bool) {
        if self.asked.is_empty() {
            return;
        }
        let (key, index, ask) = self.asked.remove(0);
        let about = ObjectKey::new(
            ask.request.resource.clone(),
            &ask.request.namespace,
            &ask.request.name,
        );
        let found = self.truth.get(&about).copied();
        let refuse = |reason| Answer::Failed(Status::new(reason, "no"));
        let answer = match (&ask.request.verb, found) {
            _ if !done => Answer::Lost,
            (_, None) => refuse(Reason::NotFound),
            (Verb::Get, Some(_)) => {
                Answer::Done(self.revision, self.object(&about).into_iter().collect())
            }
            (Verb::Delete(options), Some((uid, owner, revision))) => {
                let same = options.uid == Some(uid.to_string())
                    && options.resource_version == Some(revision.to_string());
                if same {
                    let owner = owner.expect("only what has owners is collected");
                    let live = self
                        .truth
                        .get(&configmap((owner % 8) as u8))
                        .is_some_and(|it| it.0 == owner);
                    assert!(!live, "{about} was deleted under its owner {owner}");
                    self.truth.remove(&about);
                    self.revision += 1;
                    Answer::Done(self.revision, Vec::new())
                } else {
                    refuse(Reason::Conflict)
                }
            }
            (verb, _) => panic!("not asked for in this world: {verb:?}"),
        };
        self.input(Input::Answered(key, index, answer));
    }

    fn fire_all(&mut self) {
        for timer in std::mem::take(&mut self.timers) {
            let input = self.machine.fired(timer);
            self.input(input);
        }
    }
}

proptest! {
    /// Never deletes what has a live owner, however far its view lags; and once nothing happens any more and
    /// the view is true, no orphan is left.
    #[test]
    fn collects_orphans_and_nothing_else(happenings in proptest::collection::vec(happening(), 0..120)) {
        let machine = Controller::new(GarbageCollector);
        let state = machine.start(None, Now(0), &mut Out::new());
        let mut world = World { machine, state, truth: Truth::new(), shown: BTreeMap::new(), revision: 1,
            asked: Vec::new(), timers: BTreeSet::new() };
        for resource in GarbageCollector.resources() {
            world.input(Input::Seen(resource, shorthand::empty(1)));
        }
        for happening in happenings {
            match happening {
                Happening::Create { name, owner } if !world.truth.contains_key(&configmap(name)) => {
                    world.revision += 1;
                    let uid = world.revision * 8 + u64::from(name);
                    let owner = owner.filter(|owner| *owner != name);
                    let owner = owner.and_then(|owner| world.truth.get(&configmap(owner)).map(|it| it.0));
                    world.truth.insert(configmap(name), (uid, owner, world.revision));
                }
                Happening::Create { .. } => {}
                Happening::Delete(name) => {
                    world.revision += 1;
                    world.truth.remove(&configmap(name));
                }
                // The references of an object change: what was decided on the old ones must not happen.
                Happening::Adopt { name, owner } if name != owner => {
                    let owner = world.truth.get(&configmap(owner)).map(|it| it.0);
                    world.revision += 1;
                    let revision = world.revision;
                    if let (Some(owner), Some(object)) = (owner, world.truth.get_mut(&configmap(name))) {
                        *object = (object.0, Some(owner), revision);
                    }
                }
                Happening::Adopt { .. } => {}
                Happening::Show(name) => world.show(name),
                Happening::Answer(done) => world.answer(done),
            }
        }
        for _ in 0..12 {
            (0..5).for_each(|name| world.show(name));
            while !world.asked.is_empty() {
                world.answer(true);
            }
            world.fire_all();
        }
        let uids: BTreeSet<u64> = world.truth.values().map(|it| it.0).collect();
        for (key, (_, owner, _)) in &world.truth {
            // Two that own each other are nobody's orphans.
            prop_assert!(owner.is_none_or(|owner| uids.contains(&owner)), "{} is an orphan", key);
        }
    }
}
