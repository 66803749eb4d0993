//! The collector of pods whose node is gone, in the world of machines.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use model::machine::Machine;
use model::machines::controller::{self, Answer, Ask, Input, Output, Reconcile, Timer};
use model::machines::pod_gc::{PodGc, Seen};
use model::machines::reflector::{Delivery, Item};
use model::messages::api::Verb;
use model::objects::bytes::Bytes;
use model::objects::key::ObjectKey;
use model::objects::kinds;
use model::objects::object::Object;
use model::objects::status::Status;

use crate::create_pod::machines::api::{node_key, pod_key};
use crate::create_pod::machines::{Choice, MachinesWorld, State, Store, Suite, node_name};
use crate::node::Process;

/// The collector's process, what it has seen, and its requests that are under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Collector {
    process: Process<controller::State<PodGc>, Output, Timer>,
    seen: Option<View>,
    asked: VecDeque<(ObjectKey, u32, Ask)>,
}

/// Bound pods with UID and node, and the nodes there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct View {
    pods: BTreeMap<ObjectKey, (String, String)>,
    nodes: BTreeSet<String>,
}

impl Collector {
    pub(super) fn start<M>(machine: &M) -> Self
    where
        M: Machine<Durable = (), State = controller::State<PodGc>, Output = Output, Timer = Timer>,
    {
        Collector {
            process: Process::start(machine, None),
            seen: None,
            asked: VecDeque::new(),
        }
    }
}

impl<M: Suite> MachinesWorld<M> {
    pub(super) fn collector_choices(&self, state: &State, choices: &mut Vec<Choice>) {
        for node in 0..self.nodes {
            if state.nodes[node].host.off && state.store.has_node(&node_name(node)) {
                choices.push(Choice::RemoveNode(node));
            }
        }
        let collector = &state.collector;
        if self.concerns_collector(state) {
            choices.push(Choice::GcSees);
        }
        let due = collector.process.timers.iter().cloned();
        choices.extend(due.map(Choice::GcFires));
        if !collector.asked.is_empty() {
            choices.push(Choice::GcAsks);
        }
    }

    /// Whether there is something to see that it would do something about: pods on nodes that are all there are
    /// none of its business.
    fn concerns_collector(&self, state: &State) -> bool {
        let now = self.collector_view(&state.store);
        let Some(before) = &state.collector.seen else {
            return true;
        };
        let missed = |view: &View| {
            view.pods
                .values()
                .any(|(_, node)| !view.nodes.contains(node))
        };
        let pods_differ = now.pods != before.pods && (missed(&now) || missed(before));
        now.nodes != before.nodes || pods_differ
    }

    fn collector_view(&self, store: &Store) -> View {
        let bound = store.pods().filter(|(_, pod)| !pod.node.is_empty());
        let pods = bound.map(|(_, pod)| {
            let key = pod_key(&pod.meta.name);
            (key, (pod.meta.uid.clone(), pod.node.clone()))
        });
        let nodes = (0..self.nodes).map(node_name);
        View {
            pods: pods.collect(),
            nodes: nodes.filter(|name| store.has_node(name)).collect(),
        }
    }

    pub(super) fn collector_sees(&self, state: &mut State) {
        let now = self.collector_view(&state.store);
        let revision = state.store.revision;
        let collector = Arc::make_mut(&mut state.collector);
        let before = collector.seen.replace(now.clone());
        let pod = |(key, (uid, node)): (&ObjectKey, &(String, String))| Item {
            key: key.clone(),
            revision,
            value: seen(key, uid, node),
        };
        let node = |name: &String| Item {
            key: node_key(name),
            revision,
            value: seen(&node_key(name), name, ""),
        };
        let Some(before) = before else {
            let items = now.nodes.iter().map(node).collect();
            self.tell(state, false, Delivery::Replace { revision, items });
            let items = now.pods.iter().map(pod).collect();
            return self.tell(state, true, Delivery::Replace { revision, items });
        };
        for gone in before.nodes.difference(&now.nodes) {
            self.tell(state, false, Delivery::Delete(node(gone)));
        }
        for come in now.nodes.difference(&before.nodes) {
            self.tell(state, false, Delivery::Apply(node(come)));
        }
        for gone in before
            .pods
            .iter()
            .filter(|(key, _)| !now.pods.contains_key(*key))
        {
            self.tell(state, true, Delivery::Delete(pod(gone)));
        }
        for changed in now
            .pods
            .iter()
            .filter(|(key, it)| before.pods.get(*key) != Some(it))
        {
            self.tell(state, true, Delivery::Apply(pod(changed)));
        }
    }

    fn tell(&self, state: &mut State, pods: bool, delivery: Delivery<Seen>) {
        let resource = if pods { kinds::pods() } else { kinds::nodes() };
        self.collector_step(state, Input::Seen(resource, delivery));
    }

    pub(super) fn collector_fires(&self, state: &mut State, timer: &Timer) {
        let collector = Arc::make_mut(&mut state.collector);
        collector.process.timers.remove(timer);
        let input = self.machines.pod_gc().fired(timer.clone());
        self.collector_step(state, input);
    }

    fn collector_step(&self, state: &mut State, input: Input<PodGc>) {
        let collector = Arc::make_mut(&mut state.collector);
        collector.process.tell(&self.machines.pod_gc(), input);
        while let Some(output) = collector.process.outbox.pop_front() {
            if let Output::Ask(key, index, ask) = output {
                collector.asked.push_back((key, index, ask));
            }
        }
    }

    pub(super) fn collector_asks(&self, state: &mut State) {
        let collector = Arc::make_mut(&mut state.collector);
        let Some((key, index, ask)) = collector.asked.pop_front() else {
            return;
        };
        let request = ask.request;
        let about = ObjectKey::new(request.resource, &request.namespace, &request.name);
        let answer = match request.verb {
            Verb::Get => match state.store.objects.get(about.path().as_str()) {
                Some((revision, _)) => Answer::Done(*revision, Vec::new()),
                None => Answer::Failed(Status::not_found(&about)),
            },
            Verb::Delete(options) => match self.delete(state, about, options) {
                Ok(written) => Answer::Done(written.revision, Vec::new()),
                Err(status) => Answer::Failed(status),
            },
            // It asks for nothing else.
            _ => Answer::Lost,
        };
        self.collector_step(state, Input::Answered(key, index, answer));
    }
}

/// What the collector reads of an object.
fn seen(key: &ObjectKey, uid: &str, node: &str) -> Seen {
    let body = serde_json::json!({
        "metadata": { "name": key.name, "uid": uid },
        "spec": { "nodeName": node },
    });
    let object = Object {
        key: key.clone(),
        revision: 0,
        body: Bytes::from(body.to_string().as_str()),
    };
    PodGc
        .read(&object)
        .expect("a body that was made here parses")
}
