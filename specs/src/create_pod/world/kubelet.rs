//! A kubelet and its host: what it knows of each pod, what it does about it, and what the runtime really has.

use model::actions::kubelet::{KubeletAction, PodName};
use model::actions::transaction::Effect;
use model::machines::kubelet::pod::Phase;

use crate::create_pod::Action;
use crate::create_pod::world::{Api, Choice, CreatePodWorld, PODS, State, node_name};

/// What a kubelet knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Kubelet {
    /// Whether its process has listed the runtime and registered the node.
    pub up: bool,
    /// Whether it has listed its pods since.
    pub listed: bool,
    /// Its pods.
    pub work: [Work; PODS],
}

/// A pod as a kubelet has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Work {
    /// What the API has told of it.
    pub known: Known,
    /// Whether it was accepted.
    pub admission: Admission,
    /// What the runtime was asked.
    pub doing: Doing,
    /// The phase that the API has, as this process knows.
    pub told: Phase,
    /// The phase on its way there.
    pub sent: Option<Phase>,
    /// Whether the removal of its object was asked for and not answered.
    pub removing: bool,
    /// Whether that was answered.
    pub removed: bool,
}

/// What the API has told of a pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Known {
    /// Nothing.
    #[default]
    Nothing,
    /// It is bound to this node.
    Bound,
    /// It is being deleted.
    Deleting,
    /// It is no more.
    Gone,
}

/// Whether a pod was accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Admission {
    /// Not decided.
    #[default]
    Undecided,
    /// Its room is set aside.
    Admitted,
    /// There is no room.
    Rejected,
}

/// What the runtime was asked and has not answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Doing {
    /// Nothing.
    #[default]
    Nothing,
    /// To start the container.
    Starting,
    /// To stop it.
    Stopping,
}

/// A machine and its runtime, which outlives its kubelet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Host {
    /// Whether it has power.
    pub on: bool,
    /// The container of each pod.
    pub lives: [Life; PODS],
}

/// A container as it truly is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Life {
    /// There is none.
    #[default]
    None,
    /// It runs.
    Running,
    /// It has ended by itself.
    Done,
    /// It was stopped, or lost with the power.
    Killed,
}

impl Life {
    /// Whether it runs.
    pub fn alive(self) -> bool {
        self == Life::Running
    }
}

impl Kubelet {
    /// Whether a pod holds room: it was accepted and has not ended, or it runs.
    pub fn holds_room(&self, pod: usize, host: &Host) -> bool {
        let work = &self.work[pod];
        let alive = host.lives[pod].alive() || work.doing == Doing::Starting;
        let ended = work.told.terminal() || work.removing || work.removed;
        let admitted = work.admission == Admission::Admitted && !ended;
        alive || admitted && work.known != Known::Gone
    }
}

/// What the API has to tell a kubelet of a pod.
fn known(api: &Api, node: usize, pod: usize) -> Known {
    let object = &api.pods[pod];
    if !object.is_on(node) {
        Known::Nothing
    } else if object.deleting {
        Known::Deleting
    } else {
        Known::Bound
    }
}

impl CreatePodWorld {
    pub(super) fn host_choices(&self, state: &State, node: usize, choices: &mut Vec<Choice>) {
        let host = &state.hosts[node];
        if !host.on {
            choices.push(Choice::PowerOn(node));
            return;
        }
        if state.left.losses.min(state.left.any) > 0 {
            choices.push(Choice::PowerOff(node));
        }
        for pod in 0..self.plan.len() {
            let busy = state.kubelets[node].work[pod].doing != Doing::Nothing;
            if state.left.ends.min(state.left.any) > 0 && host.lives[pod].alive() && !busy {
                choices.push(Choice::End(node, pod));
            }
        }
    }

    pub(super) fn kubelet_choices(&self, state: &State, node: usize, choices: &mut Vec<Choice>) {
        let kubelet = &state.kubelets[node];
        if !kubelet.up {
            if state.hosts[node].on {
                choices.push(Choice::KubeletStarts(node));
            }
            return;
        }
        if self.has_news(state, node) {
            choices.push(Choice::KubeletSees(node));
        }
        if state.left.kubelet_crashes.min(state.left.any) > 0 {
            choices.push(Choice::KubeletCrash(node, false));
            let waits =
                |work: &Work| work.doing != Doing::Nothing || work.sent.is_some() || work.removing;
            if kubelet.work.iter().any(waits) {
                choices.push(Choice::KubeletCrash(node, true));
            }
        }
        if !kubelet.listed {
            return;
        }
        for pod in 0..self.plan.len() {
            self.pod_choices(state, node, pod, choices);
        }
    }

