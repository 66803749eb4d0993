//! The world's choices, and what must hold after each.

use std::collections::{BTreeMap, BTreeSet};

use model::actions::kubelet::KubeletAction;
use model::machine::{Machine, Now, Out, Request, Step};
use model::machines::kubelet::pod::Pod;
use model::machines::kubelet::{Input, Kubelet, Operation, Output, Timer};

use super::{Change, Choice, World};
use crate::kubelet_notation::{kubelet, pod, report};

impl World {
    pub(super) fn new() -> Self {
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

    pub(super) fn feed(&mut self, input: Input) {
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

    pub(super) fn change(&mut self, uid: &str, change: impl FnOnce(&mut Pod)) {
        self.revision += 1;
        if let Some(pod) = self.api.get_mut(uid) {
            change(pod);
            self.untold
                .push(Change::Applied(self.revision, pod.clone()));
        }
    }

    pub(super) fn remove(&mut self, uid: &str) {
        if self.api.remove(uid).is_some() {
            self.revision += 1;
            self.untold
                .push(Change::Gone(self.revision, uid.to_owned()));
        }
    }

    pub(super) fn step(&mut self, choice: Choice) {
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

    pub(super) fn kill(&mut self, uid: &str) {
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

    /// No more faults: everything is told and answered well until nothing is left to do.
    pub(super) fn quiet(&mut self) {
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
                                | Timer::Deadline(_)
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
