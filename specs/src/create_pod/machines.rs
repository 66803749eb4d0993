#![doc = include_str!("machines/README.md")]

mod api;
mod choice;
mod client;
mod collector;
mod host;
mod kubelet;
mod objects;
mod properties;
mod scheduler;
mod set;
mod sizes;
mod suite;

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use model::machine::Machine as _;
use model::machines::kubelet::pod::{Phase, Requests};
use model::messages::api::DeleteOptions;
use model::objects::key::ObjectKey;
use model::objects::kinds;

use crate::create_pod::world::{Faults, Planned};
use crate::create_pod::{Action, CreatePod};
use crate::pool::Pool;
use crate::specification::Acceptor;
use crate::world::{Property, Word, World};

pub use api::Store;
pub use choice::Choice;
pub use collector::Collector;
pub use host::{Host, KubeletProcess, Node};
pub use objects::{Change, Thing, Things};
pub use properties::properties;
pub use scheduler::SchedulerSide;
pub use set::SetSide;
pub use sizes::{composed, listed, quiet, stormy, world};
pub use suite::{Shipped, Suite};

use api::node_key;
use choice::WORDS;

/// The most nodes.
pub const NODES: usize = 2;

/// The size of the world, and its machines.
#[derive(Clone, Debug)]
pub struct MachinesWorld<M> {
    /// The machines.
    pub machines: M,
    /// The pods that the client creates, one after another; one of a name waits until the one before it is gone.
    pub plan: Vec<Planned>,
    /// How many pods a ReplicaSet asks for; its controller makes them, of the plan, instead of the client. 0 for none.
    pub replicas: usize,
    /// Whether the world begins when every process has started and has listed what there is.
    pub settled: bool,
    /// Whether what a kubelet asks of its runtime and of the API server is done before anything else happens.
    pub prompt: bool,
    /// Whether schedulers and the ReplicaSet's controller are told revisions. They remember the last and decide nothing by
    /// it, so it only tells states apart that go on alike.
    pub revisions: bool,
    /// How many nodes there are.
    pub nodes: usize,
    /// How many pods a node has room for.
    pub room: u32,
    /// How many schedulers race.
    pub schedulers: usize,
    /// How many of the pods the client may delete, the first ones.
    pub deletable: usize,
    /// Whether the object of a node may be removed once its machine is off, and the collector runs.
    pub removable_nodes: bool,
    /// Whether the API server's cache may be behind its store.
    pub cache_lags: bool,
    /// How often what may go wrong.
    pub faults: Faults,
}

/// A moment of the world.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// What the store has.
    pub store: Arc<Store>,
    /// What the API server's cache has.
    pub cache: Arc<Store>,
    /// Whether the cache does not follow the store for the moment.
    pub cache_stands: bool,
    /// How many of the planned pods were created.
    pub created: usize,
    /// The schedulers.
    pub schedulers: Vec<Arc<SchedulerSide>>,
    /// The nodes with their kubelets.
    pub nodes: Vec<Arc<Node>>,
    /// The collector.
    pub collector: Arc<Collector>,
    /// The ReplicaSet's controller.
    pub set: Arc<SetSide>,
    /// What may still go wrong.
    pub left: Faults,
    /// Ghost: what no single moment tells of a pod, by UID.
    pub histories: Arc<BTreeMap<String, History>>,
    /// Ghost: whether a pod that was bound is bound elsewhere.
    pub bound_again: bool,
    /// Ghost: whether a phase has gone back.
    pub went_back: bool,
    /// Ghost: what the specification says of everything that the machines said.
    pub heard: Arc<Acceptor<CreatePod>>,
}

impl State {
    /// Whether every process runs and has listed what there is.
    fn have_listed(&self) -> bool {
        let mut nodes = self.nodes.iter();
        let listed = |node: &Arc<Node>| {
            let process = node.kubelet.process.as_ref();
            process.is_some_and(|process| process.state.pods_listed)
        };
        self.set.has_listed() && nodes.all(listed)
    }
}

/// What a pod was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct History {
    node: String,
    phase: Phase,
}

impl<M: Suite> MachinesWorld<M> {
    fn specification(&self) -> CreatePod {
        let allocatable = Requests {
            cpu_milli: i64::from(self.room),
            memory_bytes: 0,
        };
        let nodes = (0..self.nodes).map(|node| (node_name(node), allocatable));
        CreatePod {
            allocatable: nodes.collect(),
            ..CreatePod::default()
        }
    }

