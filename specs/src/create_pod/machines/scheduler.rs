//! A scheduler in the world of machines: what it sees, and what becomes of its bindings.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::machine::Machine;
use model::machines::reflector::{Delivery, Item};
use model::machines::scheduler::{
    self, Binding as Answer, Input, NodeView, Output, PodView, Timer,
};
use model::machines::transaction::{Binding, WriteVerb};
use model::objects::bytes::Bytes;
use model::objects::key::ObjectKey;

use crate::create_pod::Action;
use crate::create_pod::machines::api::{node_key, pod_key};
use crate::create_pod::machines::objects::node_view;
use crate::create_pod::machines::{Choice, MachinesWorld, State, Store, Suite, node_name};
use crate::node::Process;

/// A scheduler's process, and its bindings that are under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SchedulerSide {
    process: Process<scheduler::State, Output, Timer>,
    bindings: BTreeMap<ObjectKey, (String, Bytes)>,
}

impl SchedulerSide {
    pub(super) fn start<M>(machine: &M) -> Self
    where
        M: Machine<Durable = (), State = scheduler::State, Output = Output, Timer = Timer>,
    {
        SchedulerSide {
            process: Process::start(machine, None),
            bindings: BTreeMap::new(),
        }
    }

    /// What it has assumed and not seen.
    pub fn assumed(&self) -> impl Iterator<Item = &scheduler::Assumed> {
        self.process.state.assumed.values()
    }
}

type Pods = BTreeMap<ObjectKey, (u64, PodView)>;
type Nodes = BTreeMap<ObjectKey, (u64, NodeView)>;

impl<M: Suite> MachinesWorld<M> {
    pub(super) fn scheduler_choices(&self, state: &State, at: usize, choices: &mut Vec<Choice>) {
        let side = &state.schedulers[at];
        if self.has_scheduler_news(state, at) {
            choices.push(Choice::SchedulerSees(at));
        }
        for pod in side.bindings.keys() {
            choices.push(Choice::Bind(at, pod.clone()));
            if state.left.lost_answers.min(state.left.any) > 0 {
                choices.push(Choice::BindLost(at, pod.clone(), true));
                choices.push(Choice::BindLost(at, pod.clone(), false));
            }
        }
        // A pod that no node has room for is tried again only when something changes.
        let due = side.process.timers.iter();
        let due = due.filter(|timer| !matches!(timer, Timer::Stale(_)));
        choices.extend(due.map(|timer| Choice::SchedulerFires(at, timer.clone())));
        if state.left.scheduler_crashes.min(state.left.any) > 0 && side.process.state.pods.synced()
        {
            choices.push(Choice::SchedulerCrash(at));
        }
    }

    fn has_scheduler_news(&self, state: &State, at: usize) -> bool {
        let known = &state.schedulers[at].process.state;
        if !known.pods.synced() {
            return true;
        }
        let (pods, nodes) = self.scheduler_views(&state.store);
        let pods_differ = pods.len() != known.pods.len()
            || pods
                .iter()
                .any(|(key, (_, view))| known.pods.get(key) != Some(view));
        let nodes_differ = nodes.len() != known.nodes.len()
            || nodes.keys().any(|key| known.nodes.get(key).is_none());
        pods_differ || nodes_differ
    }

    fn scheduler_views(&self, store: &Store) -> (Pods, Nodes) {
        let pods = store.pods().map(|(revision, pod)| {
            let key = pod_key(&pod.meta.name);
            (key, (revision, pod.scheduler_view()))
        });
        let names = (0..self.nodes).map(node_name);
        let nodes = names.filter(|name| store.has_node(name)).map(|name| {
            let revision = store.revision;
            (node_key(&name), (revision, node_view(self.room)))
        });
        (pods.collect(), nodes.collect())
    }

    pub(super) fn scheduler_sees(&self, state: &mut State, at: usize) {
        let (pods, nodes) = self.scheduler_views(&state.store);
        let revision = state.store.revision;
        let known = &state.schedulers[at].process.state;
        let nodes = self.deliveries(known.nodes.synced(), known.nodes.iter(), nodes, revision);
        let pods = self.deliveries(known.pods.synced(), known.pods.iter(), pods, revision);
        let inputs = nodes.into_iter().map(Input::Nodes);
        for input in inputs.chain(pods.into_iter().map(Input::Pods)) {
            self.scheduler_step(state, at, input);
        }
    }

