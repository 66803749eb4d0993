//! Random walks of the kubelet's machine through a world that crashes, loses events and changes its mind.
//!
//! The world is a runtime that really has containers or not, and an API of pods that come, are deleted gracefully or
//! by force, and come again under the same name. What must hold is looked at after every step (VERIFICATION.md,
//! create-pod and at-most-one).

use std::collections::{BTreeMap, BTreeSet};

use model::actions::kubelet::KubeletAction;
use model::machine::{Machine, Now, Out, Request, Step};
use model::machines::kubelet::pod::{Former, Phase, Pod};
use model::machines::kubelet::status::PodStatus;
use model::machines::kubelet::{
    Admission, Input, Kubelet, Operation, Outcome, Output, SandboxReport, State, Timer, Written,
};
use proptest::prelude::*;

use crate::kubelet::{kubelet, pod, report, sandbox};

/// One choice of the world.
#[derive(Clone, Debug)]
enum Choice {
    /// A new pod of one of two names.
    Create(u8, u16),
    /// A graceful deletion is asked for.
    Delete(u8),
    /// A pod is removed without grace.
    Force(u8),
    /// The informer tells the oldest change it has not told.
    Tell,
    /// The n-th outstanding request ends well.
    Well(u8),
    /// The n-th outstanding request ends badly.
    Badly(u8),
    /// A container ends by itself, the event is told or lost.
    Exit(u8, bool),
    /// A sandbox dies with its containers.
    Die(u8),
    /// A pending timer fires.
    Fire(u8),
    /// The kubelet is killed and started again.
    Crash,
}

fn choice() -> impl Strategy<Value = Choice> {
    prop_oneof![
        3 => (0..2u8, prop_oneof![Just(100u16), Just(900), Just(1500)]).prop_map(|(name, cpu)| Choice::Create(name, cpu)),
        2 => any::<u8>().prop_map(Choice::Delete),
        1 => any::<u8>().prop_map(Choice::Force),
        6 => Just(Choice::Tell),
        16 => any::<u8>().prop_map(Choice::Well),
        2 => any::<u8>().prop_map(Choice::Badly),
        2 => (any::<u8>(), any::<bool>()).prop_map(|(which, told)| Choice::Exit(which, told)),
        1 => any::<u8>().prop_map(Choice::Die),
        3 => any::<u8>().prop_map(Choice::Fire),
        1 => Just(Choice::Crash),
    ]
}

/// A change of the API that the informer has yet to tell.
#[derive(Clone, Debug)]
enum Change {
    Applied(u64, Pod),
    Gone(u64, String),
}

struct World {
    machine: Kubelet,
    state: State,
    now: Now,
    timers: BTreeSet<Timer>,
    outstanding: Vec<Output>,
    /// The API: pods by UID, the revision of the last change, changes not told yet.
    api: BTreeMap<String, Pod>,
    revision: u64,
    untold: Vec<Change>,
    following: bool,
    /// The runtime: sandboxes by id, live containers (UID, name) with their attempt.
    sandboxes: BTreeMap<String, SandboxReport>,
    live: BTreeMap<(String, String), u32>,
    dead: BTreeMap<(String, String), u32>,
    /// What was seen: deletions told to the kubelet, phases written, pods created so far.
    told_deleting: BTreeSet<String>,
    phases: BTreeMap<String, u8>,
    created: u32,
    started: u32,
}

fn rank(phase: &str) -> u8 {
    match phase {
        "Pending" => 0,
        "Running" => 1,
        _ => 2,
    }
}

impl World {
    fn new() -> Self {
        let machine = kubelet();
        let mut out = Out::new();
        let state = machine.start(None, Now(1), &mut out);
        let mut world = World {
            machine,
            state,
            now: Now(1),
            timers: BTreeSet::new(),
            outstanding: Vec::new(),
            api: BTreeMap::new(),
            revision: 1,
            untold: Vec::new(),
            following: false,
            sandboxes: BTreeMap::new(),
            live: BTreeMap::new(),
            dead: BTreeMap::new(),
            told_deleting: BTreeSet::new(),
            phases: BTreeMap::new(),
            created: 0,
            started: 0,
        };
        world.take(&mut out);
        world
    }

