//! Pods, nodes and names, held against the path of a pod: what API servers, schedulers and kubelets say they did.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use model::actions::scheduler::SchedulerAction;
use model::actions::transaction::{Effect, TransactionAction};
use specs::create_pod::pod::PodSpecification;
use specs::create_pod::{Action, CreatePod, State};
use specs::specification::Specification;

use super::{Examiner, Rejection, Verdict};
use crate::said::Said;
use crate::timeline::{Moment, Place};

#[cfg(test)]
mod tests;

/// What the specification is called.
const NAME: &str = "create-pod";
/// How many of the latest actions of a pod a rejection shows.
const SHOWN: usize = 12;
/// So many of the latest pods that are over are remembered: whoever speaks late of one is still understood, and a
/// cluster that makes and removes pods for months is followed in bounded memory.
const REMEMBERED: usize = 10_000;

pub(super) struct Pods {
    specification: CreatePod,
    state: State,
    /// Which start of each kubelet was heard last.
    kubelets: BTreeMap<Rc<str>, u64>,
    /// Whether no pod is older than the traces.
    from_the_beginning: bool,
    /// Pods that have left the specification, or are older than the traces: nothing is known of what may follow.
    lost: BTreeSet<String>,
    seen: BTreeSet<String>,
    /// Pods that the API has removed, in this order.
    removed: VecDeque<String>,
    /// How many pods were over so long ago that nothing is known of them any more.
    forgotten: usize,
    before: BTreeMap<String, VecDeque<(Place, Action)>>,
    actions: u64,
    rejections: Vec<Rejection>,
}

impl Pods {
    pub(super) fn new(from_the_beginning: bool) -> Self {
        Pods {
            from_the_beginning,
            specification: CreatePod {
                // Whoever removes a pod by force vouches for it: that is not the cluster's doing.
                pod: PodSpecification {
                    users_may_force: true,
                },
                // What a node can set aside is not in its trace; the kubelet's admission is checked in its world.
                allocatable: BTreeMap::new(),
            },
            state: State::default(),
            kubelets: BTreeMap::new(),
            lost: BTreeSet::new(),
            seen: BTreeSet::new(),
            removed: VecDeque::new(),
            forgotten: 0,
            before: BTreeMap::new(),
            actions: 0,
            rejections: Vec::new(),
        }
    }
}

impl Examiner for Pods {
    fn see(&mut self, moment: &Moment) {
        let action = match &moment.said {
            Said::Transaction(action) => {
                let server = u32::try_from(moment.place.incarnation).unwrap_or(u32::MAX);
                Action::ApiServer(server, action.clone())
            }
            Said::Scheduler(action) => Action::Scheduler(action.clone()),
            Said::Kubelet(action) => {
                let node = node_of(&moment.place.component);
                let component = moment.place.component.clone();
                let incarnation = moment.place.incarnation;
                if self.kubelets.insert(component, incarnation) != Some(incarnation) {
                    self.accept(moment, Action::KubeletStarted(node.clone()));
                }
                Action::Kubelet(node, action.clone())
            }
            _ => return,
        };
        self.accept(moment, action);
    }

    fn name(&self) -> &'static str {
        NAME
    }

    fn rejections(&self) -> &[Rejection] {
        &self.rejections
    }

    fn verdict(self: Box<Self>) -> Verdict {
        Verdict {
            specification: NAME,
            subjects: self.seen.len() + self.forgotten,
            actions: self.actions,
            rejections: self.rejections,
        }
    }
}

impl Pods {
    fn accept(&mut self, moment: &Moment, action: Action) {
        let pod = about(&action);
        if let Some(pod) = &pod {
            if self.lost.contains(pod) {
                return;
            }
            if self.seen.insert(pod.clone()) && !self.from_the_beginning && !begins(&action) {
                self.seen.remove(pod);
                self.lost.insert(pod.clone());
                return;
            }
        }
        self.actions += 1;
        let refused = self.specification.apply(&mut self.state, &action).err();
        if let Some(refused) = refused {
            let subject = pod.clone().unwrap_or_else(|| "the cluster".to_owned());
            let state = pod.as_ref().and_then(|pod| self.state.pods.get(pod));
            let told = |(place, action): &(Place, Action)| format!("{place}: {action:?}");
            let before = self.before.get(&subject);
            self.rejections.push(Rejection {
                before: before.into_iter().flatten().map(told).collect(),
                subject,
                place: Some(moment.place.clone()),
                action: format!("{action:?}"),
                guard: refused.guard,
                detail: refused.detail,
                state: state.map(|state| format!("{state:?}")).unwrap_or_default(),
            });
            // Nothing more is said of this pod, so nothing it had may be held against those that come after it.
            let names = &mut self.state.names;
            names.retain(|_, name| name.object.is_none() || name.object != pod);
            self.lost.extend(pod);
        } else if let Some(pod) = pod {
            if removes(&action) {
                self.removed.push_back(pod.clone());
            }
            let before = self.before.entry(pod).or_default();
            if before.len() == SHOWN {
                before.pop_front();
            }
            before.push_back((moment.place.clone(), action));
            self.forget();
        }
    }

    /// Forgets the pod that was removed before all others that are remembered, once nobody has anything of it.
    fn forget(&mut self) {
        if self.removed.len() <= REMEMBERED {
            return;
        }
        let Some(pod) = self.removed.pop_front() else {
            return;
        };
        if self.state.pods.get(&pod).is_some_and(|pod| !pod.is_over()) {
            self.removed.push_back(pod);
            return;
        }
        self.state.pods.remove(&pod);
        self.before.remove(&pod);
        self.lost.remove(&pod);
        self.forgotten += usize::from(self.seen.remove(&pod));
    }
}

/// Whether a pod's record begins so: its creation is tried, or done.
fn begins(action: &Action) -> bool {
    matches!(
        action,
        Action::ApiServer(
            _,
            TransactionAction::Attempted { expected: 0, .. }
                | TransactionAction::Committed {
                    effect: Effect::Created | Effect::Placed { .. },
                    ..
                }
        )
    )
}

/// Whether the API has removed the pod.
fn removes(action: &Action) -> bool {
    matches!(
        action,
        Action::ApiServer(
            _,
            TransactionAction::Committed {
                effect: Effect::Deleted,
                ..
            }
        )
    )
}

/// The node of a kubelet's process.
fn node_of(component: &str) -> String {
    component
        .strip_suffix(".kubelet")
        .unwrap_or(component)
        .to_owned()
}

/// The UID of the pod that an action is about.
fn about(action: &Action) -> Option<String> {
    match action {
        Action::ApiServer(
            _,
            TransactionAction::Attempted { key, uid, .. }
            | TransactionAction::Committed { key, uid, .. },
        ) if key.resource.resource == "pods" => Some(uid.clone()),
        Action::ApiServer(..) | Action::KubeletStarted(_) => None,
        Action::Scheduler(
            SchedulerAction::Queued { uid, .. }
            | SchedulerAction::Dropped { uid, .. }
            | SchedulerAction::Assumed { uid, .. }
            | SchedulerAction::Bound { uid, .. }
            | SchedulerAction::Confirmed { uid, .. }
            | SchedulerAction::Forgotten { uid, .. }
            | SchedulerAction::BindingLost { uid, .. }
            | SchedulerAction::Unschedulable { uid, .. },
        ) => Some(uid.clone()),
        Action::Scheduler(_) => None,
        Action::Kubelet(_, action) => action.pod().map(|pod| pod.uid.clone()),
    }
}
