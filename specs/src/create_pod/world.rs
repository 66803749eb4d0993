//! The closed world of the eleven steps, abstract: a client, an API server, schedulers and kubelets with views that
//! may be stale, hosts whose runtimes outlive their kubelets, and the collector of pods whose node is gone.
//!
//! Every step says what it does in the words of the machines' actions, and the specification's acceptors hear it.

mod choice;
mod client;
mod host;
mod kubelet;
mod kubelet_choices;
mod scheduler;

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use model::machines::kubelet::pod::Phase;
use model::rules::resources::Requests;

use crate::create_pod::pod::Object;
use crate::create_pod::properties::properties;
use crate::create_pod::{Action, CreatePod};
use crate::specification::Acceptor;
use crate::world::{Property, Word, World};

pub use choice::Choice;
pub use client::Gc;
pub use host::{Admission, Doing, Host, Known, Kubelet, Life, Work};

pub use scheduler::{Assumed, Scheduler};

use choice::WORDS;

/// The most pods that a world has over all its time.
pub const PODS: usize = 3;
/// The most nodes.
pub const NODES: usize = 2;

/// The size of the world.
#[derive(Clone, Debug)]
pub struct CreatePodWorld {
    /// The pods that the client creates, one after another; one of a name waits until the one before it is gone.
    pub plan: Vec<Planned>,
    /// How many nodes there are.
    pub nodes: usize,
    /// How many pods a node has room for.
    pub room: usize,
    /// How many schedulers race.
    pub schedulers: usize,
    /// How many of the pods the client may delete, the first ones.
    pub deletable: usize,
    /// Whether the object of a node may be removed once its machine is off.
    pub removable_nodes: bool,
    /// How often what may go wrong.
    pub faults: Faults,
}

/// A pod that the client is going to create.
#[derive(Clone, Copy, Debug)]
pub struct Planned {
    /// Its name.
    pub name: &'static str,
    /// Whether its container is started again when it has ended.
    pub restarts: bool,
}

/// How often what may still go wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    /// A scheduler's process ends and a new one begins.
    pub scheduler_crashes: u8,
    /// A kubelet's process ends and a new one begins.
    pub kubelet_crashes: u8,
    /// The request of a binding or its answer is lost.
    pub lost_answers: u8,
    /// A container cannot be started.
    pub failed_starts: u8,
    /// A container ends by itself.
    pub ends: u8,
    /// A machine loses its power.
    pub losses: u8,
    /// The process of a ReplicaSet's controller ends and a new one begins.
    pub set_crashes: u8,
    /// The API server's cache stands still for a while; not counted among all of them.
    pub stale_views: u8,
    /// All of them together.
    pub any: u8,
}

/// A pod's object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PodObject {
    /// Whether it is there.
    pub object: Object,
    /// `spec.nodeName`.
    pub node: Option<u8>,
    /// `metadata.deletionTimestamp`.
    pub deleting: bool,
    /// `status.phase`.
    pub phase: Phase,
    /// How often it was written.
    pub version: u8,
}

/// What the API has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Api {
    /// The pods, in the order of the plan.
    pub pods: [PodObject; PODS],
    /// Whether there is an object for a node.
    pub nodes: [bool; NODES],
}

/// A moment of the world.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// What the API has.
    pub api: Api,
    /// The schedulers.
    pub schedulers: [Scheduler; 2],
    /// The kubelets, one a node.
    pub kubelets: [Kubelet; NODES],
    /// The machines that they run on.
    pub hosts: [Host; NODES],
    /// The collector's look at each node.
    pub gc: [Gc; NODES],
    /// What may still go wrong.
    pub left: Faults,
    /// Ghost: how often each pod was bound.
    pub bindings: [u8; PODS],
    /// Ghost: whether a phase has gone back.
    pub went_back: bool,
    /// Ghost: what the specification says of everything that happened.
    pub heard: Arc<Acceptor<CreatePod>>,
}