    fn take(&mut self, out: &mut Out<Kubelet>) {
        for request in out.drain() {
            match request {
                Request::Output(Output::FollowPods { .. }) => {
                    self.following = true;
                    self.untold.clear();
                    self.outstanding.push(Output::FollowPods { not_before: 0 });
                }
                Request::Output(Output::Abandon { pod, operation }) => {
                    self.outstanding.retain(|output| {
                        *output
                            != Output::Run {
                                pod: pod.clone(),
                                operation: operation.clone(),
                            }
                    });
                }
                Request::Output(Output::Event(_) | Output::Measure | Output::Forget(_)) => {}
                Request::Output(output) => {
                    if let Output::Run { pod, operation } = &output {
                        self.may_run(&pod.uid, operation);
                    }
                    self.outstanding.push(output);
                }
                Request::Timer(timer, _) => {
                    self.timers.insert(timer);
                }
                Request::Cancel(timer) => {
                    self.timers.remove(&timer);
                }
            }
        }
    }

    /// What is asked of the runtime is allowed at the moment of asking.
    fn may_run(&self, uid: &str, operation: &Operation) {
        if operation.starts() {
            assert!(
                !self.told_deleting.contains(uid),
                "{operation:?} of {uid} after its end was told"
            );
            let known = self.state.pods[uid].pod.as_ref();
            let known = known.expect("a start is only for a pod that the API has");
            assert_eq!(known.node_name, "node-1");
        }
        if let Operation::StartContainer { .. } = operation {
            let name = &self.state.pods[uid].name;
            for (other, _) in self.live.keys() {
                let namesake = self.name_of(other) == name.name && other != uid;
                assert!(
                    !namesake,
                    "{uid} starts while {other} of the same name is alive"
                );
            }
        }
    }

    fn name_of(&self, uid: &str) -> String {
        uid.split('-').next().unwrap_or_default().to_owned()
    }

    fn feed(&mut self, input: Input) {
        self.now = Now(self.now.0 + 1);
        let before = self.state.clone();
        let mut out = Out::new();
        match self
            .machine
            .step(&mut self.state, self.now, input, &mut out)
        {
            Step::Moved(actions) => self.note(&actions),
            Step::Nothing | Step::Refused(_) => {
                assert!(out.is_empty());
                assert_eq!(before, self.state);
            }
        }
        self.take(&mut out);
        self.hold();
    }

    fn note(&mut self, actions: &[KubeletAction]) {
        for action in actions {
            match action {
                KubeletAction::DeletionSeen { pod, .. } | KubeletAction::PodGone { pod } => {
                    self.told_deleting.insert(pod.uid.clone());
                }
                _ => {}
            }
        }
    }

    fn hold(&self) {
        let (mut cpu, mut pods) = (0, 0);
        for record in self.state.pods.values() {
            if record.holds_resources() {
                cpu += record.requests.cpu_milli;
                pods += 1;
            }
        }
        assert!(
            cpu <= 2000 && pods <= 3,
            "overcommitted: {cpu}m in {pods} pods"
        );
        let mut names = BTreeSet::new();
        for (uid, container) in self.live.keys() {
            assert!(
                names.insert((self.name_of(uid), container)),
                "two live containers of one pod name: {:?}",
                self.live
            );
        }
    }

    fn pick<T: Clone>(list: impl Iterator<Item = T>, which: u8) -> Option<T> {
        let all: Vec<T> = list.collect();
        (!all.is_empty()).then(|| all[usize::from(which) % all.len()].clone())
    }

    fn change(&mut self, uid: &str, change: impl FnOnce(&mut Pod)) {
        self.revision += 1;
        if let Some(pod) = self.api.get_mut(uid) {
            change(pod);
            self.untold
                .push(Change::Applied(self.revision, pod.clone()));
        }
    }

    fn remove(&mut self, uid: &str) {
        if self.api.remove(uid).is_some() {
            self.revision += 1;
            self.untold
                .push(Change::Gone(self.revision, uid.to_owned()));
        }
    }

