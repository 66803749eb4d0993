#![doc = include_str!("README.md")]

mod listed;
pub mod machines;
pub mod name;
pub mod node;
pub mod pod;
mod properties;
pub mod world;
pub mod write;

use std::collections::BTreeMap;

use model::actions::kubelet::KubeletAction;
use model::actions::scheduler::SchedulerAction;
use model::actions::transaction::{Effect, TransactionAction};
use model::objects::key::ObjectKey;
use model::objects::kinds;
use model::rules::resources::Requests;

use crate::specification::{Refused, Specification};

use name::{Name, NameSpecification};
use node::{Node, NodeSpecification};
use pod::{Pod, PodSpecification};
use write::{Write, WriteSpecification};

pub use listed::{listed, world as world_of};
pub use properties::properties;

/// What a machine says has happened, and who says it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// An API server; each start of each one has a number of its own.
    ApiServer(u32, TransactionAction),
    /// A scheduler.
    Scheduler(SchedulerAction),
    /// The kubelet of this node is a new process and knows nothing.
    KubeletStarted(String),
    /// The kubelet of this node.
    Kubelet(String, KubeletAction),
}

/// The whole specification: an acceptor for each write, pod, node and name, and who has to hear what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CreatePod {
    /// What holds of each pod.
    pub pod: PodSpecification,
    /// What each node can set aside; one that is not named here is not held to it.
    pub allocatable: BTreeMap<String, Requests>,
}

/// What has happened to everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct State {
    /// Writes under way, by API server and number.
    pub writes: BTreeMap<(u32, u64), Write>,
    /// Pods by UID.
    pub pods: BTreeMap<String, Pod>,
    /// Nodes by name.
    pub nodes: BTreeMap<String, Node>,
    /// What is alive under a namespace and name.
    pub names: BTreeMap<(String, String), Name>,
}

/// Whom an action is about.
#[derive(Debug, Default)]
struct About {
    write: Option<(u32, u64)>,
    pod: Option<String>,
    node: Option<String>,
    name: Option<(String, String)>,
    /// Every pod and name that has something on the node has to hear it.
    everyone: bool,
}

impl Specification for CreatePod {
    type State = State;
    type Action = Action;

    fn begin(&self) -> State {
        State::default()
    }

    fn apply(&self, state: &mut State, action: &Action) -> Result<(), Refused> {
        let about = about(state, action);
        let write = part(&WriteSpecification, &state.writes, about.write, action)?;
        let node = about.node.clone().map(|name| {
            let specification = NodeSpecification {
                allocatable: self.allocatable.get(&name).copied(),
            };
            part(&specification, &state.nodes, Some(name), action)
        });
        let node = node.transpose()?.flatten();
        let (mut pods, mut names) = (Vec::new(), Vec::new());
        let everyone = about.everyone;
        let uids = everyone.then(|| state.pods.keys().cloned());
        for uid in uids.into_iter().flatten().chain(about.pod) {
            pods.extend(part(&self.pod, &state.pods, Some(uid), action)?);
        }
        let known = everyone.then(|| state.names.keys().cloned());
        let specification = NameSpecification {
            users_may_force: self.pod.users_may_force,
        };
        for name in known.into_iter().flatten().chain(about.name) {
            names.extend(part(&specification, &state.names, Some(name), action)?);
        }
        // Nobody refuses: it has happened to all of them.
        keep(&mut state.writes, write);
        keep(&mut state.nodes, node);
        pods.into_iter()
            .for_each(|pod| keep(&mut state.pods, Some(pod)));
        names
            .into_iter()
            .for_each(|name| keep(&mut state.names, Some(name)));
        if let Action::ApiServer(_, action) = action
            && let Some((_, _, uid, _, Effect::Bound { node } | Effect::Placed { node })) =
                pod_written(action)
            && state.nodes.get(node).is_some_and(|node| node.gone)
            && let Some(pod) = state.pods.get_mut(uid)
        {
            pod.node_gone = true;
        }
        Ok(())
    }
}

