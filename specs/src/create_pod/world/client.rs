//! The API server's writes, for the client, for whoever removes nodes, and for the collector of their pods.

use model::actions::transaction::{Effect, TransactionAction};
use model::machines::kubelet::pod::Phase;
use model::objects::key::ObjectKey;
use model::objects::kinds;

use crate::create_pod::Action;
use crate::create_pod::pod::Object;
use crate::create_pod::world::{Choice, CreatePodWorld, PODS, PodObject, State, node_name};

/// The collector's look at a node.
///
/// Two looks with a graceful deletion between them: a node that registers after the first finds its pods being
/// deleted and starts nothing of them, so that what the second look finds gone may be removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Gc {
    /// Nothing is under way.
    #[default]
    Idle,
    /// It is gone.
    Missed,
    /// These pods of it are being deleted.
    Marked([bool; PODS]),
    /// It is still gone. What was not marked before this look may be a pod of a node that is back.
    StillMissed([bool; PODS]),
}

/// The number of every write: none is under way when the next is submitted.
const WRITE: u64 = 0;

impl CreatePodWorld {
    pub(super) fn client_choices(&self, state: &State, choices: &mut Vec<Choice>) {
        let next = state.api.pods[..self.plan.len()]
            .iter()
            .position(|pod| pod.object == Object::Absent);
        if let Some(pod) = next {
            let in_use = |other: usize| {
                self.plan[other].name == self.plan[pod].name
                    && state.api.pods[other].object == Object::Present
            };
            if !(0..pod).any(in_use) {
                choices.push(Choice::Create(pod));
            }
        }
        for pod in 0..self.deletable {
            let object = &state.api.pods[pod];
            if object.object == Object::Present && !object.deleting {
                choices.push(Choice::Delete(pod));
            }
        }
    }

    pub(super) fn gc_choices(&self, state: &State, node: usize, choices: &mut Vec<Choice>) {
        if self.removable_nodes && state.api.nodes[node] && !state.hosts[node].on {
            choices.push(Choice::RemoveNode(node));
        }
        match state.gc[node] {
            Gc::Idle => {
                let here = |pod: &PodObject| pod.is_on(node);
                if !state.api.nodes[node] && state.api.pods.iter().any(here) {
                    choices.push(Choice::GcLooks(node));
                }
            }
            Gc::Missed => choices.push(Choice::GcMarks(node)),
            Gc::Marked(_) => choices.push(Choice::GcLooks(node)),
            Gc::StillMissed(_) => choices.push(Choice::GcRemoves(node)),
        }
    }

    pub(super) fn create(&self, state: &mut State, pod: usize) {
        state.api.pods[pod].object = Object::Present;
        self.written(state, pod, "create", Effect::Created);
    }

    pub(super) fn delete(&self, state: &mut State, pod: usize) {
        let object = &mut state.api.pods[pod];
        // A pod without a node, or one that has ended, goes at once.
        let at_once = object.node.is_none() || object.phase.terminal();
        if at_once {
            object.object = Object::Removed;
            self.written(state, pod, "delete", Effect::Deleted);
        } else {
            object.deleting = true;
            self.written(state, pod, "delete", Effect::Deleting);
        }
    }

    /// The phase of a pod is written, if it is there and is another.
    pub(super) fn write_phase(&self, state: &mut State, pod: usize, phase: Phase) {
        let object = &mut state.api.pods[pod];
        if object.object != Object::Present || object.phase == phase {
            let code = if object.object == Object::Present {
                200
            } else {
                404
            };
            return self.answered(state, pod, "patch", code);
        }
        state.went_back |= phase < object.phase || object.phase.terminal();
        object.phase = phase;
        self.written(state, pod, "patch", Effect::Updated);
    }

