//! One pod, by its UID: written by compare-and-swap, bound once, started only where and while it may be, removed only
//! with proof that nothing of it is left.

use std::collections::BTreeMap;

use model::actions::kubelet::KubeletAction;
use model::actions::scheduler::SchedulerAction;
use model::actions::transaction::{Effect, TransactionAction};
use model::machines::kubelet::pod::Phase;

use crate::create_pod::{Action, node_written, pod_written};
use crate::specification::{Refused, Specification, guard, present};

/// What holds of each pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PodSpecification {
    /// Whether users may remove a pod that is bound without waiting for its kubelet (`--force --grace-period=0`).
    /// Who does vouches that nothing of it runs nor will; a kubelet that has not seen it go may go on all the same, and
    /// that is not held against it. Without this such a removal is a violation.
    pub users_may_force: bool,
}

/// Whether the API has an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Object {
    /// Not yet.
    #[default]
    Absent,
    /// Yes.
    Present,
    /// Not any more.
    Removed,
}

/// What has happened to a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pod {
    /// Its object.
    pub object: Object,
    /// The revision of the object's last write.
    pub revision: u64,
    /// Writes that were sent to the store, with the revision that they expect.
    pub attempts: BTreeMap<(u32, u64), u64>,
    /// A write was sent and nobody knows what became of it: what the API has is not known from here on.
    pub uncertain: bool,
    /// Where it is bound to.
    pub node: Option<String>,
    /// Whether its deletion was asked for.
    pub deleting: bool,
    /// Whether its node was gone at some time since its deletion was asked for, or is.
    pub node_gone: bool,
    /// Its phase, as its kubelet knows that the API has it.
    pub phase: Phase,
    /// The phase that this process of its kubelet has reported last.
    pub reporting: Option<Phase>,
    /// Whether a process of its kubelet has reported that it has ended; the API may have that without an answer.
    pub end_reported: bool,
    /// Whether this process of its kubelet has admitted it.
    pub admitted: bool,
    /// Whether a process of its kubelet, this or an earlier one, has learnt that it ends.
    pub ending: bool,
    /// Whether its kubelet has asked for the object's removal: nothing was left.
    pub removal_asked: bool,
    /// Whether it was removed without proof that nothing of it is left.
    pub forced: bool,
    /// Its containers that may be alive.
    pub alive: BTreeMap<String, Alive>,
}

/// A container that may be alive.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Alive {
    /// Which instance.
    pub attempt: u32,
    /// Whether the kubelet is a new process that has not listed it.
    pub unlisted: bool,
}

impl Specification for PodSpecification {
    type State = Pod;
    type Action = Action;

    fn begin(&self) -> Pod {
        Pod::default()
    }

    fn apply(&self, state: &mut Pod, action: &Action) -> Result<(), Refused> {
        match action {
            Action::ApiServer(server, action) => self.asked(state, *server, action),
            Action::Scheduler(action) => state.scheduled(action),
            Action::KubeletStarted(node) if state.is_bound_to(node) => {
                state.admitted = false;
                state.reporting = None;
                for alive in state.alive.values_mut() {
                    alive.unlisted = true;
                }
                Ok(())
            }
            Action::KubeletStarted(_) => Ok(()),
            Action::Kubelet(node, action) => state.heard(node, action),
        }
    }
}

impl PodSpecification {
    fn asked(
        &self,
        state: &mut Pod,
        server: u32,
        action: &TransactionAction,
    ) -> Result<(), Refused> {
        match action {
            TransactionAction::Attempted { id, expected, .. } => {
                state.attempts.insert((server, *id), *expected);
            }
            TransactionAction::LostRace { id } | TransactionAction::Answered { id, .. } => {
                state.attempts.remove(&(server, *id));
            }
            TransactionAction::Unknown { id } => {
                state.uncertain |= state.attempts.remove(&(server, *id)).is_some();
            }
            _ => {}
        }
        match node_written(action) {
            Some((node, Effect::Deleted)) if state.is_bound_to(node) => state.node_gone = true,
            // A kubelet that comes back to a pod that is being deleted starts nothing of it.
            Some((node, Effect::Created)) if state.is_bound_to(node) => {
                state.node_gone &= state.deleting;
            }
            _ => {}
        }
        let Some((id, _, uid, revision, effect)) = pod_written(action) else {
            return Ok(());
        };
        let expected = state.attempts.remove(&(server, id));
        guard(
            state.uncertain || expected == Some(state.revision),
            "compare and swap",
            || {
                format!(
                    "{effect:?} of {uid} over {expected:?} which is at {}",
                    state.revision
                )
            },
        )?;
        guard(revision > state.revision, "revisions grow", || {
            format!("{uid} goes from {} to {revision}", state.revision)
        })?;
        state.revision = revision;
        self.written(state, uid, effect)
    }

