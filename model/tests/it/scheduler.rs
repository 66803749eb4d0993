//! The scheduler's scenarios, its transition table, its invariants under arbitrary use, and its speed.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use model::machine::{Machine, Now, Out, Request};
use model::machines::reflector::{Delivery, Item};
use model::machines::scheduler::{
    Binding, Input, NodeView, Output, PodView, Scheduler, State, Timer,
};
use model::objects::key::ObjectKey;
use model::objects::kinds;
use model::objects::object::Object;
use model::objects::status::Reason;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::scenario::{self, Player, Rig};
use crate::shorthand::{self, Words};

struct SchedulerPlayer {
    rig: Rig<Scheduler>,
    revision: u64,
    transitions: Rc<RefCell<BTreeSet<String>>>,
}

fn phase(state: &State) -> String {
    match (
        state.pods.synced() && state.nodes.synced(),
        state.assumed.is_empty(),
    ) {
        (false, _) => "listing".to_owned(),
        (true, true) => "idle".to_owned(),
        (true, false) => "binding".to_owned(),
    }
}

fn node_body(name: &str, words: &Words<'_>) -> Value {
    let mut body = json!({
        "metadata": { "name": name, "labels": { "kubernetes.io/hostname": name } },
        "spec": { "unschedulable": words.has("cordoned") },
        "status": { "allocatable": { "cpu": words.get("cpu").unwrap_or("2"),
            "memory": words.get("memory").unwrap_or("2Gi"), "pods": words.get("pods").unwrap_or("110") } },
    });
    if let Some((key, rest)) = words.get("taint").and_then(|taint| taint.split_once(':')) {
        let (value, effect) = rest.split_once(':').unwrap_or(("", rest));
        body["spec"]["taints"] = json!([{ "key": key, "value": value, "effect": effect }]);
    }
    if let Some((key, value)) = words.get("label").and_then(|label| label.split_once(':')) {
        body["metadata"]["labels"][key] = json!(value);
    }
    if let Some((name, amount)) = words.get("extended").and_then(|it| it.split_once(':')) {
        body["status"]["allocatable"][name] = json!(amount);
    }
    body
}

fn pod_body(name: &str, revision: u64, words: &Words<'_>) -> Value {
    let mut requests = json!({});
    for resource in ["cpu", "memory"] {
        if let Some(amount) = words.get(resource) {
            requests[resource] = json!(amount);
        }
    }
    if let Some((name, amount)) = words.get("extended").and_then(|it| it.split_once(':')) {
        requests[name] = json!(amount);
    }
    let mut body = json!({
        "metadata": { "name": name, "namespace": "d", "uid": words.get("uid").unwrap_or(name),
            "resourceVersion": revision.to_string(), "generation": 1 },
        "spec": { "containers": [{ "resources": { "requests": requests } }], "affinity": null },
        "status": { "phase": words.get("phase").unwrap_or("Pending"), "conditions": [] },
    });
    let spec = &mut body["spec"];
    if let Some(node) = words.get("node") {
        spec["nodeName"] = json!(node);
    }
    if let Some(priority) = words.int("priority") {
        spec["priority"] = json!(priority);
    }
    if let Some(port) = words.int("port") {
        spec["containers"][0]["ports"] = json!([{ "containerPort": port, "hostPort": port }]);
    }
    if let Some((key, value)) = words.get("select").and_then(|it| it.split_once(':')) {
        spec["nodeSelector"] = json!({ key: value });
    }
    if let Some(zone) = words.get("affine") {
        spec["affinity"] = json!({ "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{ "matchExpressions": [
                { "key": "zone", "operator": "In", "values": [zone] }] }] } } });
    }
    if let Some(key) = words.get("tolerate") {
        spec["tolerations"] = json!([{ "key": key, "operator": "Exists" }]);
    }
    if let Some(scheduler) = words.get("scheduler") {
        spec["schedulerName"] = json!(scheduler);
    }
    if words.has("gated") {
        spec["schedulingGates"] = json!([{ "name": "wait" }]);
    }
    if words.has("deleting") {
        body["metadata"]["deletionTimestamp"] = json!("1970-01-01T00:00:01Z");
    }
    body
}

