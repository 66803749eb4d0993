//! The shipped kubelet of a node alone, to which everything happens that can: steps that fail, sandboxes that die, events
//! that are lost, pods that are too many, users who use force, a node that is asked to stop. Worlds of whole clusters
//! leave this out, for their size. It is held against the specification on the way.

mod runtime;

use std::collections::BTreeMap;

use model::actions::kubelet::{KubeletAction, PodName};
use model::actions::transaction::{Effect, TransactionAction};
use model::machines::kubelet::pod::{Container, Former, Phase, Pod, Requests, RestartPolicy};
use model::machines::kubelet::status::PodStatus;
use model::machines::kubelet::{Config, Input, Kubelet, Measure, Output, Written};
use model::objects::key::ObjectKey;
use model::objects::kinds;
use specs::create_pod::pod::PodSpecification;
use specs::create_pod::{Action, CreatePod};
use specs::node::{Node, Process};
use specs::random::SplitMix;
use specs::specification::Acceptor;

use runtime::{Runtime, failed};

const NODE: &str = "node-0";

/// What the node has.
const ROOM: Requests = Requests {
    cpu_milli: 2_000,
    memory_bytes: 0,
};

/// What holds here.
pub fn specification(users_may_force: bool) -> CreatePod {
    CreatePod {
        pod: PodSpecification { users_may_force },
        allocatable: [(NODE.to_owned(), ROOM)].into(),
    }
}

/// A change of the API that the kubelet's informer has not told.
#[expect(
    clippy::large_enum_variant,
    reason = "a few of them live at a time, in tests"
)]
enum Change {
    Applied(u64, Pod),
    Gone(u64, String),
}

/// A node, and the API as it concerns the node.
pub struct Busy {
    random: SplitMix,
    machine: Kubelet,
    kubelet: Node<Kubelet>,
    /// What the kubelet has asked for and has no answer to.
    asked: Vec<Output>,
    /// The pods, each with the revision of its last write.
    pods: BTreeMap<String, (u64, Pod)>,
    registered: bool,
    revision: u64,
    writes: u64,
    created: u32,
    untold: Vec<Change>,
    runtime: Runtime,
    stopped: bool,
    specification: CreatePod,
    accepted: Acceptor<CreatePod>,
    said: Vec<Action>,
}

impl Busy {
    pub fn begin(seed: u64, users_may_force: bool) -> Self {
        let machine = Kubelet {
            config: Config {
                node_name: NODE.to_owned(),
                allocatable: ROOM,
                max_pods: 3,
                parallel_starts: 2,
                stop_grace_limit_s: 10,
                ..Config::default()
            },
        };
        let specification = specification(users_may_force);
        let mut busy = Busy {
            random: SplitMix::new(seed),
            kubelet: Process::start(&machine, None),
            machine,
            asked: Vec::new(),
            pods: BTreeMap::new(),
            registered: false,
            revision: 1,
            writes: 0,
            created: 0,
            untold: Vec::new(),
            runtime: Runtime::default(),
            stopped: false,
            accepted: Acceptor::new(&specification),
            said: Vec::new(),
            specification,
        };
        busy.say(Action::KubeletStarted(NODE.to_owned()));
        busy.collect();
        busy
    }

    pub fn goes_on(mut self, steps: usize) {
        for _ in 0..steps {
            self.choose();
        }
    }

    fn choose(&mut self) {
        match self.random.below(48) {
            0..4 => self.create(),
            4 | 5 => self.delete(),
            6 if self.specification.pod.users_may_force => self.force(),
            7..17 => self.tell(),
            17..36 => self.answer(true),
            36..38 => self.answer(false),
            38 | 39 => self.exit(),
            40 => self.sandbox_dies(),
            41..45 => self.fire(),
            45 if self.random.below(3) == 0 => self.restart(),
            46 if self.random.below(12) == 0 => self.feed(Input::Stop),
            47 if self.random.below(12) == 0 => self.lose_sight(),
            _ => {}
        }
    }

    /// One of so many; nothing if there are none.
    fn one_of<T: Clone>(&mut self, all: &[T]) -> Option<T> {
        let at = self.random.below(all.len().max(1));
        all.get(at).cloned()
    }

    fn uids(&self) -> Vec<String> {
        self.pods.keys().cloned().collect()
    }