    /// Lets the acceptors hear what machines say.
    fn say(&self, state: &mut State, actions: impl IntoIterator<Item = Action>) {
        let mut actions = actions.into_iter().peekable();
        if actions.peek().is_none() {
            return;
        }
        let specification = self.specification();
        let heard = Arc::make_mut(&mut state.heard);
        for action in actions {
            heard.accept(&specification, &action);
        }
    }

    /// The UID of a planned pod.
    fn uid(&self, pod: usize) -> String {
        format!("{}{pod}", self.plan[pod].name)
    }
}

/// The name of a node.
pub fn node_name(node: usize) -> String {
    format!("node-{node}")
}

impl<M: Suite> World for MachinesWorld<M> {
    type State = State;
    type Choice = Choice;

    fn begin(&self) -> State {
        let namespace = ObjectKey::new(kinds::namespaces(), "", objects::NAMESPACE);
        let mut store = Store {
            revision: 1,
            ..Store::default()
        };
        let object = (1, Thing::named(objects::NAMESPACE));
        store.objects.insert(namespace.path().into(), object);
        let store = Arc::new(store);
        let mut state = State {
            cache: Arc::clone(&store),
            store,
            cache_stands: false,
            created: 0,
            schedulers: (0..self.schedulers)
                .map(|_| Arc::new(SchedulerSide::start(&self.machines.scheduler())))
                .collect(),
            nodes: (0..self.nodes).map(|_| Arc::new(Node::default())).collect(),
            collector: Arc::new(Collector::start(&self.machines.pod_gc())),
            set: Arc::new(SetSide::start(0)),
            left: self.faults,
            histories: Arc::default(),
            bound_again: false,
            went_back: false,
            heard: Arc::new(Acceptor::new(&self.specification())),
        };
        if self.settled {
            for node in 0..self.nodes {
                self.take(&mut state, &Choice::KubeletStarts(node));
                self.take(&mut state, &Choice::KubeletLists(node, false));
            }
            for at in 0..self.schedulers {
                self.take(&mut state, &Choice::SchedulerSees(at));
            }
        }
        state
    }

    fn choices(&self, state: &State) -> Vec<Choice> {
        let mut choices = Vec::new();
        self.client_choices(state, &mut choices);
        for at in 0..self.schedulers {
            self.scheduler_choices(state, at, &mut choices);
        }
        for node in 0..self.nodes {
            self.kubelet_choices(state, node, &mut choices);
            self.host_choices(state, node, &mut choices);
        }
        if self.removable_nodes {
            self.collector_choices(state, &mut choices);
        }
        if self.replicas > 0 {
            self.set_choices(state, &mut choices);
        }
        if self.prompt
            && let Some(first) = choices.iter().find(|choice| choice.is_answer())
        {
            return vec![first.clone()];
        }
        choices
    }

    fn take(&self, state: &mut State, choice: &Choice) -> bool {
        let before = state.clone();
        match choice {
            Choice::Create => self.create(state),
            Choice::Delete(uid) => self.delete_pod(state, uid),
            Choice::CacheCatchesUp => state.cache = Arc::clone(&state.store),
            Choice::CacheStands => {
                state.left.stale_views -= 1;
                state.cache_stands = true;
            }
            Choice::SchedulerSees(at) => self.scheduler_sees(state, *at),
            Choice::Bind(at, pod) => self.bind(state, *at, pod),
            Choice::BindLost(at, pod, done) => self.bind_lost(state, *at, pod, *done),
            Choice::SchedulerFires(at, timer) => self.scheduler_fires(state, *at, timer),
            Choice::SchedulerCrash(at) => {
                state.left.scheduler_crashes -= 1;
                state.left.any -= 1;
                let side = SchedulerSide::start(&self.machines.scheduler());
                state.schedulers[*at] = Arc::new(side);
            }
            Choice::KubeletStarts(node) => self.kubelet_starts(state, *node),
            Choice::KubeletLists(node, cached) => self.kubelet_lists(state, *node, *cached),
            Choice::KubeletSees(node) => self.kubelet_sees(state, *node),
            Choice::Started(node, uid) => self.started(state, *node, uid),
            Choice::FailedStart(node, uid) => self.failed_start(state, *node, uid),
            Choice::End(node, uid) => self.end(state, *node, uid),
            Choice::Stopped(node, uid) => self.stopped(state, *node, uid),
            Choice::Persist(node, uid) => self.persist(state, *node, uid),
            Choice::Removed(node, uid) => self.removed(state, *node, uid),
            Choice::KubeletFires(node, timer) => {
                let input = self.machines.kubelet(*node, self.room).fired(timer.clone());
                let kubelet = Arc::make_mut(&mut state.nodes[*node]);
                if let Some(process) = &mut kubelet.kubelet.process {
                    process.timers.remove(timer);
                }
                self.feed(state, *node, input);
            }
            Choice::KubeletCrash(node, done) => self.kubelet_crash(state, *node, *done),
            Choice::PowerOff(node) => self.power_off(state, *node),
            Choice::PowerOn(node) => Arc::make_mut(&mut state.nodes[*node]).host.off = false,
            Choice::RemoveNode(node) => {
                let key = node_key(&node_name(*node));
                // Refused only if it is gone by now.
                let _ = self.delete(state, key, DeleteOptions::default());
            }
            Choice::GcSees => self.collector_sees(state),
            Choice::GcFires(timer) => self.collector_fires(state, timer),
            Choice::GcAsks => self.collector_asks(state),
            Choice::SetLists(cached) => self.set_lists(state, *cached),
            Choice::SetSees => self.set_sees(state),
            Choice::SetAsks(index) => self.set_asks(state, *index),
            Choice::SetFires(timer) => self.set_fires(state, timer),
            Choice::SetCrash => {
                state.left.set_crashes -= 1;
                state.left.any -= 1;
                state.set = Arc::new(SetSide::start(state.set.reported()));
            }
        }
        state.cache_stands &= state.left.any > 0 || !state.have_listed();
        if !self.cache_lags && !state.cache_stands {
            state.cache = Arc::clone(&state.store);
        }
        *state != before
    }

