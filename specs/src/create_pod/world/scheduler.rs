//! A scheduler: it sees, assumes, has bound, and hears of it or not.

use model::actions::scheduler::SchedulerAction;
use model::actions::transaction::Effect;
use model::objects::key::ObjectKey;
use model::objects::kinds;

use crate::create_pod::Action;
use crate::create_pod::pod::Object;
use crate::create_pod::world::{Api, Choice, CreatePodWorld, NODES, PODS, State, node_name};

/// What a scheduler knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scheduler {
    /// What it has seen; nothing before its first lists.
    pub view: Option<View>,
    /// What it has decided and not seen.
    pub assumed: [Assumed; PODS],
}

/// Pods and nodes as a scheduler has seen them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct View {
    pods: [Seen; PODS],
    nodes: [bool; NODES],
}

/// A pod as a scheduler has seen it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Seen {
    #[default]
    Nothing,
    Waiting,
    On(u8),
    /// It has ended, and holds no room.
    Over,
}

/// How far the binding of a pod is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Assumed {
    /// Nothing is decided.
    #[default]
    No,
    /// It is asked for; `again` if an earlier request got no answer.
    Asked {
        /// Where to.
        node: u8,
        /// Whether an earlier request got no answer.
        again: bool,
    },
    /// It was refused, perhaps because the earlier request was carried out: what is so will be seen.
    Unknown(u8),
    /// It is persisted, and will be seen.
    Done(u8),
}

impl Assumed {
    fn node(self) -> Option<u8> {
        match self {
            Assumed::No => None,
            Assumed::Asked { node, .. } | Assumed::Unknown(node) | Assumed::Done(node) => {
                Some(node)
            }
        }
    }
}

impl View {
    fn of(api: &Api) -> View {
        let seen = |pod: usize| {
            let object = &api.pods[pod];
            match (object.object, object.node) {
                (Object::Absent | Object::Removed, _) => Seen::Nothing,
                (Object::Present, None) => Seen::Waiting,
                (Object::Present, Some(_)) if object.phase.terminal() => Seen::Over,
                (Object::Present, Some(node)) => Seen::On(node),
            }
        };
        View {
            pods: std::array::from_fn(seen),
            nodes: api.nodes,
        }
    }
}

impl CreatePodWorld {
    pub(super) fn scheduler_choices(&self, state: &State, at: usize, choices: &mut Vec<Choice>) {
        let scheduler = &state.schedulers[at];
        if scheduler.view != Some(View::of(&state.api)) {
            choices.push(Choice::SchedulerSees(at));
        }
        let Some(view) = &scheduler.view else {
            return;
        };
        for pod in 0..self.plan.len() {
            match scheduler.assumed[pod] {
                Assumed::No if view.pods[pod] == Seen::Waiting => {
                    let fits = |node: &usize| self.has_room(scheduler, view, *node);
                    let nodes = (0..self.nodes).filter(fits);
                    choices.extend(nodes.map(|node| Choice::Assume(at, pod, node as u8)));
                }
                Assumed::Asked { .. } => {
                    choices.push(Choice::Bind(at, pod));
                    if state.left.lost_answers.min(state.left.any) > 0 {
                        choices.push(Choice::BindLost(at, pod, true));
                        choices.push(Choice::BindLost(at, pod, false));
                    }
                }
                _ => {}
            }
        }
        if state.left.scheduler_crashes.min(state.left.any) > 0 {
            choices.push(Choice::SchedulerCrash(at));
        }
    }

    fn has_room(&self, scheduler: &Scheduler, view: &View, node: usize) -> bool {
        let here = |pod: &usize| {
            let assumed = scheduler.assumed[*pod].node();
            let seen = view.pods[*pod] == Seen::On(node as u8);
            seen || assumed.map(usize::from) == Some(node)
        };
        view.nodes[node] && (0..PODS).filter(here).count() < self.room
    }

    pub(super) fn scheduler_sees(&self, state: &mut State, at: usize) {
        let view = View::of(&state.api);
        let before = state.schedulers[at].view.replace(view).unwrap_or_default();
        for pod in 0..self.plan.len() {
            if view.pods[pod] != Seen::Waiting {
                state.schedulers[at].assumed[pod] = Assumed::No;
            }
            if let Seen::On(node) = view.pods[pod]
                && before.pods[pod] != view.pods[pod]
            {
                let action = SchedulerAction::Confirmed {
                    pod: self.pod_key(pod),
                    uid: self.uid(pod),
                    node: node_name(usize::from(node)),
                };
                self.say(state, [Action::Scheduler(action)]);
            }
        }
    }

    pub(super) fn assume(&self, state: &mut State, at: usize, pod: usize, node: u8) {
        let again = false;
        state.schedulers[at].assumed[pod] = Assumed::Asked { node, again };
        let action = SchedulerAction::Assumed {
            pod: self.pod_key(pod),
            uid: self.uid(pod),
            node: node_name(usize::from(node)),
        };
        self.say(state, [Action::Scheduler(action)]);
    }

    pub(super) fn bind(&self, state: &mut State, at: usize, pod: usize) {
        let Assumed::Asked { node, again } = state.schedulers[at].assumed[pod] else {
            return;
        };
        let done = self.carry_out_binding(state, pod, node);
        let (key, uid) = (self.pod_key(pod), self.uid(pod));
        let name = node_name(usize::from(node));
        let (assumed, action) = match (done, again) {
            (true, _) => (
                Assumed::Done(node),
                SchedulerAction::Bound {
                    pod: key,
                    uid,
                    node: name,
                },
            ),
            (false, true) => (
                Assumed::Unknown(node),
                SchedulerAction::BindingLost {
                    pod: key,
                    uid,
                    node: name,
                },
            ),
            (false, false) => (
                Assumed::No,
                SchedulerAction::Forgotten {
                    pod: key,
                    uid,
                    node: name,
                },
            ),
        };
        state.schedulers[at].assumed[pod] = assumed;
        self.say(state, [Action::Scheduler(action)]);
    }

    pub(super) fn bind_lost(&self, state: &mut State, at: usize, pod: usize, done: bool) {
        let Assumed::Asked { node, .. } = state.schedulers[at].assumed[pod] else {
            return;
        };
        state.left.lost_answers -= 1;
        state.left.any -= 1;
        if done {
            self.carry_out_binding(state, pod, node);
        }
        state.schedulers[at].assumed[pod] = Assumed::Asked { node, again: true };
        let action = SchedulerAction::BindingLost {
            pod: self.pod_key(pod),
            uid: self.uid(pod),
            node: node_name(usize::from(node)),
        };
        self.say(state, [Action::Scheduler(action)]);
    }

    /// Step 6: once, and only while the pod is wanted. Tells whether it was done.
    fn carry_out_binding(&self, state: &mut State, pod: usize, node: u8) -> bool {
        let object = &mut state.api.pods[pod];
        if object.object != Object::Present || object.node.is_some() || object.deleting {
            let code = if object.object == Object::Present {
                409
            } else {
                404
            };
            self.answered(state, pod, "bind", code);
            return false;
        }
        object.node = Some(node);
        state.bindings[pod] += 1;
        let node = node_name(usize::from(node));
        self.written(state, pod, "bind", Effect::Bound { node });
        true
    }

    fn pod_key(&self, pod: usize) -> ObjectKey {
        ObjectKey::new(kinds::pods(), "default", self.plan[pod].name)
    }
}
