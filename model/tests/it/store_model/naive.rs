//! A store that is obviously right: every key at every revision.

use std::collections::BTreeMap;

use model::messages::store::{
    Compare, Event, Key, KeyRange, KeyValue, Operand, Operation, OperationResult, RangeRequest,
    RangeResponse, Relation, StoreError, StoreResponse, Transaction,
};

pub type Snapshot = BTreeMap<Key, KeyValue<u8>>;

/// Everything, at every revision; index 0 is revision 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Naive {
    pub snapshots: Vec<Snapshot>,
    /// The keys each revision changed, in order.
    pub order: Vec<Vec<Key>>,
    pub leases: BTreeMap<u64, u32>,
    pub compacted: u64,
}

impl Naive {
    pub fn new() -> Self {
        Naive {
            snapshots: vec![Snapshot::new()],
            order: vec![Vec::new()],
            leases: BTreeMap::new(),
            compacted: 0,
        }
    }

    pub fn revision(&self) -> u64 {
        self.snapshots.len() as u64
    }

    pub fn at(&self, revision: u64) -> &Snapshot {
        static EMPTY: Snapshot = Snapshot::new();
        match revision {
            0 => &EMPTY,
            revision => &self.snapshots[revision as usize - 1],
        }
    }

    fn newest(&self) -> &Snapshot {
        self.at(self.revision())
    }

    pub fn range(
        &self,
        request: &RangeRequest,
        snapshot: &Snapshot,
        revision: u64,
    ) -> RangeResponse<u8> {
        let matching: Vec<&KeyValue<u8>> = snapshot
            .values()
            .filter(|item| request.range.contains(&item.key))
            .collect();
        let wanted = match (request.count_only, request.limit) {
            (true, _) => 0,
            (false, 0) => matching.len(),
            (false, limit) => matching.len().min(limit as usize),
        };
        let items = matching[..wanted].iter().map(|item| KeyValue {
            value: item.value.filter(|_| !request.keys_only),
            ..(*item).clone()
        });
        RangeResponse {
            revision,
            items: items.collect(),
            more: !request.count_only && wanted < matching.len(),
            count: matching.len() as u64,
        }
    }

    fn holds(&self, compare: &Compare<u8>) -> bool {
        let found = self.newest().get(&compare.key);
        let number = |f: fn(&KeyValue<u8>) -> u64| found.map_or(0, f);
        let (left, right) = match compare.operand {
            Operand::CreateRevision(right) => (number(|item| item.create_revision), right),
            Operand::ModRevision(right) => (number(|item| item.mod_revision), right),
            Operand::Version(right) => (number(|item| item.version), right),
            Operand::Lease(right) => (number(|item| item.lease), right),
            Operand::Value(right) => match found {
                Some(item) => (u64::from(item.value.unwrap()), u64::from(right)),
                None => return false,
            },
        };
        match compare.relation {
            Relation::Equal => left == right,
            Relation::NotEqual => left != right,
            Relation::Less => left < right,
            Relation::Greater => left > right,
        }
    }

    pub fn transaction(&mut self, asked: &Transaction<u8>) -> StoreResponse<u8> {
        for list in [&asked.success, &asked.failure] {
            if let Some(key) = written_twice(list) {
                return StoreResponse::Failed(StoreError::DuplicateKey { key });
            }
        }
        let succeeded = asked.compares.iter().all(|compare| self.holds(compare));
        let list = if succeeded {
            &asked.success
        } else {
            &asked.failure
        };
        for operation in list {
            if let Operation::Put { lease, .. } = operation
                && *lease != 0
                && !self.leases.contains_key(lease)
            {
                return StoreResponse::Failed(StoreError::LeaseNotFound { lease: *lease });
            }
        }
        let next = self.revision() + 1;
        let mut snapshot = self.newest().clone();
        let mut order = Vec::new();
        let mut results = Vec::new();
        for operation in list {
            results.push(match operation {
                Operation::Put { key, value, lease } => {
                    let old = snapshot.get(key);
                    let item = KeyValue {
                        key: key.clone(),
                        create_revision: old.map_or(next, |old| old.create_revision),
                        mod_revision: next,
                        version: old.map_or(0, |old| old.version) + 1,
                        lease: *lease,
                        value: Some(*value),
                    };
                    snapshot.insert(key.clone(), item);
                    order.push(key.clone());
                    OperationResult::Put
                }
                Operation::Delete { range, previous } => {
                    let gone = take(&mut snapshot, |item| range.contains(&item.key));
                    order.extend(gone.iter().map(|item| item.key.clone()));
                    OperationResult::Deleted {
                        count: gone.len() as u64,
                        previous: if *previous { gone } else { Vec::new() },
                    }
                }
                Operation::Range(request) => {
                    let revision = if order.is_empty() { next - 1 } else { next };
                    OperationResult::Range(self.range(request, &snapshot, revision))
                }
            });
        }
        self.push(snapshot, order);
        StoreResponse::Transaction {
            revision: self.revision(),
            succeeded,
            results,
        }
    }

    fn push(&mut self, snapshot: Snapshot, order: Vec<Key>) {
        if !order.is_empty() {
            self.snapshots.push(snapshot);
            self.order.push(order);
        }
    }

    pub fn end_lease(&mut self, lease: u64) {
        self.leases.remove(&lease);
        let mut snapshot = self.newest().clone();
        let gone = take(&mut snapshot, |item| item.lease == lease);
        self.push(snapshot, gone.into_iter().map(|item| item.key).collect());
    }

    /// The events of a range after one revision and up to another.
    pub fn events(
        &self,
        range: &KeyRange,
        after: u64,
        through: u64,
        with_previous: bool,
    ) -> Vec<Event<u8>> {
        let mut events = Vec::new();
        for revision in after + 1..=through {
            for key in self.order[revision as usize - 1]
                .iter()
                .filter(|key| range.contains(key))
            {
                let previous = self
                    .at(revision - 1)
                    .get(key)
                    .filter(|_| with_previous)
                    .cloned();
                events.push(match self.at(revision).get(key) {
                    Some(now) => Event::Put {
                        now: now.clone(),
                        previous,
                    },
                    None => Event::Deleted {
                        key: key.clone(),
                        revision,
                        previous,
                    },
                });
            }
        }
        events
    }
}

fn take(snapshot: &mut Snapshot, goes: impl Fn(&KeyValue<u8>) -> bool) -> Vec<KeyValue<u8>> {
    let gone: Vec<KeyValue<u8>> = snapshot
        .values()
        .filter(|item| goes(item))
        .cloned()
        .collect();
    snapshot.retain(|_, item| !goes(item));
    gone
}

/// The first key, in the order in which the store looks, that is put twice or put and deleted.
fn written_twice(list: &[Operation<u8>]) -> Option<Key> {
    let puts: Vec<&Key> = list
        .iter()
        .filter_map(|operation| match operation {
            Operation::Put { key, .. } => Some(key),
            _ => None,
        })
        .collect();
    let twice = (0..puts.len()).find(|nth| puts[..*nth].contains(&puts[*nth]));
    twice.map(|nth| puts[nth].clone()).or_else(|| {
        list.iter().find_map(|operation| match operation {
            Operation::Delete { range, .. } => puts
                .iter()
                .filter(|key| range.contains(key))
                .min()
                .map(|key| (*key).clone()),
            _ => None,
        })
    })
}
