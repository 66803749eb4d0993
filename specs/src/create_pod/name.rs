//! One namespace and name: at most one object has it, and at most one container of each name is alive under it,
//! whatever the UID, the node and the kubelet's process.

use std::collections::BTreeMap;

use model::actions::kubelet::KubeletAction;
use model::actions::transaction::{Effect, TransactionAction};

use crate::create_pod::{Action, node_written, pod_written};
use crate::specification::{Refused, Specification, guard};

/// What holds of each namespace and name.
#[derive(Clone, Copy, Debug, Default)]
pub struct NameSpecification {
    /// Whether users may remove a pod of which something is left ([`PodSpecification`]): they vouch that it counts no
    /// more.
    ///
    /// [`PodSpecification`]: super::pod::PodSpecification
    pub users_may_force: bool,
}

/// What has a name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Name {
    /// The UID of the object that has it.
    pub object: Option<String>,
    /// Whether nobody knows what became of a write under this name: then nor is it known what has it.
    pub uncertain: bool,
    /// The containers that may be alive, by their own name.
    pub alive: BTreeMap<String, Alive>,
}

/// A container that may be alive.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Alive {
    /// On which node.
    pub node: String,
    /// Of which pod.
    pub uid: String,
    /// Whether its node's kubelet is a new process that has not listed it.
    pub unlisted: bool,
}

impl Specification for NameSpecification {
    type State = Name;
    type Action = Action;

    fn begin(&self) -> Name {
        Name::default()
    }

    fn apply(&self, state: &mut Name, action: &Action) -> Result<(), Refused> {
        match action {
            Action::ApiServer(_, action) => {
                if let Some((_, key, uid, _, effect)) = pod_written(action) {
                    if *effect == Effect::Deleted && self.users_may_force {
                        state.alive.retain(|_, alive| alive.uid != uid);
                    }
                    return state.written(&key.name, uid, effect);
                }
                state.uncertain |= matches!(action, TransactionAction::Unknown { .. });
                if let Some((node, Effect::Deleted)) = node_written(action) {
                    // Whoever removes a node's object vouches that its machine is off.
                    state.alive.retain(|_, alive| alive.node != node);
                }
                Ok(())
            }
            Action::KubeletStarted(node) => {
                for alive in state.alive.values_mut() {
                    alive.unlisted |= alive.node == *node;
                }
                Ok(())
            }
            Action::Kubelet(_, action) if self.counts_no_more(state, action) => Ok(()),
            Action::Kubelet(node, action) => state.heard(node, action),
            Action::Scheduler(_) => Ok(()),
        }
    }
}

impl NameSpecification {
    /// Whether an action begins or finds something of a pod that was removed: by force, or else the pod's own guards
    /// refuse it.
    fn counts_no_more(&self, state: &Name, action: &KubeletAction) -> bool {
        let (KubeletAction::ContainerStarting { pod, .. }
        | KubeletAction::ContainerAdopted { pod, .. }) = action
        else {
            return false;
        };
        self.users_may_force && state.object.as_ref() != Some(&pod.uid)
    }
}

impl Name {
    fn written(&mut self, name: &str, uid: &str, effect: &Effect) -> Result<(), Refused> {
        match effect {
            Effect::Created | Effect::Placed { .. } => {
                guard(
                    self.object.is_none() || self.uncertain,
                    "one object of a name",
                    || format!("{name} is created as {uid} and is {:?}", self.object),
                )?;
                self.object = Some(uid.to_owned());
            }
            Effect::Deleted if self.object.as_deref() == Some(uid) => self.object = None,
            Effect::Deleted | Effect::Updated | Effect::Bound { .. } | Effect::Deleting => {}
        }
        Ok(())
    }

    fn heard(&mut self, node: &str, action: &KubeletAction) -> Result<(), Refused> {
        match action {
            KubeletAction::ContainerStarting { pod, container, .. } => {
                let other = self.alive.get(container);
                guard(
                    other.is_none(),
                    "at most one live container of a name",
                    || format!("{container} of {} starts on {node}, and {other:?}", pod.uid),
                )?;
                self.live(node, &pod.uid, container);
            }
            KubeletAction::ContainerAdopted { pod, container, .. } => {
                let other = self.alive.get(container);
                guard(
                    other.is_none(),
                    "at most one live container of a name",
                    || format!("{container} of {} runs on {node}, and {other:?}", pod.uid),
                )?;
                self.live(node, &pod.uid, container);
            }
            KubeletAction::ContainerFailed { pod, container, .. }
            | KubeletAction::ContainerEnded { pod, container, .. } => {
                let same = |alive: &Alive| alive.node == node && alive.uid == pod.uid;
                if self.alive.get(container).is_some_and(same) {
                    self.alive.remove(container);
                }
            }
            KubeletAction::PodStopped { pod } | KubeletAction::PodForgotten { pod } => self
                .alive
                .retain(|_, alive| alive.node != node || alive.uid != pod.uid),
            // What the runtime has is told next, container for container; what it does not have has ended.
            KubeletAction::RuntimeListed { .. } => self
                .alive
                .retain(|_, alive| alive.node != node || !alive.unlisted),
            _ => {}
        }
        Ok(())
    }

    fn live(&mut self, node: &str, uid: &str, container: &str) {
        let alive = Alive {
            node: node.to_owned(),
            uid: uid.to_owned(),
            unlisted: false,
        };
        self.alive.insert(container.to_owned(), alive);
    }
}