    fn written(&self, state: &mut Pod, uid: &str, effect: &Effect) -> Result<(), Refused> {
        if let Effect::Created | Effect::Placed { .. } = effect {
            guard(state.object == Object::Absent, "created once", || {
                format!("{uid} is {:?}", state.object)
            })?;
            state.object = Object::Present;
            if let Effect::Placed { node } = effect {
                state.node = Some(node.clone());
            }
            return Ok(());
        }
        guard(
            state.object == Object::Present || state.uncertain,
            "only what is there is written",
            || format!("{effect:?} of {uid} which is {:?}", state.object),
        )?;
        match effect {
            Effect::Created | Effect::Placed { .. } | Effect::Updated => {}
            Effect::Bound { node } => {
                guard(
                    state.node.is_none() || state.uncertain,
                    "bound once",
                    || format!("{uid} is bound to {node}, and to {:?}", state.node),
                )?;
                guard(!state.deleting, "bound only while it is wanted", || {
                    format!("{uid} is bound to {node} and is being deleted")
                })?;
                state.node = Some(node.clone());
            }
            Effect::Deleting => state.deleting = true,
            Effect::Deleted => {
                let proof = state.node.is_none()
                    || state.removal_asked
                    || state.node_gone
                    || state.end_reported && state.alive.is_empty();
                guard(
                    proof || self.users_may_force || state.uncertain,
                    "removed only with proof",
                    || format!("{uid} on {:?} is removed: {:?}", state.node, state.alive),
                )?;
                state.object = Object::Removed;
                state.forced = !proof;
            }
        }
        Ok(())
    }
}

impl Pod {
    /// Whether nobody has anything of it any more: it was removed, and its kubelet, if it had one that is there, has
    /// forgotten it.
    pub fn is_over(&self) -> bool {
        let forgotten = self.ending && self.revision == 0;
        self.object == Object::Removed && (self.node.is_none() || self.node_gone || forgotten)
    }

    fn is_bound_to(&self, node: &str) -> bool {
        self.node.as_deref() == Some(node)
    }

    fn scheduled(&self, action: &SchedulerAction) -> Result<(), Refused> {
        match action {
            SchedulerAction::Bound { uid, node, .. }
            | SchedulerAction::Confirmed { uid, node, .. } => guard(
                self.is_bound_to(node) || self.uncertain,
                "believes only bindings that are",
                || format!("{uid} is said to be on {node} and is on {:?}", self.node),
            ),
            _ => Ok(()),
        }
    }