    fn properties() -> Vec<Property<Self>> {
        properties()
    }

    fn words() -> &'static [Word] {
        &WORDS
    }

    fn word(choice: &Choice) -> &'static str {
        WORDS[choice.parts().0].name
    }

    fn process(choice: &Choice) -> u8 {
        choice.parts().1 as u8
    }

    fn parties(choice: &Choice) -> (String, String) {
        let at = choice.parts().1;
        let (api, kubelet, runtime) = (
            "API server",
            format!("kubelet {at}"),
            format!("runtime {at}"),
        );
        let named = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        match choice {
            Choice::Create | Choice::Delete(_) => named("client", api),
            Choice::CacheCatchesUp | Choice::CacheStands => named(api, api),
            Choice::SchedulerSees(_) => (api.to_owned(), format!("scheduler {at}")),
            Choice::Bind(..) | Choice::BindLost(..) => (format!("scheduler {at}"), api.to_owned()),
            Choice::SchedulerFires(..) | Choice::SchedulerCrash(_) => {
                (format!("scheduler {at}"), format!("scheduler {at}"))
            }
            Choice::KubeletLists(..) | Choice::KubeletSees(_) => named(api, &kubelet),
            Choice::KubeletStarts(_) | Choice::Persist(..) | Choice::Removed(..) => {
                named(&kubelet, api)
            }
            Choice::Started(..)
            | Choice::FailedStart(..)
            | Choice::End(..)
            | Choice::Stopped(..) => (runtime, kubelet),
            Choice::KubeletFires(..) | Choice::KubeletCrash(..) => named(&kubelet, &kubelet),
            Choice::PowerOff(_) | Choice::PowerOn(_) => named(&runtime, &runtime),
            Choice::RemoveNode(_) => named("administrator", api),
            Choice::GcSees => named(api, "pod GC"),
            Choice::GcFires(_) => named("pod GC", "pod GC"),
            Choice::GcAsks => named("pod GC", api),
            Choice::SetLists(_) | Choice::SetSees => named(api, "controller"),
            Choice::SetFires(_) | Choice::SetCrash => named("controller", "controller"),
            Choice::SetAsks(_) => named("controller", api),
        }
    }

    fn project(state: &State, mut hasher: &mut dyn Hasher) {
        let State {
            store,
            cache,
            cache_stands,
            created,
            schedulers,
            nodes,
            collector,
            set,
            left,
            histories: _,
            bound_again: _,
            went_back: _,
            heard: _,
        } = state;
        (store, cache, cache_stands, created).hash(&mut hasher);
        (schedulers, nodes, collector, set, left).hash(&mut hasher);
    }

    fn share(state: &mut State, pool: &mut Pool) {
        pool.share(&mut state.store);
        pool.share(&mut state.cache);
        for scheduler in &mut state.schedulers {
            pool.share(scheduler);
        }
        for node in &mut state.nodes {
            pool.share(node);
        }
        pool.share(&mut state.collector);
        pool.share(&mut state.set);
        pool.share(&mut state.histories);
        pool.share(&mut state.heard);
    }

    fn converged(&self, state: &State) -> bool {
        self.has_replicas(state) && (0..self.plan.len()).all(|pod| self.is_settled(state, pod))
    }
}