    fn pod_choices(&self, state: &State, node: usize, pod: usize, choices: &mut Vec<Choice>) {
        let kubelet = &state.kubelets[node];
        let work = &kubelet.work[pod];
        let alive = state.hosts[node].lives[pod].alive();
        if work.sent.is_some() {
            choices.push(Choice::Persist(node, pod));
        }
        if work.removing {
            choices.push(Choice::Removed(node, pod));
        }
        match work.doing {
            Doing::Starting => {
                choices.push(Choice::Started(node, pod));
                if state.left.failed_starts.min(state.left.any) > 0 {
                    choices.push(Choice::FailedStart(node, pod));
                }
            }
            Doing::Stopping => choices.push(Choice::Stopped(node, pod)),
            Doing::Nothing => match work.known {
                Known::Nothing => {}
                Known::Bound => {
                    let undecided = work.admission == Admission::Undecided;
                    if undecided
                        && !work.told.terminal()
                        && self.verdict(state, node, pod).is_some()
                    {
                        choices.push(Choice::Admit(node, pod));
                    }
                    if self.may_start(state, node, pod) {
                        choices.push(Choice::Start(node, pod));
                    }
                }
                Known::Deleting | Known::Gone if alive => choices.push(Choice::Stop(node, pod)),
                Known::Deleting => {
                    let told = work.sent.is_none() && self.phase(state, node, pod) == work.told;
                    if told && !work.removing && !work.removed {
                        choices.push(Choice::Remove(node, pod));
                    }
                }
                Known::Gone => {}
            },
        }
        let reports = matches!(work.known, Known::Bound | Known::Deleting)
            && work.sent.is_none()
            && !work.removing
            && !work.removed;
        if reports && self.phase(state, node, pod) != work.told {
            choices.push(Choice::Report(node, pod));
        }
    }

    fn has_news(&self, state: &State, node: usize) -> bool {
        let kubelet = &state.kubelets[node];
        let news = |pod: usize| match (known(&state.api, node, pod), kubelet.work[pod].known) {
            (Known::Nothing, Known::Nothing | Known::Gone) => false,
            (now, before) => now != before,
        };
        !kubelet.listed || (0..self.plan.len()).any(news)
    }

    /// Whether the node takes the pod; `None` while it waits for pods that are gone and have not ended.
    fn verdict(&self, state: &State, node: usize, pod: usize) -> Option<Admission> {
        let (kubelet, host) = (&state.kubelets[node], &state.hosts[node]);
        let holders = |gone_too: bool| {
            let holds = |other: &usize| {
                *other != pod
                    && kubelet.holds_room(*other, host)
                    && (gone_too || kubelet.work[*other].known != Known::Gone)
            };
            (0..PODS).filter(holds).count()
        };
        if host.lives[pod].alive() || holders(true) < self.room {
            Some(Admission::Admitted)
        } else if holders(false) < self.room {
            None
        } else {
            Some(Admission::Rejected)
        }
    }

    fn may_start(&self, state: &State, node: usize, pod: usize) -> bool {
        let (kubelet, host) = (&state.kubelets[node], &state.hosts[node]);
        let work = &kubelet.work[pod];
        let wanted = match host.lives[pod] {
            Life::None => true,
            Life::Running => false,
            Life::Done | Life::Killed => self.plan[pod].restarts,
        };
        // A namesake ends first.
        let namesake = |other: &usize| {
            *other != pod
                && self.plan[*other].name == self.plan[pod].name
                && (host.lives[*other].alive() || kubelet.work[*other].doing != Doing::Nothing)
        };
        wanted
            && work.admission == Admission::Admitted
            && !work.told.terminal()
            && !(0..self.plan.len()).any(|other| namesake(&other))
    }

    /// The phase that a pod is in, never behind what was told.
    fn phase(&self, state: &State, node: usize, pod: usize) -> Phase {
        let work = &state.kubelets[node].work[pod];
        if work.told.terminal() {
            return work.told;
        }
        let life = state.hosts[node].lives[pod];
        let stays = work.known == Known::Deleting || !self.plan[pod].restarts;
        let now = match (work.admission, life) {
            (Admission::Rejected, _) => Phase::Failed,
            (_, Life::None) if work.known == Known::Deleting && work.doing == Doing::Nothing => {
                Phase::Failed
            }
            (_, Life::None) => Phase::Pending,
            (_, Life::Running) => Phase::Running,
            (_, Life::Done) if stays => Phase::Succeeded,
            (_, Life::Killed) if stays => Phase::Failed,
            (_, Life::Done | Life::Killed) => Phase::Running,
        };
        now.max(work.told)
    }