/// What one of the parts is after an action.
fn part<S: Specification, K: Ord>(
    specification: &S,
    known: &BTreeMap<K, S::State>,
    key: Option<K>,
    action: &S::Action,
) -> Result<Option<(K, S::State)>, Refused> {
    let Some(key) = key else {
        return Ok(None);
    };
    let before = known.get(&key).cloned();
    let mut state = before.unwrap_or_else(|| specification.begin());
    specification.apply(&mut state, action)?;
    Ok(Some((key, state)))
}

/// Puts a part back; one in which nothing is left to know is forgotten.
fn keep<K: Ord, T: Default + PartialEq>(all: &mut BTreeMap<K, T>, part: Option<(K, T)>) {
    if let Some((key, state)) = part {
        if state == T::default() {
            all.remove(&key);
        } else {
            all.insert(key, state);
        }
    }
}

fn about(state: &State, action: &Action) -> About {
    match action {
        Action::ApiServer(server, action) => about_write(state, *server, action),
        Action::Scheduler(action) => About {
            pod: about_scheduled(action).map(str::to_owned),
            ..About::default()
        },
        Action::KubeletStarted(node) => About {
            node: Some(node.clone()),
            everyone: true,
            ..About::default()
        },
        Action::Kubelet(node, action) => {
            let pod = action.pod();
            About {
                pod: pod.map(|pod| pod.uid.clone()),
                name: pod.map(|pod| (pod.namespace.clone(), pod.name.clone())),
                node: Some(node.clone()),
                everyone: matches!(
                    action,
                    KubeletAction::RuntimeListed { .. } | KubeletAction::NodeStopped
                ),
                ..About::default()
            }
        }
    }
}

fn about_write(state: &State, server: u32, action: &TransactionAction) -> About {
    // Nothing on a pod's path goes with a lease.
    let Some(id) = action.write() else {
        return About::default();
    };
    let named = match action {
        TransactionAction::Attempted { key, uid, .. }
        | TransactionAction::Committed { key, uid, .. } => Some((key, uid)),
        _ => None,
    };
    let mut about = About {
        write: Some((server, id)),
        ..About::default()
    };
    // Where only the number is told, it is about the object for which it was attempted.
    let write = state.writes.get(&(server, id));
    let object = write.and_then(|write| write.object.as_ref());
    let named = named.or_else(|| object.map(|(key, uid)| (key, uid)));
    match named {
        Some((key, uid)) if key.resource == kinds::pods() => {
            about.pod = Some(uid.clone());
            about.name = Some((key.namespace.clone(), key.name.clone()));
        }
        Some((key, _)) if key.resource == kinds::nodes() => {
            about.node = Some(key.name.clone());
            // Whether a node is there matters to its pods; what it reports of itself does not.
            about.everyone = matches!(
                action,
                TransactionAction::Committed {
                    effect: Effect::Created | Effect::Deleted,
                    ..
                }
            );
        }
        Some(_) | None => {}
    }
    about
}

fn about_scheduled(action: &SchedulerAction) -> Option<&str> {
    match action {
        SchedulerAction::Queued { uid, .. }
        | SchedulerAction::Dropped { uid, .. }
        | SchedulerAction::Assumed { uid, .. }
        | SchedulerAction::Bound { uid, .. }
        | SchedulerAction::Confirmed { uid, .. }
        | SchedulerAction::Forgotten { uid, .. }
        | SchedulerAction::BindingLost { uid, .. }
        | SchedulerAction::Unschedulable { uid, .. } => Some(uid),
        SchedulerAction::Woken { .. } | SchedulerAction::NodeSeen { .. } => None,
    }
}

/// The node whose object was written, with what was done to it.
fn node_written(action: &TransactionAction) -> Option<(&str, &Effect)> {
    match action {
        TransactionAction::Committed { key, effect, .. } if key.resource == kinds::nodes() => {
            Some((&key.name, effect))
        }
        _ => None,
    }
}

/// The write of a pod's object: number, key, UID, revision, and what was done.
fn pod_written(action: &TransactionAction) -> Option<(u64, &ObjectKey, &str, u64, &Effect)> {
    match action {
        TransactionAction::Committed {
            id,
            key,
            uid,
            revision,
            effect,
        } if key.resource == kinds::pods() => Some((*id, key, uid, *revision, effect)),
        _ => None,
    }
}
