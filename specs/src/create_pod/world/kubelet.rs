//! A kubelet and its host: what it knows of each pod, what it does about it, and what the runtime really has.

use model::actions::kubelet::{KubeletAction, PodName};
use model::actions::transaction::Effect;

use crate::create_pod::Action;
use crate::create_pod::world::host::{Admission, Doing, Known, Kubelet, Life, Work};
use crate::create_pod::world::kubelet_choices::known;
use crate::create_pod::world::{CreatePodWorld, State, node_name};

impl CreatePodWorld {
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