fn pod_key(name: &str) -> ObjectKey {
    ObjectKey::new(kinds::pods(), "d", name)
}

impl SchedulerPlayer {
    fn line(&mut self, line: &str) -> Result<Vec<Input>, String> {
        let words = Words::of(line);
        self.revision += 1;
        let revision = self.revision;
        let pod = |name: &str| -> Result<Item<PodView>, String> {
            let body = pod_body(name, revision, &words);
            let object = shorthand::object(&kinds::pods(), "d", name, revision, &body);
            let view = object.view().map_err(|error| error.to_string())?;
            Ok(shorthand::item(object, view))
        };
        let node = |name: &str| -> Result<Item<NodeView>, String> {
            let object: Object = shorthand::object(
                &kinds::nodes(),
                "",
                name,
                revision,
                &node_body(name, &words),
            );
            let view = object.view().map_err(|error| error.to_string())?;
            Ok(shorthand::item(object, view))
        };
        Ok(match words.at(0)? {
            "listed" => vec![
                Input::Nodes(shorthand::empty(revision)),
                Input::Pods(shorthand::empty(revision)),
            ],
            "pods-listed" => vec![Input::Pods(shorthand::empty(revision))],
            "node" => vec![Input::Nodes(Delivery::Apply(node(words.at(1)?)?))],
            "node-gone" => vec![Input::Nodes(Delivery::Delete(node(words.at(1)?)?))],
            "pod" => vec![Input::Pods(Delivery::Apply(pod(words.at(1)?)?))],
            "pod-gone" => vec![Input::Pods(Delivery::Delete(pod(words.at(1)?)?))],
            "answer" => {
                let answer = match words.at(2)? {
                    "done" => Binding::Done,
                    "lost" => Binding::Lost,
                    why => Binding::Refused(
                        serde_json::from_value::<Reason>(why.into())
                            .map_err(|error| error.to_string())?,
                        words.plain[3..].join(" "),
                    ),
                };
                let uid = words.get("uid").unwrap_or(words.at(1)?).to_owned();
                vec![Input::Bound(pod_key(words.at(1)?), uid, answer)]
            }
            other => return Err(format!("unknown command {other}")),
        })
    }
}

impl Player for SchedulerPlayer {
    fn play(&mut self, command: &str) -> Result<String, String> {
        let mut answers = Vec::new();
        for line in command.lines() {
            if let Some(rest) = line.strip_prefix("fire ") {
                let (kind, name) = rest.split_once(' ').ok_or("fire TIMER POD")?;
                answers.push(
                    self.rig
                        .fire(phase, &format!("{kind}({:?})", pod_key(name)))?,
                );
                continue;
            }
            for input in self.line(line)? {
                answers.push(self.rig.step(phase, input));
            }
        }
        self.transitions.borrow_mut().extend(self.rig.transitions());
        Ok(shorthand::shorten(&answers.join("\n")))
    }
}

#[test]
fn scenarios_and_transitions() {
    let transitions = Rc::new(RefCell::new(BTreeSet::new()));
    scenario::play_all("scheduler", || SchedulerPlayer {
        rig: Rig::new(Scheduler::default()).0,
        revision: 0,
        transitions: transitions.clone(),
    });
    let rows: Vec<String> = transitions.borrow().iter().cloned().collect();
    insta::assert_snapshot!(rows.join("\n"));
}

/// A scheduler with an API server that keeps bindings, and an informer that may lag behind it.
struct World {
    scheduler: Scheduler,
    state: State,
    bound: BTreeMap<ObjectKey, String>,
    asked: Vec<(ObjectKey, String, String)>,
}

fn view<V: serde::de::DeserializeOwned>(body: &Value) -> V {
    serde_json::from_value(body.clone())
        .or_else(|_| serde_json::from_str(&body.to_string()))
        .expect("a body of this test")
}

impl World {
    fn new(scheduler: Scheduler) -> Self {
        let state = scheduler.start(None, Now(0), &mut Out::new());
        World {
            scheduler,
            state,
            bound: BTreeMap::new(),
            asked: Vec::new(),
        }
    }