    pub(super) fn scheduler_fires(&self, state: &mut State, at: usize, timer: &Timer) {
        let side = Arc::make_mut(&mut state.schedulers[at]);
        side.process.timers.remove(timer);
        let input = self.machines.scheduler().fired(timer.clone());
        self.scheduler_step(state, at, input);
    }

    fn scheduler_step(&self, state: &mut State, at: usize, input: Input) {
        let side = Arc::make_mut(&mut state.schedulers[at]);
        let actions = side.process.tell(&self.machines.scheduler(), input);
        while let Some(output) = side.process.outbox.pop_front() {
            // Conditions and events are for people.
            if let Output::Bind { pod, uid, ask } = output {
                side.bindings.insert(pod, (uid, ask.body));
            }
        }
        self.say(state, actions.into_iter().map(Action::Scheduler));
    }

    pub(super) fn bind(&self, state: &mut State, at: usize, pod: &ObjectKey) {
        let side = Arc::make_mut(&mut state.schedulers[at]);
        let Some((uid, body)) = side.bindings.remove(pod) else {
            return;
        };
        let answer = self.carry_out_binding(state, pod, &body);
        self.scheduler_step(state, at, Input::Bound(pod.clone(), uid, answer));
    }

    pub(super) fn bind_lost(&self, state: &mut State, at: usize, pod: &ObjectKey, done: bool) {
        state.left.lost_answers -= 1;
        state.left.any -= 1;
        let side = Arc::make_mut(&mut state.schedulers[at]);
        let Some((uid, body)) = side.bindings.remove(pod) else {
            return;
        };
        if done {
            self.carry_out_binding(state, pod, &body);
        }
        self.scheduler_step(state, at, Input::Bound(pod.clone(), uid, Answer::Lost));
    }

    /// Step 6: the body of the request, as the API server reads it.
    fn carry_out_binding(&self, state: &mut State, pod: &ObjectKey, body: &[u8]) -> Answer {
        let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let binding = Binding {
            node: text(&body["target"]["name"]),
            uid: text(&body["metadata"]["uid"]),
            resource_version: text(&body["metadata"]["resourceVersion"]),
        };
        match self.write(state, pod.clone(), WriteVerb::Bind(binding), "") {
            Ok(_) => Answer::Done,
            Err(status) => Answer::Refused(status.reason, String::new()),
        }
    }

    /// What a watch tells of the way from what is known to what is there, in the order of the revisions; a list if
    /// nothing was told before.
    ///
    /// A scheduler reads no revision. The ReplicaSet's controller reads that of a list that comes while it waits for its
    /// own writes, and here each process lists once, before it writes.
    pub(super) fn deliveries<'a, V: Clone + PartialEq + 'a>(
        &self,
        synced: bool,
        known: impl Iterator<Item = (&'a ObjectKey, &'a V)>,
        there: BTreeMap<ObjectKey, (u64, V)>,
        revision: u64,
    ) -> Vec<Delivery<V>> {
        let told = |revision| if self.revisions { revision } else { 1 };
        let item = |(key, (revision, value)): (ObjectKey, (u64, V))| Item {
            key,
            revision: told(revision),
            value,
        };
        if !synced {
            let items = there.into_iter().map(item).collect();
            let revision = told(revision);
            return vec![Delivery::Replace { revision, items }];
        }
        let known: BTreeMap<&ObjectKey, &V> = known.collect();
        let gone = known.iter().filter(|(key, _)| !there.contains_key(**key));
        let mut tell: Vec<Delivery<V>> = gone
            .map(|(key, value)| {
                Delivery::Delete(item(((*key).clone(), (revision, (*value).clone()))))
            })
            .collect();
        let mut changed: Vec<(ObjectKey, (u64, V))> = there
            .into_iter()
            .filter(|(key, (_, value))| known.get(key) != Some(&value))
            .collect();
        changed.sort_by_key(|(_, (revision, _))| *revision);
        tell.extend(changed.into_iter().map(item).map(Delivery::Apply));
        tell
    }
}