    /// The kubelet of a node says something of a pod.
    fn tell(
        &self,
        state: &mut State,
        node: usize,
        pod: usize,
        action: impl FnOnce(PodName) -> KubeletAction,
    ) {
        let name = PodName {
            namespace: "default".to_owned(),
            name: self.plan[pod].name.to_owned(),
            uid: self.uid(pod),
        };
        self.say(state, [Action::Kubelet(node_name(node), action(name))]);
    }

    pub(super) fn kubelet_sees(&self, state: &mut State, node: usize) {
        let first = !std::mem::replace(&mut state.kubelets[node].listed, true);
        for pod in 0..self.plan.len() {
            let now = known(&state.api, node, pod);
            let work = &mut state.kubelets[node].work[pod];
            let before = work.known;
            match now {
                Known::Nothing if matches!(before, Known::Bound | Known::Deleting) => {
                    work.known = Known::Gone;
                    self.tell(state, node, pod, |pod| KubeletAction::PodGone { pod });
                }
                // It runs here and the API has nothing of it.
                Known::Nothing if first && state.hosts[node].lives[pod] != Life::None => {
                    work.known = Known::Gone;
                }
                Known::Nothing => {}
                _ => {
                    work.known = now;
                    if before == Known::Nothing {
                        work.told = state.api.pods[pod].phase;
                    }
                    if now == Known::Deleting && before != Known::Deleting {
                        let grace_s = 30;
                        self.tell(state, node, pod, |pod| KubeletAction::DeletionSeen {
                            pod,
                            grace_s,
                        });
                    }
                }
            }
        }
        self.forget(state, node);
    }

    /// A pod of which nothing is left anywhere is forgotten.
    fn forget(&self, state: &mut State, node: usize) {
        for pod in 0..self.plan.len() {
            let work = &state.kubelets[node].work[pod];
            let alive = state.hosts[node].lives[pod].alive();
            let clean = !alive && work.doing == Doing::Nothing && work.sent.is_none();
            if work.known == Known::Gone && clean && !work.removing {
                state.kubelets[node].work[pod] = Work::default();
                state.hosts[node].lives[pod] = Life::None;
                self.tell(state, node, pod, |pod| KubeletAction::PodForgotten { pod });
            }
        }
    }

    pub(super) fn admit(&self, state: &mut State, node: usize, pod: usize) {
        let Some(admission) = self.verdict(state, node, pod) else {
            return;
        };
        state.kubelets[node].work[pod].admission = admission;
        self.tell(state, node, pod, |pod| match admission {
            Admission::Admitted => KubeletAction::PodAdmitted {
                pod,
                cpu_milli: 1,
                memory_bytes: 0,
            },
            _ => KubeletAction::PodRejected {
                pod,
                reason: "OutOfcpu".to_owned(),
            },
        });
    }

    pub(super) fn start(&self, state: &mut State, node: usize, pod: usize) {
        state.kubelets[node].work[pod].doing = Doing::Starting;
        state.hosts[node].lives[pod] = Life::None;
        self.tell(state, node, pod, |pod| KubeletAction::ContainerStarting {
            pod,
            container: CONTAINER.to_owned(),
            attempt: 0,
        });
    }

    pub(super) fn started(&self, state: &mut State, node: usize, pod: usize) {
        state.kubelets[node].work[pod].doing = Doing::Nothing;
        state.hosts[node].lives[pod] = Life::Running;
        self.tell(state, node, pod, |pod| KubeletAction::ContainerStarted {
            pod,
            container: CONTAINER.to_owned(),
            attempt: 0,
        });
    }

    pub(super) fn failed_start(&self, state: &mut State, node: usize, pod: usize) {
        state.left.failed_starts -= 1;
        state.left.any -= 1;
        state.kubelets[node].work[pod].doing = Doing::Nothing;
        self.tell(state, node, pod, |pod| KubeletAction::ContainerFailed {
            pod,
            container: CONTAINER.to_owned(),
            reason: "RunContainerError".to_owned(),
        });
        self.forget(state, node);
    }

    pub(super) fn end(&self, state: &mut State, node: usize, pod: usize) {
        state.left.ends -= 1;
        state.left.any -= 1;
        state.hosts[node].lives[pod] = Life::Done;
        if state.kubelets[node].up {
            self.ended(state, node, pod, 0);
            self.forget(state, node);
        }
    }

