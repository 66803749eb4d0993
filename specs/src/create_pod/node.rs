//! One node: what is set aside for the pods that it has taken is never more than it has.

use std::collections::{BTreeMap, BTreeSet};

use model::actions::kubelet::KubeletAction;
use model::actions::transaction::Effect;
use model::machines::kubelet::pod::Phase;
use model::rules::resources::Requests;

use crate::create_pod::{Action, node_written};
use crate::specification::{Refused, Specification, guard};

/// What holds of each node.
#[derive(Clone, Copy, Debug, Default)]
pub struct NodeSpecification {
    /// What the node has; `None` if that is not known.
    pub allocatable: Option<Requests>,
}

/// What a node has taken on, by UID.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Node {
    /// Its pods.
    pub pods: BTreeMap<String, Taken>,
    /// Whether its object was there and is no more.
    pub gone: bool,
}

/// A pod that a node has taken on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Taken {
    /// What is set aside for it while it holds room; known until nothing of it can start.
    pub requests: Requests,
    /// Whether this process of the kubelet has admitted it, and nothing of it has run and ended since. A kubelet knows
    /// that a pod has ended before it says so, and gives its room away; if it starts again after all, it must fit.
    pub admitted: bool,
    /// Its containers that may be alive, and whether the kubelet is a new process that has not listed them.
    pub alive: BTreeMap<String, bool>,
}

impl Specification for NodeSpecification {
    type State = Node;
    type Action = Action;

    fn begin(&self) -> Node {
        Node::default()
    }

    fn apply(&self, state: &mut Node, action: &Action) -> Result<(), Refused> {
        match action {
            Action::KubeletStarted(_) => {
                for taken in state.pods.values_mut() {
                    taken.admitted = false;
                    if taken.alive.is_empty() {
                        *taken = Taken::default();
                    }
                    let alive = taken.alive.values_mut();
                    alive.for_each(|unlisted| *unlisted = true);
                }
            }
            Action::Kubelet(node, action) => self.heard(state, node, action)?,
            Action::ApiServer(_, action) => match node_written(action) {
                Some((_, Effect::Deleted)) => state.gone = true,
                Some((_, Effect::Created)) => state.gone = false,
                _ => {}
            },
            Action::Scheduler(_) => {}
        }
        // What neither holds room nor can start is nothing to this node any more.
        state.pods.retain(|_, taken| *taken != Taken::default());
        Ok(())
    }
}

impl NodeSpecification {
    fn heard(&self, state: &mut Node, node: &str, action: &KubeletAction) -> Result<(), Refused> {
        if let KubeletAction::RuntimeListed { .. } = action {
            for taken in state.pods.values_mut() {
                let before = taken.alive.len();
                taken.alive.retain(|_, unlisted| !*unlisted);
                // It ended while the kubelet was away; to start again it has to be admitted again.
                if taken.alive.len() < before && !taken.holds() {
                    taken.requests = Requests::default();
                }
            }
        }
        let Some(pod) = action.pod() else {
            return Ok(());
        };
        let taken = state.pods.entry(pod.uid.clone()).or_default();
        match action {
            KubeletAction::PodAdmitted {
                cpu_milli,
                memory_bytes,
                ..
            } => {
                taken.admitted = true;
                taken.requests = Requests {
                    cpu_milli: *cpu_milli,
                    memory_bytes: *memory_bytes,
                };
                self.fits(state, node, &pod.uid)?;
            }
            KubeletAction::ContainerStarting { container, .. } => {
                taken.alive.insert(container.clone(), false);
                self.fits(state, node, &pod.uid)?;
            }
            KubeletAction::ContainerAdopted { container, .. } => {
                taken.alive.insert(container.clone(), false);
            }
            KubeletAction::ContainerFailed { container, .. }
            | KubeletAction::ContainerEnded { container, .. } => {
                taken.alive.remove(container);
                taken.admitted &= !taken.alive.is_empty();
            }
            KubeletAction::PodStopped { .. } => {
                taken.alive.clear();
                taken.admitted = false;
            }
            KubeletAction::PodForgotten { .. } => *taken = Taken::default(),
            KubeletAction::DeletionSeen { .. }
            | KubeletAction::PodGone { .. }
            | KubeletAction::PodRejected { .. }
            | KubeletAction::RemovalAsked { .. } => taken.ends(),
            KubeletAction::StatusReporting { phase, .. } if ended(phase) => taken.ends(),
            _ => {}
        }
        Ok(())
    }

    fn fits(&self, state: &Node, node: &str, uid: &str) -> Result<(), Refused> {
        let Some(allocatable) = self.allocatable else {
            return Ok(());
        };
        let holding = state.pods.values().filter(|taken| taken.holds());
        let sum = holding.fold(Requests::default(), |sum, taken| sum.plus(taken.requests));
        let detail = || {
            let others: BTreeSet<&String> = state.pods.keys().collect();
            format!("{node} admits {uid}: {sum:?} for {others:?} of {allocatable:?}")
        };
        let within = sum.cpu_milli <= allocatable.cpu_milli;
        guard(within, "admitted pods never overcommit a node", detail)?;
        let within = sum.memory_bytes <= allocatable.memory_bytes;
        guard(within, "admitted pods never overcommit a node", detail)
    }
}

impl Taken {
    /// Whether room is set aside for it.
    fn holds(&self) -> bool {
        self.admitted || !self.alive.is_empty()
    }

    /// Nothing of it starts again.
    fn ends(&mut self) {
        self.admitted = false;
        if self.alive.is_empty() {
            self.requests = Requests::default();
        }
    }
}

fn ended(phase: &str) -> bool {
    phase == Phase::Succeeded.as_str() || phase == Phase::Failed.as_str()
}
