//! A store without history: what transactions do to it, in etcd's words.

use std::collections::{BTreeMap, BTreeSet};

use model::messages::store::{
    Compare, Key, KeyValue, LeaseId, Operand, Operation, OperationResult, RangeResponse, Relation,
    StoreError, StoreResponse, Transaction,
};

use super::objects::Thing;

#[derive(Default)]
pub struct Store {
    pub revision: u64,
    pub objects: BTreeMap<Key, (u64, Thing)>,
    /// Each object as it was before its last write.
    pub before: BTreeMap<Key, (u64, Thing)>,
    /// At which revision each object was created.
    created: BTreeMap<Key, u64>,
    /// The leases that are alive, each with the keys that go with it.
    pub leases: BTreeMap<LeaseId, BTreeSet<Key>>,
}

impl Store {
    pub fn put(&mut self, key: Key, thing: Thing) {
        self.revision += 1;
        self.created.entry(key.clone()).or_insert(self.revision);
        if let Some(before) = self.objects.insert(key.clone(), (self.revision, thing)) {
            self.before.insert(key, before);
        }
    }

    pub fn remove(&mut self, key: &str) -> Option<Thing> {
        let (_, thing) = self.objects.remove(key)?;
        self.created.remove(key);
        self.detach(key);
        self.revision += 1;
        Some(thing)
    }

    fn detach(&mut self, key: &str) {
        for keys in self.leases.values_mut() {
            keys.remove(key);
        }
    }

    pub fn grant(&mut self, lease: LeaseId, ttl_seconds: u32) -> StoreResponse<Thing> {
        self.leases.insert(lease, BTreeSet::new());
        StoreResponse::Lease { lease, ttl_seconds }
    }

    /// Ends a lease; the keys that go with it go.
    pub fn end(&mut self, lease: LeaseId) {
        let keys = self.leases.remove(&lease).unwrap_or_default();
        self.revision += u64::from(!keys.is_empty());
        for key in keys {
            self.objects.remove(&key);
            self.created.remove(&key);
        }
    }

    /// Every pod, with the revision of its last write.
    pub fn pods(&self) -> impl Iterator<Item = &(u64, Thing)> {
        let pods = self.objects.iter();
        pods.filter(|(key, _)| key.contains("/pods/"))
            .map(|(_, pod)| pod)
    }

    pub fn carry_out(&mut self, transaction: Transaction<Thing>) -> StoreResponse<Thing> {
        let succeeded = transaction
            .compares
            .iter()
            .all(|compare| self.holds(compare));
        let operations = if succeeded {
            transaction.success
        } else {
            transaction.failure
        };
        for operation in &operations {
            if let Operation::Put { lease, .. } = operation
                && *lease != 0
                && !self.leases.contains_key(lease)
            {
                let lease = *lease;
                return StoreResponse::Failed(StoreError::LeaseNotFound { lease });
            }
        }
        let results = operations
            .into_iter()
            .map(|operation| self.operate(operation))
            .collect();
        StoreResponse::Transaction {
            revision: self.revision,
            succeeded,
            results,
        }
    }

    fn holds(&self, compare: &Compare<Thing>) -> bool {
        let found = self
            .objects
            .get(&compare.key)
            .map_or(0, |(revision, _)| *revision);
        assert_eq!(compare.relation, Relation::Equal);
        match compare.operand {
            Operand::ModRevision(revision) => found == revision,
            _ => panic!("writes compare revisions"),
        }
    }

    fn operate(&mut self, operation: Operation<Thing>) -> OperationResult<Thing> {
        match operation {
            Operation::Put { key, value, lease } => {
                assert!(
                    value.meta.resource_version.is_empty(),
                    "no resourceVersion is stored"
                );
                self.detach(&key);
                if let Some(keys) = self.leases.get_mut(&lease) {
                    keys.insert(key.clone());
                }
                self.put(key, value);
                OperationResult::Put
            }
            Operation::Delete { range, .. } => {
                let key = range.single().expect("writes delete one key");
                self.remove(key).expect("what is deleted was compared");
                OperationResult::Deleted {
                    count: 1,
                    previous: Vec::new(),
                }
            }
            Operation::Range(request) => {
                let key = request.range.single().expect("writes read one key");
                let items: Vec<_> = self
                    .objects
                    .get(key)
                    .map(|(revision, thing)| KeyValue {
                        key: key.clone(),
                        create_revision: self.created.get(key).copied().unwrap_or(0),
                        mod_revision: *revision,
                        version: 1,
                        lease: 0,
                        value: Some(thing.clone()),
                    })
                    .into_iter()
                    .collect();
                let count = items.len() as u64;
                OperationResult::Range(RangeResponse {
                    revision: self.revision,
                    items,
                    more: false,
                    count,
                })
            }
        }
    }
}
