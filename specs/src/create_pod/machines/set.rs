//! The ReplicaSet controller in the world of machines: it makes the pods, instead of the client.
//!
//! Readiness is nothing here, so its reports of the set's status change only with the number of pods.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::machine::Machine as _;
use model::machines::controller::{self, Answer, Ask, Controller, Input, Output, Timer};
use model::machines::reflector::{Delivery, Item};
use model::machines::replicaset::{PodView, ReplicaSetView, ReplicaSets, Seen, View};
use model::machines::workqueue::Backoff;
use model::messages::api::Verb;
use model::objects::key::ObjectKey;
use model::objects::kinds;
use model::objects::meta::OwnerReference;
use model::objects::status::{Reason, Status};

use crate::create_pod::machines::api::pod_key;
use crate::create_pod::machines::objects::NAMESPACE;
use crate::create_pod::machines::{Choice, MachinesWorld, State, Store, Suite, Thing};
use crate::node::Process;

/// The name of the set, and its UID.
const SET: &str = "web";

/// The controller's process, its requests that are under way, and the status that it reported.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SetSide {
    process: Process<controller::State<ReplicaSets>, Output, Timer>,
    asked: BTreeMap<u32, Ask>,
    /// How many pods the set's status tells.
    reported: i64,
}

impl SetSide {
    /// A new process; the set's status stays as it was.
    pub(super) fn start(reported: i64) -> Self {
        SetSide {
            process: Process::start(&machine(), None),
            asked: BTreeMap::new(),
            reported,
        }
    }

    /// Whether this process has listed.
    pub(super) fn has_listed(&self) -> bool {
        self.view().pods.synced()
    }

    /// What it sees.
    fn view(&self) -> &View {
        &self.process.state.view
    }

    /// How many pods the set's status tells.
    pub(super) fn reported(&self) -> i64 {
        self.reported
    }
}

/// The shipped controller. Timers fire in any order here, so how long a back-off takes decides nothing: all take the
/// same, and failures are not counted.
fn machine() -> Controller<ReplicaSets> {
    let first_ms = Backoff::default().first_ms;
    let cap_ms = first_ms;
    Controller {
        backoff: Backoff { first_ms, cap_ms },
        ..Controller::new(ReplicaSets)
    }
}

impl<M: Suite> MachinesWorld<M> {
    pub(super) fn set_choices(&self, state: &State, choices: &mut Vec<Choice>) {
        let side = &state.set;
        if !side.has_listed() {
            choices.push(Choice::SetLists(false));
            if state.cache.revision != state.store.revision {
                choices.push(Choice::SetLists(true));
            }
        } else if self.has_set_news(state) {
            choices.push(Choice::SetSees);
        }
        if let Some(index) = side.asked.keys().next() {
            choices.push(Choice::SetAsks(*index));
        }
        // Five minutes pass only when nothing else can happen.
        let calm = choices.is_empty();
        let due = side.process.timers.iter();
        let due = due.filter(|timer| calm || !matches!(timer, Timer::Expectations(_)));
        choices.extend(due.map(|timer| Choice::SetFires(timer.clone())));
        if state.left.set_crashes.min(state.left.any) > 0 && side.has_listed() {
            choices.push(Choice::SetCrash);
        }
    }

    pub(super) fn set_lists(&self, state: &mut State, cached: bool) {
        let store = Arc::clone(if cached { &state.cache } else { &state.store });
        self.set_told(state, &store);
    }

    pub(super) fn set_sees(&self, state: &mut State) {
        let store = Arc::clone(&state.store);
        self.set_told(state, &store);
    }

    /// Whether a watch has something to tell.
    fn has_set_news(&self, state: &State) -> bool {
        let known = state.set.view();
        let pods = pods(&state.store);
        let mut views = pods.iter();
        pods.len() != known.pods.len()
            || views.any(|(key, (_, view))| known.pods.get(key) != Some(view))
            || known.sets.get(&set_key()) != Some(&self.set_view(state.set.reported))
    }

    fn set_told(&self, state: &mut State, store: &Store) {
        let known = state.set.view();
        let listed = known.pods.synced();
        let revision = store.revision;
        let set = self.set_view(state.set.reported);
        let sets = BTreeMap::from([(set_key(), (revision, set))]);
        let sets = self.deliveries(listed, known.sets.iter(), sets, revision);
        let pods = self.deliveries(listed, known.pods.iter(), pods(store), revision);
        let sets = sets.into_iter().map(|it| {
            let seen = of(it, |set| Seen::ReplicaSet(Box::new(set)));
            Input::Seen(kinds::replicasets(), seen)
        });
        let pods = pods.into_iter().map(|it| {
            let seen = of(it, |pod| Seen::Pod(Box::new(pod)));
            Input::Seen(kinds::pods(), seen)
        });
        for input in sets.chain(pods) {
            self.set_step(state, input);
        }
    }

