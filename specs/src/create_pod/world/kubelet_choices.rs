//! What a kubelet and its host may do next.

use model::machines::kubelet::pod::Phase;

use crate::create_pod::world::host::{Admission, Doing, Known, Life, Work};
use crate::create_pod::world::{Api, Choice, CreatePodWorld, PODS, State};

/// What the API has to tell a kubelet of a pod.
pub(super) fn known(api: &Api, node: usize, pod: usize) -> Known {
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

    pub(super) fn pod_choices(
        &self,
        state: &State,
        node: usize,
        pod: usize,
        choices: &mut Vec<Choice>,
    ) {
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

    pub(super) fn has_news(&self, state: &State, node: usize) -> bool {
        let kubelet = &state.kubelets[node];
        let news = |pod: usize| match (known(&state.api, node, pod), kubelet.work[pod].known) {
            (Known::Nothing, Known::Nothing | Known::Gone) => false,
            (now, before) => now != before,
        };
        !kubelet.listed || (0..self.plan.len()).any(news)
    }

    /// Whether the node takes the pod; `None` while it waits for pods that are gone and have not ended.
    pub(super) fn verdict(&self, state: &State, node: usize, pod: usize) -> Option<Admission> {
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

    pub(super) fn may_start(&self, state: &State, node: usize, pod: usize) -> bool {
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
    pub(super) fn phase(&self, state: &State, node: usize, pod: usize) -> Phase {
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
}