    fn heard(&mut self, node: &str, action: &KubeletAction) -> Result<(), Refused> {
        match action {
            KubeletAction::RuntimeListed { .. } => {
                if self.is_bound_to(node) {
                    // What the runtime has is told next; what it does not have has ended.
                    self.alive.retain(|_, alive| !alive.unlisted);
                }
                return Ok(());
            }
            KubeletAction::NodeStopped => {
                return guard(
                    !self.is_bound_to(node) || self.alive.is_empty(),
                    "a node has stopped only once its pods have",
                    || format!("{:?}", self.alive),
                );
            }
            _ => self.is_on(node, action)?,
        }
        match action {
            KubeletAction::PodAdmitted { .. } => {
                self.goes_on(action)?;
                self.admitted = true;
            }
            KubeletAction::DeletionSeen { .. } => {
                self.believes(self.deleting, action)?;
                self.ending = true;
            }
            KubeletAction::PodGone { .. } => {
                self.believes(self.object == Object::Removed, action)?;
                self.ending = true;
            }
            KubeletAction::SandboxCreating { .. } => self.goes_on(action)?,
            KubeletAction::ContainerStarting {
                container, attempt, ..
            } => self.starting(container, *attempt, action)?,
            KubeletAction::ContainerAdopted {
                container, attempt, ..
            } => self.live(container, *attempt),
            KubeletAction::ContainerFailed { container, .. }
            | KubeletAction::ContainerEnded { container, .. } => {
                self.alive.remove(container);
            }
            KubeletAction::PodStopped { .. } => self.alive.clear(),
            KubeletAction::StatusReporting { phase, .. } => self.report(phase)?,
            KubeletAction::StatusReported { .. } => {
                self.phase = self.reporting.unwrap_or(self.phase);
            }
            KubeletAction::RemovalAsked { .. } => {
                let detail = || format!("deleting: {}, alive: {:?}", self.deleting, self.alive);
                let wanted = self.deleting || self.uncertain;
                guard(wanted, "removal asked for only of what is deleted", detail)?;
                let ended = self.alive.is_empty();
                guard(ended, "removal asked for only of what has ended", detail)?;
                self.removal_asked = true;
                self.ending = true;
            }
            KubeletAction::PodRemoved { .. } => {
                self.believes(self.object == Object::Removed, action)?;
            }
            KubeletAction::PodForgotten { .. } => {
                guard(self.alive.is_empty(), "forgotten only once ended", || {
                    format!("{:?}", self.alive)
                })?;
                self.admitted = false;
                if self.object == Object::Removed {
                    // Nobody has anything of it: of what is known only this matters any more.
                    *self = Pod {
                        object: Object::Removed,
                        node: self.node.take(),
                        removal_asked: self.removal_asked,
                        ending: true,
                        ..Pod::default()
                    };
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Where nobody knows what became of the binding, that a kubelet acts tells.
    fn is_on(&mut self, node: &str, action: &KubeletAction) -> Result<(), Refused> {
        if self.uncertain && self.node.is_none() {
            self.node = Some(node.to_owned());
        }
        guard(
            self.is_bound_to(node) || self.uncertain,
            "only the kubelet of its node acts",
            || format!("{node} says {action:?}; it is on {:?}", self.node),
        )
    }

    fn believes(&self, so: bool, action: &KubeletAction) -> Result<(), Refused> {
        guard(
            so || self.uncertain,
            "a kubelet believes what is so",
            || format!("{action:?} of a pod that is {self:?}"),
        )
    }

    /// Nothing is begun of a pod that is gone, or of which a kubelet of its node has learnt that it ends.
    fn goes_on(&self, action: &KubeletAction) -> Result<(), Refused> {
        guard(
            self.object == Object::Present || self.uncertain || self.forced,
            "starts only while its UID is current",
            || format!("{action:?} of a pod that is {:?}", self.object),
        )?;
        guard(
            !self.ending,
            "nothing starts once its end was learnt",
            || format!("{action:?}"),
        )?;
        guard(!self.phase.terminal(), "what has ended stays ended", || {
            format!("{action:?} of a pod that has {:?}", self.phase)
        })
    }

    fn starting(
        &mut self,
        container: &str,
        attempt: u32,
        action: &KubeletAction,
    ) -> Result<(), Refused> {
        self.goes_on(action)?;
        guard(self.admitted, "started only once admitted", || {
            format!("{action:?}")
        })?;
        let other = self.alive.get(container);
        guard(other.is_none(), "one instance at a time", || {
            format!("{action:?}, and {other:?}")
        })?;
        self.live(container, attempt);
        Ok(())
    }

    fn live(&mut self, container: &str, attempt: u32) {
        let alive = Alive {
            attempt,
            unlisted: false,
        };
        self.alive.insert(container.to_owned(), alive);
    }

    fn report(&mut self, phase: &str) -> Result<(), Refused> {
        let before = self.reporting.unwrap_or(self.phase).max(self.phase);
        let four = [
            Phase::Pending,
            Phase::Running,
            Phase::Succeeded,
            Phase::Failed,
        ];
        let known = four.into_iter().find(|known| known.as_str() == phase);
        let phase = present(known, "phases are the four", || format!("{phase:?}"))?;
        guard(
            phase == before || phase > before && !before.terminal(),
            "phases only go forward",
            || format!("from {before:?} to {phase:?}"),
        )?;
        self.reporting = Some(phase);
        self.end_reported |= phase.terminal();
        Ok(())
    }
}