    fn set_view(&self, reported: i64) -> ReplicaSetView {
        let mut view = ReplicaSetView::default();
        view.metadata.name = SET.to_owned();
        view.metadata.namespace = NAMESPACE.to_owned();
        view.metadata.uid = SET.to_owned();
        view.metadata.generation = 1;
        view.spec.replicas = i64::try_from(self.replicas).unwrap_or(i64::MAX);
        let selector = view.spec.selector.get_or_insert_default();
        selector.match_labels = labels();
        view.status.replicas = reported;
        view.status.fully_labeled_replicas = reported;
        view.status.observed_generation = 1;
        view
    }

    pub(super) fn set_fires(&self, state: &mut State, timer: &Timer) {
        let side = Arc::make_mut(&mut state.set);
        side.process.timers.remove(timer);
        self.set_step(state, machine().fired(timer.clone()));
    }

    fn set_step(&self, state: &mut State, input: Input<ReplicaSets>) {
        let side = Arc::make_mut(&mut state.set);
        side.process.tell(&machine(), input);
        while let Some(output) = side.process.outbox.pop_front() {
            // Events are for people.
            if let Output::Ask(_, index, ask) = output {
                side.asked.insert(index, ask);
            }
        }
    }

    /// The API server takes a request, and the controller hears what became of it.
    pub(super) fn set_asks(&self, state: &mut State, index: u32) {
        let Some(ask) = Arc::make_mut(&mut state.set).asked.remove(&index) else {
            return;
        };
        let answer = match ask.request.verb {
            Verb::Create if state.created == self.plan.len() => {
                let why = "exceeded quota: as many pods as this world has names for";
                Answer::Failed(Status::new(Reason::Forbidden, why))
            }
            Verb::Create => {
                self.create(state);
                Answer::Done(state.store.revision, Vec::new())
            }
            Verb::Delete(options) => {
                match self.delete(state, pod_key(&ask.request.name), options) {
                    Ok(written) => Answer::Done(written.revision, Vec::new()),
                    Err(status) => Answer::Failed(status),
                }
            }
            // The only thing that it patches is its own status.
            _ => {
                let body: serde_json::Value = serde_json::from_slice(&ask.body).unwrap_or_default();
                let replicas = body["status"]["replicas"].as_i64();
                let side = Arc::make_mut(&mut state.set);
                side.reported = replicas.unwrap_or(side.reported);
                Answer::Done(state.store.revision, Vec::new())
            }
        };
        self.set_step(state, Input::Answered(set_key(), index, answer));
    }

    /// Whether there are as many pods as are asked for.
    pub(super) fn has_replicas(&self, state: &State) -> bool {
        let wanted = state.store.pods().filter(|(_, pod)| !pod.meta.deleting());
        self.replicas == 0 || wanted.count() == self.replicas
    }
}

fn set_key() -> ObjectKey {
    ObjectKey::new(kinds::replicasets(), NAMESPACE, SET)
}

fn labels() -> BTreeMap<String, String> {
    [("app".to_owned(), SET.to_owned())].into()
}

/// A delivery as the controller takes it.
fn of<V>(delivery: Delivery<V>, seen: impl Fn(V) -> Seen) -> Delivery<Seen> {
    let of = |item: Item<V>| Item {
        key: item.key,
        revision: item.revision,
        value: seen(item.value),
    };
    match delivery {
        Delivery::Replace { revision, items } => {
            let items = items.into_iter().map(of).collect();
            Delivery::Replace { revision, items }
        }
        Delivery::Apply(item) => Delivery::Apply(of(item)),
        Delivery::Delete(item) => Delivery::Delete(of(item)),
    }
}

type Pods = BTreeMap<ObjectKey, (u64, PodView)>;

fn pods(store: &Store) -> Pods {
    let pods = store.pods();
    pods.map(|(revision, pod)| (pod_key(&pod.meta.name), (revision, pod_view(pod))))
        .collect()
}

/// What the controller reads of a pod.
fn pod_view(pod: &Thing) -> PodView {
    PodView {
        uid: pod.meta.uid.clone(),
        labels: labels(),
        owners: vec![OwnerReference {
            api_version: "apps/v1".to_owned(),
            kind: "ReplicaSet".to_owned(),
            name: SET.to_owned(),
            uid: SET.to_owned(),
            controller: true,
            ..OwnerReference::default()
        }],
        deleting: pod.meta.deleting(),
        ..PodView::default()
    }
}