    fn create(&mut self) {
        let name = ["a", "b"][self.random.below(2)];
        if self.pods.values().any(|(_, pod)| pod.name.name == name) {
            return;
        }
        self.created += 1;
        let uid = format!("{name}-{}", self.created);
        let restart = [RestartPolicy::Always, RestartPolicy::Never][self.random.below(2)];
        let requests = Requests {
            cpu_milli: [100, 900, 1_500][self.random.below(3)],
            memory_bytes: 0,
        };
        let pod = Pod {
            name: PodName {
                namespace: "default".to_owned(),
                name: name.to_owned(),
                uid: uid.clone(),
            },
            node_name: NODE.to_owned(),
            grace_s: 30,
            restart,
            containers: vec![Container {
                name: "main".to_owned(),
                ..Container::default()
            }],
            requests,
            ..Pod::default()
        };
        self.runtime.requests.insert(uid.clone(), requests);
        self.pods.insert(uid.clone(), (0, pod));
        self.write(&uid, Effect::Created);
        let node = NODE.to_owned();
        self.write(&uid, Effect::Bound { node });
    }

    fn delete(&mut self) {
        let uids = self.uids();
        if let Some(uid) = self.one_of(&uids) {
            self.change(&uid, |pod| pod.deleting = true);
            self.write(&uid, Effect::Deleting);
        }
    }

    /// Somebody vouches that nothing of a pod runs, and errs.
    fn force(&mut self) {
        let uids = self.uids();
        if let Some(uid) = self.one_of(&uids) {
            self.write(&uid, Effect::Deleted);
        }
    }

    fn change(&mut self, uid: &str, change: impl FnOnce(&mut Pod)) {
        if let Some((_, pod)) = self.pods.get_mut(uid) {
            change(pod);
        }
    }

    /// A write of a pod is carried out.
    fn write(&mut self, uid: &str, effect: Effect) {
        let Some((expected, pod)) = self.pods.get(uid).cloned() else {
            return;
        };
        let key = ObjectKey::new(kinds::pods(), &pod.name.namespace, &pod.name.name);
        self.commit(key, uid, expected, effect.clone());
        if effect == Effect::Deleted {
            self.pods.remove(uid);
            self.untold
                .push(Change::Gone(self.revision, uid.to_owned()));
        } else {
            self.pods
                .insert(uid.to_owned(), (self.revision, pod.clone()));
            self.untold.push(Change::Applied(self.revision, pod));
        }
    }

    fn commit(&mut self, key: ObjectKey, uid: &str, expected: u64, effect: Effect) {
        self.revision += 1;
        let id = self.attempt(&key, uid, expected, &effect);
        let (uid, revision) = (uid.to_owned(), self.revision);
        let committed = TransactionAction::Committed {
            id,
            key,
            uid,
            revision,
            effect,
        };
        self.say(Action::ApiServer(0, committed));
    }

    fn attempt(&mut self, key: &ObjectKey, uid: &str, expected: u64, effect: &Effect) -> u64 {
        self.writes += 1;
        let id = self.writes;
        let submitted = TransactionAction::Submitted {
            id,
            verb: "any".to_owned(),
            key: key.clone(),
        };
        let attempted = TransactionAction::Attempted {
            id,
            key: key.clone(),
            uid: uid.to_owned(),
            expected,
            effect: effect.clone(),
        };
        for action in [submitted, attempted] {
            self.say(Action::ApiServer(0, action));
        }
        id
    }

    /// The API server does not hear what became of a write.
    fn lose_sight(&mut self) {
        let uids = self.uids();
        if let Some(uid) = self.one_of(&uids)
            && let Some((expected, pod)) = self.pods.get(&uid).cloned()
        {
            let key = ObjectKey::new(kinds::pods(), &pod.name.namespace, &pod.name.name);
            let id = self.attempt(&key, &uid, expected, &Effect::Updated);
            self.say(Action::ApiServer(0, TransactionAction::Unknown { id }));
        }
    }

    fn tell(&mut self) {
        if self.untold.is_empty() || !self.kubelet.state.pods_listed {
            return;
        }
        let input = match self.untold.remove(0) {
            Change::Applied(revision, pod) => Input::PodApplied { revision, pod },
            Change::Gone(revision, uid) => Input::PodGone {
                revision,
                uid,
                grace_s: None,
            },
        };
        self.feed(input);
    }

    fn fire(&mut self) {
        let timers: Vec<_> = self.kubelet.timers.iter().cloned().collect();
        if let Some(timer) = self.one_of(&timers) {
            self.kubelet.timers.remove(&timer);
            self.feed(Input::Fired(timer));
        }
    }

    /// A container ends by itself; the event may be lost.
    fn exit(&mut self) {
        let running = self.runtime.running();
        let Some(id) = self.one_of(&running) else {
            return;
        };
        let Some(ended) = self.runtime.exit(&id, 1) else {
            return;
        };
        match self.random.below(2) {
            0 => self.feed(Input::EventsLost),
            _ => self.feed(Input::ContainerEnded(ended)),
        }
    }