impl CreatePodWorld {
    fn specification(&self) -> CreatePod {
        let allocatable = Requests {
            cpu_milli: i64::try_from(self.room).unwrap_or(i64::MAX),
            memory_bytes: 0,
        };
        CreatePod {
            allocatable: (0..self.nodes)
                .map(|node| (node_name(node), allocatable))
                .collect(),
            ..CreatePod::default()
        }
    }

    /// Lets the acceptors hear what happened.
    fn say(&self, state: &mut State, actions: impl IntoIterator<Item = Action>) {
        let specification = self.specification();
        let heard = Arc::make_mut(&mut state.heard);
        for action in actions {
            heard.accept(&specification, &action);
        }
    }

    /// The UID of a pod: one for each of the plan.
    fn uid(&self, pod: usize) -> String {
        format!("{}{pod}", self.plan[pod].name)
    }
}

fn node_name(node: usize) -> String {
    format!("node-{node}")
}

impl World for CreatePodWorld {
    type State = State;
    type Choice = Choice;

    fn begin(&self) -> State {
        let mut hosts: [Host; NODES] = Default::default();
        hosts
            .iter_mut()
            .take(self.nodes)
            .for_each(|host| host.on = true);
        State {
            api: Api::default(),
            schedulers: Default::default(),
            kubelets: Default::default(),
            hosts,
            gc: Default::default(),
            left: self.faults,
            bindings: [0; PODS],
            went_back: false,
            heard: Arc::new(Acceptor::new(&self.specification())),
        }
    }

    fn choices(&self, state: &State) -> Vec<Choice> {
        let mut choices = Vec::new();
        self.client_choices(state, &mut choices);
        for scheduler in 0..self.schedulers {
            self.scheduler_choices(state, scheduler, &mut choices);
        }
        for node in 0..self.nodes {
            self.kubelet_choices(state, node, &mut choices);
            self.host_choices(state, node, &mut choices);
            self.gc_choices(state, node, &mut choices);
        }
        choices
    }

    fn take(&self, state: &mut State, choice: &Choice) -> bool {
        match *choice {
            Choice::Create(pod) => self.create(state, pod),
            Choice::Delete(pod) => self.delete(state, pod),
            Choice::RemoveNode(node) => self.remove_node(state, node),
            Choice::GcLooks(node) => self.gc_looks(state, node),
            Choice::GcMarks(node) => self.gc_marks(state, node),
            Choice::GcRemoves(node) => self.gc_removes(state, node),
            Choice::SchedulerSees(at) => self.scheduler_sees(state, at),
            Choice::Assume(at, pod, node) => self.assume(state, at, pod, node),
            Choice::Bind(at, pod) => self.bind(state, at, pod),
            Choice::BindLost(at, pod, done) => self.bind_lost(state, at, pod, done),
            Choice::SchedulerCrash(at) => {
                state.left.scheduler_crashes -= 1;
                state.left.any -= 1;
                state.schedulers[at] = Scheduler::default();
            }
            Choice::KubeletSees(node) => self.kubelet_sees(state, node),
            Choice::Admit(node, pod) => self.admit(state, node, pod),
            Choice::Start(node, pod) => self.start(state, node, pod),
            Choice::Started(node, pod) => self.started(state, node, pod),
            Choice::FailedStart(node, pod) => self.failed_start(state, node, pod),
            Choice::End(node, pod) => self.end(state, node, pod),
            Choice::Stop(node, pod) => self.stop(state, node, pod),
            Choice::Stopped(node, pod) => self.stopped(state, node, pod),
            Choice::Report(node, pod) => self.report(state, node, pod),
            Choice::Persist(node, pod) => self.persist(state, node, pod),
            Choice::Remove(node, pod) => self.remove(state, node, pod),
            Choice::Removed(node, pod) => self.removed(state, node, pod),
            Choice::KubeletCrash(node, done) => self.kubelet_crash(state, node, done),
            Choice::KubeletStarts(node) => self.kubelet_starts(state, node),
            Choice::PowerOff(node) => self.power_off(state, node),
            Choice::PowerOn(node) => state.hosts[node].on = true,
        }
        true
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
        let (_, at, pod) = choice.parts();
        (at * PODS + pod) as u8
    }