    /// A pod is removed at once, if it is there.
    pub(super) fn remove_object(&self, state: &mut State, pod: usize) {
        if state.api.pods[pod].object != Object::Present {
            return self.answered(state, pod, "delete", 404);
        }
        state.api.pods[pod].object = Object::Removed;
        self.written(state, pod, "delete", Effect::Deleted);
    }

    pub(super) fn remove_node(&self, state: &mut State, node: usize) {
        state.api.nodes[node] = false;
        self.node_written(state, node, Effect::Deleted);
    }

    pub(super) fn gc_looks(&self, state: &mut State, node: usize) {
        let gone = !state.api.nodes[node];
        state.gc[node] = match state.gc[node] {
            Gc::Idle if gone => Gc::Missed,
            Gc::Marked(pods) if gone => Gc::StillMissed(pods),
            _ => Gc::Idle,
        };
    }

    pub(super) fn gc_marks(&self, state: &mut State, node: usize) {
        let marked = std::array::from_fn(|pod| state.api.pods[pod].is_on(node));
        state.gc[node] = Gc::Marked(marked);
        for (pod, _) in marked.iter().enumerate().filter(|(_, marked)| **marked) {
            if !state.api.pods[pod].deleting {
                self.delete(state, pod);
            }
        }
    }

    pub(super) fn gc_removes(&self, state: &mut State, node: usize) {
        let Gc::StillMissed(marked) = std::mem::take(&mut state.gc[node]) else {
            return;
        };
        for (pod, _) in marked.iter().enumerate().filter(|(_, marked)| **marked) {
            if state.api.pods[pod].object == Object::Present {
                self.remove_object(state, pod);
            }
        }
    }

    /// What the API server says of a write that was carried out.
    pub(super) fn written(&self, state: &mut State, pod: usize, verb: &str, effect: Effect) {
        let object = &mut state.api.pods[pod];
        let expected = u64::from(object.version);
        object.version += 1;
        let (key, uid) = (self.key(pod), self.uid(pod));
        let revision = expected + 1;
        let actions = committed(key, uid, verb, expected, revision, effect);
        self.say(state, actions);
    }

    /// What it says of one that was not.
    pub(super) fn answered(&self, state: &mut State, pod: usize, verb: &str, code: u16) {
        let id = WRITE;
        let submitted = TransactionAction::Submitted {
            id,
            verb: verb.to_owned(),
            key: self.key(pod),
        };
        let actions = [
            submitted,
            TransactionAction::Confirmed { id },
            TransactionAction::Answered { id, code },
        ];
        self.say(state, actions.map(|action| Action::ApiServer(0, action)));
    }

    /// The write of a node's object. Nothing depends on its revision here.
    pub(super) fn node_written(&self, state: &mut State, node: usize, effect: Effect) {
        let name = node_name(node);
        let key = ObjectKey::new(kinds::nodes(), "", &name);
        let actions = committed(key, name, "update", 0, 1, effect);
        self.say(state, actions);
    }

    fn key(&self, pod: usize) -> ObjectKey {
        ObjectKey::new(kinds::pods(), "default", self.plan[pod].name)
    }
}

fn committed(
    key: ObjectKey,
    uid: String,
    verb: &str,
    expected: u64,
    revision: u64,
    effect: Effect,
) -> [Action; 3] {
    let id = WRITE;
    let submitted = TransactionAction::Submitted {
        id,
        verb: verb.to_owned(),
        key: key.clone(),
    };
    let attempted = TransactionAction::Attempted {
        id,
        key: key.clone(),
        uid: uid.clone(),
        expected,
        effect: effect.clone(),
    };
    let committed = TransactionAction::Committed {
        id,
        key,
        uid,
        revision,
        effect,
    };
    [submitted, attempted, committed].map(|action| Action::ApiServer(0, action))
}

impl PodObject {
    /// Whether it is there and bound to a node.
    pub fn is_on(&self, node: usize) -> bool {
        self.object == Object::Present && self.node.map(usize::from) == Some(node)
    }
}