    fn sandbox_dies(&mut self) {
        let ready = self.runtime.ready();
        if let Some((uid, id)) = self.one_of(&ready) {
            self.runtime.end_sandbox(&uid, &id);
            self.feed(Input::SandboxDied { uid, id });
        }
    }

    fn restart(&mut self) {
        self.asked.clear();
        self.untold.clear();
        self.stopped = false;
        self.kubelet = Process::start(&self.machine, None);
        self.say(Action::KubeletStarted(NODE.to_owned()));
        self.collect();
    }

    fn feed(&mut self, input: Input) {
        let actions: Vec<KubeletAction> = self.kubelet.tell(&self.machine, input);
        for action in actions {
            self.say(Action::Kubelet(NODE.to_owned(), action));
        }
        self.collect();
        if self.stopped {
            self.restart();
        }
    }

    fn say(&mut self, action: Action) {
        self.said.push(action);
        let action = &self.said[self.said.len() - 1];
        let accepted = self.accepted.accept(&self.specification, action);
        assert!(accepted, "{:#?} in {:#?}", self.accepted, self.said);
    }

    fn collect(&mut self) {
        while let Some(output) = self.kubelet.outbox.pop_front() {
            match output {
                Output::Abandon { pod, operation } => {
                    let abandoned = Output::Run { pod, operation };
                    self.asked.retain(|asked| *asked != abandoned);
                }
                Output::Event(_) | Output::Forget(_) => {}
                Output::Stopped => self.stopped = true,
                output => self.asked.push(output),
            }
        }
    }

    /// Something that was asked for is done, or fails.
    fn answer(&mut self, well: bool) {
        if self.asked.is_empty() {
            return;
        }
        let at = self.random.below(self.asked.len());
        let output = self.asked.remove(at);
        let away = || "away".to_owned();
        let written = match well {
            true => Written::Done,
            false => Written::Failed(away()),
        };
        let input = match output {
            Output::ListRuntime if well => self.runtime.listed(),
            Output::ListRuntime => Input::RuntimeFailed(away()),
            Output::FollowPods { .. } => {
                self.untold.clear();
                let pods = self.pods.values().map(|(_, pod)| pod.clone());
                Input::PodsListed {
                    revision: self.revision,
                    pods: pods.collect(),
                }
            }
            Output::Run { pod, operation } => {
                let outcome = match well {
                    true => self.runtime.run(&pod, &operation),
                    false => failed(),
                };
                let uid = pod.uid;
                Input::Done {
                    uid,
                    operation,
                    outcome,
                }
            }
            Output::WriteStatus { pod, status } => self.reported(pod.uid, &status, written),
            Output::DeletePod(pod) => {
                if well {
                    self.write(&pod.uid, Effect::Deleted);
                }
                let uid = pod.uid;
                let outcome = written;
                Input::PodDeleted { uid, outcome }
            }
            Output::RegisterNode(_) if well => self.register(),
            Output::RegisterNode(_) => Input::RegistrationFailed(away()),
            Output::WriteNodeStatus(_) => Input::NodeWritten(written),
            Output::RenewLease => Input::LeaseWritten(written),
            Output::Measure => Input::Measured(Measure {
                memory_available_bytes: 1 << 30,
                disk_free_permille: 500,
                pids_free_permille: 500,
            }),
            Output::Abandon { .. } | Output::Event(_) | Output::Forget(_) | Output::Stopped => {
                return;
            }
        };
        self.feed(input);
    }

    fn register(&mut self) -> Input {
        let effect = match self.registered {
            true => Effect::Updated,
            false => Effect::Created,
        };
        self.registered = true;
        let key = ObjectKey::new(kinds::nodes(), "", NODE);
        self.commit(key, NODE, 0, effect);
        Input::NodeRegistered {
            revision: self.revision,
        }
    }

    fn reported(&mut self, uid: String, status: &PodStatus, written: Written) -> Input {
        let outcome = match self.pods.contains_key(&uid) {
            true => written,
            false => Written::Absent,
        };
        if outcome == Written::Done {
            let four = [
                Phase::Pending,
                Phase::Running,
                Phase::Succeeded,
                Phase::Failed,
            ];
            let phase = four.into_iter().find(|one| one.as_str() == status.phase);
            let started = status.container_statuses.iter();
            let started = started.filter(|container| !container.container_id.is_empty());
            let started: BTreeMap<String, Former> = started
                .map(|container| {
                    let former = Former {
                        restarts: container.restart_count,
                        exit_code: None,
                    };
                    (container.name.clone(), former)
                })
                .collect();
            self.change(&uid, |pod| {
                pod.reported.phase = phase.unwrap_or_default();
                pod.reported.started = started;
            });
            self.write(&uid, Effect::Updated);
        }
        Input::StatusWritten { uid, outcome }
    }
}