    fn parties(choice: &Choice) -> (String, String) {
        let (_, at, _) = choice.parts();
        let scheduler = format!("scheduler {at}");
        let kubelet = format!("kubelet {at}");
        let api = || "API server".to_owned();
        match choice {
            Choice::Create(_) | Choice::Delete(_) => ("client".to_owned(), api()),
            Choice::SchedulerSees(_) => (api(), scheduler),
            Choice::Assume(..) | Choice::SchedulerCrash(_) => (scheduler.clone(), scheduler),
            Choice::Bind(..) | Choice::BindLost(..) => (scheduler, api()),
            Choice::KubeletSees(_) => (api(), kubelet),
            Choice::Admit(..) | Choice::KubeletCrash(..) => (kubelet.clone(), kubelet),
            Choice::Start(..) | Choice::Stop(..) => (kubelet, format!("runtime {at}")),
            Choice::Started(..)
            | Choice::FailedStart(..)
            | Choice::End(..)
            | Choice::Stopped(..) => (format!("runtime {at}"), kubelet),
            Choice::Report(..)
            | Choice::Persist(..)
            | Choice::Remove(..)
            | Choice::Removed(..)
            | Choice::KubeletStarts(_) => (kubelet, api()),
            Choice::PowerOff(_) | Choice::PowerOn(_) => {
                (format!("runtime {at}"), format!("runtime {at}"))
            }
            Choice::RemoveNode(_) => ("administrator".to_owned(), api()),
            Choice::GcLooks(_) | Choice::GcMarks(_) | Choice::GcRemoves(_) => {
                ("pod GC".to_owned(), api())
            }
        }
    }

    fn project(state: &State, mut hasher: &mut dyn Hasher) {
        let State {
            api,
            schedulers,
            kubelets,
            hosts,
            gc,
            left,
            bindings: _,
            went_back: _,
            heard: _,
        } = state;
        (api, schedulers, kubelets, hosts, gc, left).hash(&mut hasher);
    }

    fn converged(&self, state: &State) -> bool {
        (0..self.plan.len()).all(|pod| self.settled(state, pod))
    }
}

impl CreatePodWorld {
    /// Whether a pod is where it can stay: it runs, has ended, is gone, or there is no room for it.
    fn settled(&self, state: &State, pod: usize) -> bool {
        let object = &state.api.pods[pod];
        let alive = |node: usize| state.hosts[node].lives[pod].alive();
        match (object.object, object.node) {
            (Object::Removed, _) => !(0..self.nodes).any(alive),
            (Object::Absent, _) => (0..=pod).any(|waits| self.waits_for_its_name(state, waits)),
            (Object::Present, _) if object.deleting => false,
            (Object::Present, None) => (0..self.nodes).all(|node| self.is_full(&state.api, node)),
            (Object::Present, Some(node)) => match object.phase {
                Phase::Pending => false,
                Phase::Running => alive(usize::from(node)),
                Phase::Succeeded | Phase::Failed => !alive(usize::from(node)),
            },
        }
    }

    /// Whether a pod, and with it all that are planned after it, is not created because its name is in use.
    fn waits_for_its_name(&self, state: &State, pod: usize) -> bool {
        let absent = state.api.pods[pod].object == Object::Absent;
        let used = (0..pod).any(|other| {
            let before = &state.api.pods[other];
            let namesake = self.plan[other].name == self.plan[pod].name;
            namesake && before.object == Object::Present && !before.deleting
        });
        absent && used
    }

    /// Whether a node is not there, or has no room as far as the API tells.
    fn is_full(&self, api: &Api, node: usize) -> bool {
        let there = |pod: &&PodObject| {
            pod.object == Object::Present
                && pod.node.map(usize::from) == Some(node)
                && !pod.phase.terminal()
        };
        !api.nodes[node] || api.pods.iter().filter(there).count() >= self.room
    }
}