    fn step(&mut self, choice: Choice) {
        match choice {
            Choice::Create(name, cpu) => {
                let name = ["a", "b"][usize::from(name) % 2];
                if self.api.values().any(|pod| pod.name.name == name) {
                    return;
                }
                self.created += 1;
                let uid = format!("{name}-{}", self.created);
                let pod = pod(&format!("{name} {uid} cpu={cpu}")).expect("a pod");
                self.api.insert(uid.clone(), pod);
                self.change(&uid, |_| {});
            }
            Choice::Delete(which) => {
                if let Some(uid) = Self::pick(self.api.keys().cloned(), which) {
                    self.change(&uid, |pod| pod.deleting = true);
                }
            }
            Choice::Force(which) => {
                if let Some(uid) = Self::pick(self.api.keys().cloned(), which) {
                    self.remove(&uid);
                }
            }
            Choice::Tell => self.tell(),
            Choice::Well(which) => self.answer(which, true),
            Choice::Badly(which) => self.answer(which, false),
            Choice::Exit(which, told) => {
                let Some((uid, name)) = Self::pick(self.live.keys().cloned(), which) else {
                    return;
                };
                if let Some(attempt) = self.live.remove(&(uid.clone(), name.clone())) {
                    self.dead.insert((uid.clone(), name.clone()), attempt);
                    if told {
                        self.feed(Input::ContainerEnded(report(
                            &uid, &name, attempt, "exited:1", self.now,
                        )));
                    } else {
                        self.feed(Input::EventsLost);
                    }
                }
            }
            Choice::Die(which) => {
                if let Some(id) = Self::pick(self.sandboxes.keys().cloned(), which) {
                    let uid = self.sandboxes[&id].uid.clone();
                    self.kill(&uid);
                    if let Some(sandbox) = self.sandboxes.get_mut(&id) {
                        sandbox.ready = false;
                    }
                    self.feed(Input::SandboxDied { uid, id });
                }
            }
            Choice::Fire(which) => {
                if let Some(timer) = Self::pick(self.timers.iter().cloned(), which) {
                    self.timers.remove(&timer);
                    self.feed(Input::Fired(timer));
                }
            }
            Choice::Crash => {
                let mut out = Out::new();
                self.state = self.machine.start(None, self.now, &mut out);
                self.timers.clear();
                self.outstanding.clear();
                self.untold.clear();
                self.following = false;
                self.told_deleting.clear();
                self.take(&mut out);
            }
        }
    }

    fn tell(&mut self) {
        if !self.following || self.untold.is_empty() || !self.state.pods_listed {
            return;
        }
        match self.untold.remove(0) {
            Change::Applied(revision, pod) => self.feed(Input::PodApplied { revision, pod }),
            Change::Gone(revision, uid) => self.feed(Input::PodGone {
                revision,
                uid,
                grace_s: None,
            }),
        }
    }

    fn kill(&mut self, uid: &str) {
        let live: Vec<_> = self
            .live
            .keys()
            .filter(|(of, _)| of == uid)
            .cloned()
            .collect();
        for key in live {
            if let Some(attempt) = self.live.remove(&key) {
                self.dead.insert(key, attempt);
            }
        }
    }

    fn answer(&mut self, which: u8, well: bool) {
        if self.outstanding.is_empty() {
            return;
        }
        let output = self
            .outstanding
            .remove(usize::from(which) % self.outstanding.len());
        let written = if well {
            Written::Done
        } else {
            Written::Failed("away".to_owned())
        };
        let input = match output {
            Output::ListRuntime if well => {
                let mut containers = Vec::new();
                for ((uid, name), attempt) in &self.live {
                    containers.push(report(uid, name, *attempt, "running", self.now));
                }
                for ((uid, name), attempt) in &self.dead {
                    if !self.live.contains_key(&(uid.clone(), name.clone())) {
                        containers.push(report(uid, name, *attempt, "exited:1", self.now));
                    }
                }
                for report in &mut containers {
                    let newest = self
                        .sandboxes
                        .values()
                        .rev()
                        .find(|sandbox| sandbox.uid == report.uid);
                    report.sandbox = newest.map(|sandbox| sandbox.id.clone()).unwrap_or_default();
                }
                Input::RuntimeListed {
                    sandboxes: self.sandboxes.values().cloned().collect(),
                    containers,
                }
            }
            Output::ListRuntime => Input::RuntimeFailed("away".to_owned()),
            Output::FollowPods { .. } => {
                // A list may be old, as of before the last changes; the machine refuses what is too old.
                self.untold.clear();
                Input::PodsListed {
                    revision: self.revision,
                    pods: self.api.values().cloned().collect(),
                }
            }
            Output::Run { pod, operation } => self.run(&pod.name, pod.uid, operation, well),
            Output::WriteStatus { pod, status } => {
                let there = self.api.contains_key(&pod.uid);
                if there && well {
                    self.report(&pod.uid, &status);
                }
                Input::StatusWritten {
                    outcome: if there { written } else { Written::Absent },
                    uid: pod.uid,
                }
            }
            Output::DeletePod(pod) => {
                if well {
                    assert!(
                        !self.live.keys().any(|(uid, _)| *uid == pod.uid),
                        "removed alive"
                    );
                    self.remove(&pod.uid);
                }
                Input::PodDeleted {
                    uid: pod.uid,
                    outcome: written,
                }
            }
            Output::RegisterNode(_) if well => {
                self.revision += 1;
                Input::NodeRegistered {
                    revision: self.revision,
                }
            }
            Output::RegisterNode(_) => Input::RegistrationFailed("away".to_owned()),
            Output::WriteNodeStatus(_) => Input::NodeWritten(written),
            Output::RenewLease => Input::LeaseWritten(written),
            other => panic!("nobody answers {other:?}"),
        };
        self.feed(input);
    }

