//! The client of the machines' world, and what it waits for.

use model::machines::kubelet::pod::Phase;
use model::machines::transaction::WriteVerb;
use model::messages::api::DeleteOptions;

use crate::create_pod::machines::api::pod_key;
use crate::create_pod::machines::objects::{Change, Thing};
use crate::create_pod::machines::{Choice, MachinesWorld, State, Store, Suite, node_name};

impl<M: Suite> MachinesWorld<M> {
    pub(super) fn create(&self, state: &mut State) {
        let pod = state.created;
        let planned = self.plan[pod];
        let thing = Box::new(Thing::pod(planned.name, planned.restarts));
        let verb = WriteVerb::Create(Change::Whole(thing));
        // A refusal is an answer too: the client tries again.
        if self
            .write(state, pod_key(planned.name), verb, &self.uid(pod))
            .is_ok()
        {
            state.created += 1;
        }
    }

    pub(super) fn client_choices(&self, state: &State, choices: &mut Vec<Choice>) {
        let next = self.plan.get(state.created);
        if let Some(planned) = next.filter(|_| self.replicas == 0) {
            let path = pod_key(planned.name).path();
            if !state.store.objects.contains_key(path.as_str()) {
                choices.push(Choice::Create);
            }
        }
        for pod in 0..self.deletable {
            let uid = self.uid(pod);
            if state.store.pod(&uid).is_some_and(|it| !it.meta.deleting()) {
                choices.push(Choice::Delete(uid));
            }
        }
        if self.cache_lags && state.cache.revision != state.store.revision {
            choices.push(Choice::CacheCatchesUp);
        }
        // A cache that stands still matters to whoever lists after a crash.
        if state.left.stale_views.min(state.left.any) > 0 {
            choices.push(Choice::CacheStands);
        }
    }

    pub(super) fn delete_pod(&self, state: &mut State, uid: &str) {
        let name = state.store.pod(uid).map(|pod| pod.meta.name.clone());
        let options = DeleteOptions {
            uid: Some(uid.to_owned()),
            ..DeleteOptions::default()
        };
        // Refused only if it is gone by now.
        let _ = self.delete(state, pod_key(&name.unwrap_or_default()), options);
    }

    /// Whether a pod is where it can stay: it runs, has ended, is gone, or there is no room for it.
    pub(super) fn is_settled(&self, state: &State, pod: usize) -> bool {
        let alive = |node: usize| state.nodes[node].host.alive(&self.uid(pod));
        let Some(object) = state.store.pod(&self.uid(pod)) else {
            // It is gone, or waits for a name that is in use.
            let waits = pod >= state.created;
            if waits && self.replicas > 0 {
                return true;
            }
            let path = pod_key(self.plan[pod].name).path();
            let used = state.store.objects.contains_key(path.as_str());
            return waits && used || !waits && !(0..self.nodes).any(alive);
        };
        let Some(node) = (0..self.nodes).find(|node| node_name(*node) == object.node) else {
            return (0..self.nodes).all(|node| self.is_full(&state.store, node));
        };
        !object.meta.deleting()
            && match object.status.phase {
                Phase::Pending => false,
                Phase::Running => alive(node),
                Phase::Succeeded | Phase::Failed => !alive(node),
            }
    }

    pub(super) fn is_full(&self, store: &Store, node: usize) -> bool {
        let name = node_name(node);
        let holds = |pod: &Thing| pod.node == name && !pod.status.phase.terminal();
        let held = store.pods().filter(|(_, pod)| holds(pod)).count();
        !store.has_node(&name) || held >= self.room as usize
    }
}