    fn input(&mut self, input: Input) {
        let mut out = Out::new();
        self.scheduler
            .step(&mut self.state, Now(0), input, &mut out);
        for request in out.drain() {
            if let Request::Output(Output::Bind { pod, uid, ask }) = request {
                let body: Value = serde_json::from_slice(&ask.body).expect("JSON");
                let node = body["target"]["name"].as_str().expect("a node").to_owned();
                self.asked.push((pod, uid, node));
            }
        }
    }

    /// The API server takes the oldest binding: compare-and-swap, then the answer, which may get lost.
    fn persist(&mut self, lose: bool) {
        if self.asked.is_empty() {
            return;
        }
        let (pod, uid, node) = self.asked.remove(0);
        let answer = if self.bound.contains_key(&pod) {
            Binding::Refused(Reason::Conflict, "already assigned".to_owned())
        } else {
            self.bound.insert(pod.clone(), node);
            Binding::Done
        };
        self.input(Input::Bound(
            pod,
            uid,
            if lose { Binding::Lost } else { answer },
        ));
    }
}

fn apply<V>(key: ObjectKey, revision: u64, value: V) -> Delivery<V> {
    Delivery::Apply(Item {
        key,
        revision,
        value,
    })
}

#[derive(Clone, Debug)]
enum Happening {
    Pod(u8, u16),
    Persist(bool),
    Show(u8),
    Rebind(u8),
    Cool(u8),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        3 => (0u8..12, 100u16..900).prop_map(|(name, cpu)| Happening::Pod(name, cpu)),
        4 => proptest::bool::weighted(0.2).prop_map(Happening::Persist),
        3 => (0u8..12).prop_map(Happening::Show),
        1 => (0u8..12).prop_map(Happening::Rebind),
        1 => (0u8..12).prop_map(Happening::Cool),
    ]
}

proptest! {
    /// Whatever the order of answers and informer, no node is ever given more than it has.
    #[test]
    fn never_overcommits(happenings in proptest::collection::vec(happening(), 0..120)) {
        let mut world = World::new(Scheduler::default());
        let node = |cpu: u32| view::<NodeView>(&json!({ "status": { "allocatable": {
            "cpu": format!("{cpu}m"), "memory": "8Gi", "pods": "4" } } }));
        world.input(Input::Nodes(Delivery::Replace { revision: 1, items: [("n1", 1000), ("n2", 1500)]
            .map(|(name, cpu)| Item { key: ObjectKey::new(kinds::nodes(), "", name), revision: 1, value: node(cpu) })
            .into() }));
        world.input(Input::Pods(Delivery::Replace { revision: 1, items: Vec::new() }));
        let mut cpus: BTreeMap<ObjectKey, u16> = BTreeMap::new();
        let pod = |name: u8, cpu: u16, node: &str| view::<PodView>(&json!({
            "metadata": { "uid": name.to_string() },
            "spec": { "nodeName": node, "containers": [{ "resources": { "requests": { "cpu": format!("{cpu}m") } } }] } }));
        for (at, happening) in happenings.into_iter().enumerate() {
            let revision = at as u64 + 2;
            match happening {
                Happening::Pod(name, cpu) => {
                    let key = pod_key(&name.to_string());
                    if let std::collections::btree_map::Entry::Vacant(entry) = cpus.entry(key.clone()) {
                        entry.insert(cpu);
                        world.input(Input::Pods(apply(key, revision, pod(name, cpu, ""))));
                    }
                }
                Happening::Persist(lose) => world.persist(lose),
                Happening::Show(name) => {
                    let key = pod_key(&name.to_string());
                    if let (Some(node), Some(cpu)) = (world.bound.get(&key).cloned(), cpus.get(&key)) {
                        world.input(Input::Pods(apply(key, revision, pod(name, *cpu, &node))));
                    }
                }
                Happening::Rebind(name) => world.input(Input::Rebind(pod_key(&name.to_string()))),
                Happening::Cool(name) => world.input(Input::Cooled(pod_key(&name.to_string()))),
            }
            for (node, has) in [("n1", 1000u32), ("n2", 1500)] {
                let there: Vec<_> = world.bound.iter().filter(|(_, on)| *on == node).collect();
                let taken: u32 = there.iter().map(|(key, _)| u32::from(cpus[*key])).sum();
                prop_assert!(taken <= has && there.len() <= 4, "{} has {} of {}", node, taken, has);
            }
        }
    }
}