    /// The API takes a status.
    fn report(&mut self, uid: &str, status: &PodStatus) {
        let phase = rank(&status.phase);
        let before = self.phases.insert(uid.to_owned(), phase).unwrap_or(0);
        assert!(before <= phase, "the phase of {uid} went back");
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
        let phase = [Phase::Pending, Phase::Running, Phase::Failed][usize::from(phase)];
        self.change(uid, |pod| {
            pod.reported.phase = phase;
            pod.reported.started = started;
        });
    }

    fn run(&mut self, name: &str, uid: String, operation: Operation, well: bool) -> Input {
        let mut outcome = Outcome::Done;
        match &operation {
            _ if !well => {
                outcome = Outcome::Failed {
                    reason: "CreateContainerError".to_owned(),
                    message: "no luck".to_owned(),
                }
            }
            Operation::CreateSandbox { attempt } => {
                let mut made = sandbox(name, &uid, *attempt, true);
                made.requests = self.state.pods[&uid].requests;
                outcome = Outcome::Sandbox {
                    id: made.id.clone(),
                    ips: made.ips.clone(),
                };
                self.sandboxes.insert(made.id.clone(), made);
            }
            Operation::EnsureImage { .. } => {
                outcome = Outcome::Image {
                    id: "sha256:echo".to_owned(),
                    pulled: true,
                }
            }
            Operation::StartContainer { container, attempt } => {
                let key = (uid.clone(), container.clone());
                assert!(
                    !self.live.contains_key(&key),
                    "a second instance of {key:?}"
                );
                self.started += 1;
                self.live.insert(key, *attempt);
                outcome = Outcome::Started(report(&uid, container, *attempt, "running", self.now));
            }
            Operation::StopContainers { .. } => {
                self.kill(&uid);
                outcome = Outcome::Stopped(Vec::new());
            }
            Operation::StopSandbox { id } => {
                self.kill(&uid);
                if let Some(sandbox) = self.sandboxes.get_mut(id) {
                    sandbox.ready = false;
                }
            }
            Operation::RemoveSandbox { id } => {
                self.kill(&uid);
                self.dead.retain(|(of, _), _| *of != uid);
                self.sandboxes.remove(id);
            }
            _ => {}
        }
        Input::Done {
            uid,
            operation,
            outcome,
        }
    }

    /// No more faults: everything is told and answered well until nothing is left to do.
    fn quiet(&mut self) {
        for _ in 0..2_000 {
            self.tell();
            if self.outstanding.is_empty() && (self.untold.is_empty() || !self.following) {
                let due: Vec<Timer> = self
                    .timers
                    .iter()
                    .filter(|timer| {
                        matches!(
                            timer,
                            Timer::Pod(_)
                                | Timer::Container(_, _)
                                | Timer::Status(_)
                                | Timer::Register
                                | Timer::Runtime
                        )
                    })
                    .cloned()
                    .collect();
                if due.is_empty() {
                    return;
                }
                for timer in due {
                    self.timers.remove(&timer);
                    self.feed(Input::Fired(timer));
                }
            }
            self.answer(0, true);
        }
        panic!("the kubelet does not come to rest: {:?}", self.outstanding);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// At most one, no start after the end was told, no overcommitment, phases forward: asserted on the way. At rest
    /// the runtime has exactly the pods that the API has and that were admitted, and every deletion is carried out.
    #[test]
    fn walks(choices in prop::collection::vec(choice(), 1..300)) {
        let mut world = World::new();
        for choice in choices {
            world.step(choice);
        }
        world.quiet();
        for (uid, pod) in &world.api {
            prop_assert!(!pod.deleting, "{uid} was deleted and is still there");
            let record = &world.state.pods[uid];
            let failed = record.inherited || matches!(record.admission, Admission::Rejected(_, _));
            let alive = world.live.keys().any(|(of, _)| of == uid);
            prop_assert!(alive != failed, "{uid}: alive {alive}, rejected {failed}");
        }
        for (uid, _) in world.live.keys() {
            prop_assert!(world.api.contains_key(uid), "{uid} is left over");
        }
        prop_assert_eq!(world.state.pods.len(), world.api.len());
    }
}

/// The walks go where it matters: containers start, and restarts of the kubelet find some alive.
#[test]
fn walks_start_containers() {
    let mut world = World::new();
    for choice in [Choice::Create(0, 100), Choice::Create(1, 100)] {
        world.step(choice);
    }
    world.quiet();
    assert_eq!(world.started, 2);
    world.step(Choice::Crash);
    world.quiet();
    assert_eq!(
        world.started, 2,
        "a restart of the kubelet starts nothing again"
    );
    assert_eq!(world.live.len(), 2);
}