    fn ended(&self, state: &mut State, node: usize, pod: usize, exit_code: i32) {
        self.tell(state, node, pod, |pod| KubeletAction::ContainerEnded {
            pod,
            container: CONTAINER.to_owned(),
            attempt: 0,
            exit_code,
        });
    }

    pub(super) fn stop(&self, state: &mut State, node: usize, pod: usize) {
        state.kubelets[node].work[pod].doing = Doing::Stopping;
        let grace_s = 30;
        self.tell(state, node, pod, |pod| KubeletAction::StopAsked {
            pod,
            grace_s,
        });
    }

    pub(super) fn stopped(&self, state: &mut State, node: usize, pod: usize) {
        state.kubelets[node].work[pod].doing = Doing::Nothing;
        state.hosts[node].lives[pod] = Life::Killed;
        self.tell(state, node, pod, |pod| KubeletAction::PodStopped { pod });
        self.forget(state, node);
    }

    pub(super) fn report(&self, state: &mut State, node: usize, pod: usize) {
        let phase = self.phase(state, node, pod);
        state.kubelets[node].work[pod].sent = Some(phase);
        self.tell(state, node, pod, |pod| KubeletAction::StatusReporting {
            pod,
            phase: phase.as_str().to_owned(),
        });
    }

    pub(super) fn persist(&self, state: &mut State, node: usize, pod: usize) {
        if let Some(phase) = state.kubelets[node].work[pod].sent.take() {
            self.write_phase(state, pod, phase);
            state.kubelets[node].work[pod].told = phase;
            self.tell(state, node, pod, |pod| KubeletAction::StatusReported {
                pod,
            });
            self.forget(state, node);
        }
    }

    pub(super) fn remove(&self, state: &mut State, node: usize, pod: usize) {
        state.kubelets[node].work[pod].removing = true;
        self.tell(state, node, pod, |pod| KubeletAction::RemovalAsked { pod });
    }

    pub(super) fn removed(&self, state: &mut State, node: usize, pod: usize) {
        self.remove_object(state, pod);
        let work = &mut state.kubelets[node].work[pod];
        (work.removing, work.removed) = (false, true);
        self.tell(state, node, pod, |pod| KubeletAction::PodRemoved { pod });
        self.forget(state, node);
    }

    pub(super) fn kubelet_crash(&self, state: &mut State, node: usize, done: bool) {
        state.left.kubelet_crashes -= 1;
        state.left.any -= 1;
        let before = std::mem::take(&mut state.kubelets[node]);
        if !done {
            return;
        }
        for (pod, work) in before.work.iter().enumerate() {
            match work.doing {
                Doing::Nothing => {}
                Doing::Starting => state.hosts[node].lives[pod] = Life::Running,
                Doing::Stopping => state.hosts[node].lives[pod] = Life::Killed,
            }
            if let Some(phase) = work.sent {
                self.write_phase(state, pod, phase);
            }
            if work.removing {
                self.remove_object(state, pod);
            }
        }
    }

    pub(super) fn kubelet_starts(&self, state: &mut State, node: usize) {
        state.kubelets[node].up = true;
        let lives = state.hosts[node].lives;
        let running = lives.iter().filter(|life| life.alive()).count() as u32;
        let listed = KubeletAction::RuntimeListed { running };
        let actions = [
            Action::KubeletStarted(node_name(node)),
            Action::Kubelet(node_name(node), listed),
        ];
        self.say(state, actions);
        for pod in (0..self.plan.len()).filter(|pod| lives[*pod].alive()) {
            self.tell(state, node, pod, |pod| KubeletAction::ContainerAdopted {
                pod,
                container: CONTAINER.to_owned(),
                attempt: 0,
            });
        }
        let there = std::mem::replace(&mut state.api.nodes[node], true);
        let effect = if there {
            Effect::Updated
        } else {
            Effect::Created
        };
        self.node_written(state, node, effect);
        let registered = KubeletAction::NodeRegistered { revision: 1 };
        self.say(state, [Action::Kubelet(node_name(node), registered)]);
    }

    pub(super) fn power_off(&self, state: &mut State, node: usize) {
        state.left.losses -= 1;
        state.left.any -= 1;
        state.kubelets[node] = Kubelet::default();
        let host = &mut state.hosts[node];
        host.on = false;
        for life in host.lives.iter_mut().filter(|life| life.alive()) {
            *life = Life::Killed;
        }
    }
}

/// The name of every pod's only container.
const CONTAINER: &str = "main";
