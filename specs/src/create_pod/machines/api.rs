//! The API server: the shipped write path over a small store with revisions.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::machine::{Machine, Now, Out, Request, Step};
use model::machines::transaction::{Input, Output, Seen, Write, WriteVerb, Written};
use model::messages::api::DeleteOptions;
use model::messages::store::{
    Compare, Key, KeyValue, Operand, Operation, OperationResult, RangeResponse, StoreResponse,
    Transaction,
};
use model::objects::key::ObjectKey;
use model::objects::kinds;
use model::objects::status::Status;

use crate::create_pod::Action;
use crate::create_pod::machines::objects::{Change, NAMESPACE, Thing};
use crate::create_pod::machines::{MachinesWorld, State, Suite};

/// Every object with the revision of its last write.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Store {
    /// The revision of the last write of all.
    pub revision: u64,
    /// The objects.
    pub objects: BTreeMap<Key, (u64, Thing)>,
    /// At which revision what was removed was removed, by UID.
    pub removed: BTreeMap<String, u64>,
}

impl Store {
    /// An object as it was seen here.
    fn seen(&self, path: &str) -> Seen<Thing> {
        match self.objects.get(path) {
            None => Seen::Absent,
            Some((revision, value)) => Seen::Present {
                revision: *revision,
                value: value.clone(),
            },
        }
    }

    /// The pods, by key.
    pub fn pods(&self) -> impl Iterator<Item = (u64, &Thing)> {
        let prefix = kinds::pods().prefix();
        let pods = self.objects.iter();
        pods.filter(move |(key, _)| key.starts_with(&prefix))
            .map(|(_, (revision, thing))| (*revision, thing))
    }

    /// The pod of a UID.
    pub fn pod(&self, uid: &str) -> Option<&Thing> {
        let mut pods = self.pods();
        pods.find(|(_, pod)| pod.meta.uid == uid)
            .map(|(_, pod)| pod)
    }

    /// Whether there is an object for a node.
    pub fn has_node(&self, name: &str) -> bool {
        let path = ObjectKey::new(kinds::nodes(), "", name).path();
        self.objects.contains_key(path.as_str())
    }

    fn carry_out(&mut self, transaction: Transaction<Thing>) -> StoreResponse<Thing> {
        let succeeded = transaction.compares.iter().all(|one| self.holds(one));
        let operations = if succeeded {
            transaction.success
        } else {
            transaction.failure
        };
        let results = operations.into_iter().map(|it| self.operate(it)).collect();
        StoreResponse::Transaction {
            revision: self.revision,
            succeeded,
            results,
        }
    }

    fn holds(&self, compare: &Compare<Thing>) -> bool {
        let found = self.objects.get(&compare.key);
        let found = found.map_or(0, |(revision, _)| *revision);
        // Writes compare nothing but revisions for equality.
        matches!(compare.operand, Operand::ModRevision(revision) if revision == found)
    }

    fn operate(&mut self, operation: Operation<Thing>) -> OperationResult<Thing> {
        match operation {
            Operation::Put { key, value, .. } => {
                self.revision += 1;
                self.objects.insert(key, (self.revision, value));
                OperationResult::Put
            }
            Operation::Delete { range, .. } => {
                let gone = self.objects.remove(&range.start);
                self.revision += u64::from(gone.is_some());
                if let Some((_, thing)) = &gone {
                    self.removed.insert(thing.meta.uid.clone(), self.revision);
                }
                OperationResult::Deleted {
                    count: u64::from(gone.is_some()),
                    previous: Vec::new(),
                }
            }
            Operation::Range(request) => {
                let key = request.range.start;
                let found = self.objects.get(&key).map(|(revision, value)| KeyValue {
                    key: Arc::clone(&key),
                    create_revision: 1,
                    mod_revision: *revision,
                    version: 1,
                    lease: 0,
                    value: Some(value.clone()),
                });
                OperationResult::Range(RangeResponse {
                    revision: self.revision,
                    count: u64::from(found.is_some()),
                    items: found.into_iter().collect(),
                    more: false,
                })
            }
        }
    }
}

/// The number of every write: none is under way when the next is submitted.
const WRITE: u64 = 0;

impl<M: Suite> MachinesWorld<M> {
    /// Carries a write out, as the API server does: decided over its cache, which may be behind, until it is answered.
    pub(super) fn write(
        &self,
        state: &mut State,
        key: ObjectKey,
        verb: WriteVerb<Change>,
        uid: &str,
    ) -> Result<Written<Thing>, Status> {
        let machine = &self.machines.transactions();
        let mut out = Out::new();
        let mut process = machine.start(None, Now::default(), &mut out);
        let namespace = if key.namespace.is_empty() {
            Seen::Absent
        } else {
            state
                .cache
                .seen(&ObjectKey::new(kinds::namespaces(), "", NAMESPACE).path())
        };
        let submit = Input::Submit {
            id: WRITE,
            object: state.cache.seen(&key.path()),
            namespace,
            write: Write {
                key,
                verb,
                dry_run: false,
            },
            uid: uid.to_owned(),
            random: 0,
        };
        let mut next = Some(submit);
        let mut answer = None;
        while let Some(input) = next.take() {
            if let Step::Moved(actions) =
                machine.step(&mut process, Now::default(), input, &mut out)
            {
                let said = actions
                    .into_iter()
                    .map(|action| Action::ApiServer(0, action));
                self.say(state, said);
            }
            for request in out.drain() {
                match request {
                    Request::Output(Output::Ask { id, transaction }) => {
                        let response = Arc::make_mut(&mut state.store).carry_out(transaction);
                        next = Some(Input::Stored { id, response });
                    }
                    Request::Output(Output::Answer { result, .. }) => answer = Some(result),
                    // Nothing in this world expires.
                    Request::Output(Output::Grant { .. })
                    | Request::Timer(..)
                    | Request::Cancel(_) => {}
                }
            }
        }
        self.watch_writes(state);
        answer.expect("every write is answered, for the store answers everything")
    }

    /// Deletes an object.
    pub(super) fn delete(
        &self,
        state: &mut State,
        key: ObjectKey,
        options: DeleteOptions,
    ) -> Result<Written<Thing>, Status> {
        self.write(state, key, WriteVerb::Delete(options), "")
    }

    /// Notes what no single state tells: where a pod was bound first, and whether a phase went back.
    fn watch_writes(&self, state: &mut State) {
        let store = Arc::clone(&state.store);
        let histories = Arc::make_mut(&mut state.histories);
        for (_, pod) in store.pods() {
            let history = histories.entry(pod.meta.uid.clone()).or_default();
            if history.node.is_empty() {
                history.node.clone_from(&pod.node);
            }
            state.bound_again |= history.node != pod.node;
            let (before, now) = (history.phase, pod.status.phase);
            state.went_back |= now < before || now != before && before.terminal();
            history.phase = now;
        }
    }
}

/// The key of a pod.
pub fn pod_key(name: &str) -> ObjectKey {
    ObjectKey::new(kinds::pods(), NAMESPACE, name)
}

/// The key of a node.
pub fn node_key(name: &str) -> ObjectKey {
    ObjectKey::new(kinds::nodes(), "", name)
}