/// Ten thousand decisions over a hundred nodes, spread evenly. The time is printed, not asserted: a busy machine
/// must not fail it (on an idle core of the build machine it is over 5,000 decisions a second).
#[test]
#[expect(
    clippy::disallowed_types,
    reason = "the test measures the machine, which has no clock"
)]
fn many_decisions() {
    let mut world = World::new(Scheduler {
        bindings_max: usize::MAX,
        ..Scheduler::default()
    });
    let node = view::<NodeView>(&json!({ "status": { "allocatable": {
        "cpu": "1000", "memory": "1000Gi", "pods": "1000" } } }));
    let nodes = (0..100).map(|at| Item {
        key: ObjectKey::new(kinds::nodes(), "", &format!("n{at:03}")),
        revision: 1,
        value: node.clone(),
    });
    world.input(Input::Nodes(Delivery::Replace {
        revision: 1,
        items: nodes.collect(),
    }));
    world.input(Input::Pods(Delivery::Replace {
        revision: 1,
        items: Vec::new(),
    }));
    let began = std::time::Instant::now();
    for at in 0..10_000u32 {
        let body = view::<PodView>(
            &json!({ "metadata": { "uid": at.to_string() }, "spec": { "containers": [{}] } }),
        );
        world.input(Input::Pods(apply(
            pod_key(&at.to_string()),
            u64::from(at) + 2,
            body,
        )));
        world.persist(false);
    }
    println!("10000 decisions over 100 nodes in {:?}", began.elapsed());
    assert_eq!(world.bound.len(), 10_000);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for node in world.bound.values() {
        *counts.entry(node).or_insert(0) += 1;
    }
    // Pods that ask for nothing are spread evenly all the same.
    assert!(
        counts.len() == 100 && counts.values().all(|count| *count == 100),
        "{counts:?}"
    );
}

/// What one step asks for when so many pods, of so much cpu each, are listed with one node of a cpu: bindings, and
/// whether there is more to do.
fn one_step(pods: usize, cpu: &str) -> (usize, bool) {
    let machine = Scheduler::default();
    let mut out = Out::new();
    let mut state = machine.start(None, Now(0), &mut out);
    let node = view::<NodeView>(&json!({ "status": { "allocatable": {
        "cpu": "1", "memory": "1Gi", "pods": "1000" } } }));
    let key = ObjectKey::new(kinds::nodes(), "", "n1");
    let nodes = Input::Nodes(Delivery::Replace {
        revision: 1,
        items: vec![Item {
            key,
            revision: 1,
            value: node,
        }],
    });
    machine.step(&mut state, Now(0), nodes, &mut out);
    let items = (0..pods).map(|at| Item {
        key: pod_key(&at.to_string()),
        revision: 2,
        value: view::<PodView>(&json!({ "metadata": { "uid": at.to_string() },
            "spec": { "containers": [{ "resources": { "requests": { "cpu": cpu } } }] } })),
    });
    let pods = Input::Pods(Delivery::Replace {
        revision: 2,
        items: items.collect(),
    });
    out = Out::new();
    machine.step(&mut state, Now(0), pods, &mut out);
    let bind =
        |request: &&Request<Scheduler>| matches!(request, Request::Output(Output::Bind { .. }));
    let more = |request: &Request<Scheduler>| matches!(request, Request::Timer(Timer::More, _));
    let requests = out.requests();
    (
        requests.iter().filter(bind).count(),
        requests.iter().any(more),
    )
}

#[test]
fn a_step_decides_a_bounded_number() {
    let bindings = Scheduler::default().bindings_max;
    assert_eq!(one_step(bindings + 10, "1m"), (bindings, false));
    // Pods that fit nowhere: 256 decisions a step.
    assert_eq!(one_step(256, "2"), (0, true));
    assert_eq!(one_step(255, "2"), (0, false));
}
