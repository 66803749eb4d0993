//! Transactions: compare, then write at one revision.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::keys::{header_size, key_value};
use super::range::Room;
use super::step::Turn;
use super::value::Value;
use super::{Change, Version};
use crate::actions::store::StoreAction;
use crate::messages::store::{
    Compare, Key, KeyRange, LeaseId, Operand, Operation, OperationResult, Relation, StoreError,
    StoreResponse, Transaction,
};

impl<V: Value> Turn<'_, V> {
    /// Carries out a transaction, or nothing of it.
    pub(super) fn transaction(
        &mut self,
        asked: Transaction<V>,
    ) -> Result<StoreResponse<V>, StoreError> {
        self.check_size(&asked)?;
        let succeeded = asked.compares.iter().all(|compare| self.holds(compare));
        let operations = if succeeded {
            asked.success
        } else {
            asked.failure
        };
        // From here on nothing fails: all that could has been checked.
        self.check_operations(&operations)?;
        let mut changes = Vec::new();
        let mut room = Room {
            values: self.limits.message_bytes,
            header: self.limits.header_bytes,
        };
        let results = operations
            .into_iter()
            .map(|operation| self.operate(operation, &mut changes, &mut room))
            .collect();
        if changes.is_empty() {
            let revision = self.state.revision;
            self.actions.push(StoreAction::Compared {
                revision,
                succeeded,
            });
        } else {
            self.make_revision(changes);
        }
        Ok(StoreResponse::Transaction {
            revision: self.state.revision,
            succeeded,
            results,
        })
    }

    fn holds(&self, compare: &Compare<V>) -> bool {
        let state = self.state.keys.newest(&compare.key);
        let ordering = match &compare.operand {
            Operand::CreateRevision(right) => {
                state.map_or(0, |state| state.create_revision).cmp(right)
            }
            Operand::ModRevision(right) => state.map_or(0, |state| state.mod_revision).cmp(right),
            Operand::Version(right) => state.map_or(0, |state| state.version).cmp(right),
            Operand::Lease(right) => state.map_or(0, |state| state.lease).cmp(right),
            // etcd: "nil == empty" does not hold here, a missing key fails every question about its value.
            Operand::Value(right) => match state.and_then(|state| state.value.as_ref()) {
                Some(left) => left.cmp(right),
                None => return false,
            },
        };
        match compare.relation {
            Relation::Equal => ordering == Ordering::Equal,
            Relation::NotEqual => ordering != Ordering::Equal,
            Relation::Less => ordering == Ordering::Less,
            Relation::Greater => ordering == Ordering::Greater,
        }
    }

    fn operate(
        &mut self,
        operation: Operation<V>,
        changes: &mut Vec<Change<V>>,
        room: &mut Room,
    ) -> OperationResult<V> {
        match operation {
            Operation::Put { key, value, lease } => {
                changes.push(self.put(key, value, lease));
                OperationResult::Put
            }
            Operation::Delete { range, previous } => {
                let deleted: Vec<Key> = self.existing(&range).collect();
                let count = deleted.len() as u64;
                let mut before = Vec::new();
                for key in deleted {
                    before.extend(
                        self.state
                            .keys
                            .newest(&key)
                            .filter(|_| previous)
                            .map(|state| key_value(&key, state, false)),
                    );
                    room.header = room.header.saturating_sub(header_size(&key));
                    changes.push(self.delete(key));
                }
                OperationResult::Deleted {
                    count,
                    previous: before,
                }
            }
            Operation::Range(request) => {
                let name = self.state.revision + u64::from(!changes.is_empty());
                let revision = request.revision.unwrap_or(u64::MAX);
                OperationResult::Range(self.range_at(
                    &request,
                    revision,
                    request.revision.unwrap_or(name),
                    room,
                ))
            }
        }
    }

    fn existing<'a>(&'a self, range: &'a KeyRange) -> impl Iterator<Item = Key> + 'a {
        self.state
            .keys
            .range(range, u64::MAX)
            .map(|(key, _)| key.clone())
    }

    /// Writes a key at the next revision.
    fn put(&mut self, key: Key, value: V, lease: LeaseId) -> Change<V> {
        let revision = self.state.revision + 1;
        let old = self.state.keys.newest(&key);
        let now = Version {
            mod_revision: revision,
            create_revision: old.map_or(revision, |old| old.create_revision),
            version: old.map_or(1, |old| old.version + 1),
            lease,
            value: Some(value),
        };
        let old_lease = old.map_or(0, |old| old.lease);
        if old_lease != lease {
            self.detach(&key, old_lease);
            if let Some(lease) = self.state.leases.get_mut(&lease) {
                lease.keys.insert(key.clone());
            }
        }
        self.state.keys.write(&key, now.clone());
        Change { key, now }
    }

    /// Deletes a key that exists, at the next revision.
    pub(super) fn delete(&mut self, key: Key) -> Change<V> {
        let old_lease = self.state.keys.newest(&key).map_or(0, |old| old.lease);
        self.detach(&key, old_lease);
        let now = Version {
            mod_revision: self.state.revision + 1,
            create_revision: 0,
            version: 0,
            lease: 0,
            value: None,
        };
        self.state.keys.write(&key, now.clone());
        Change { key, now }
    }

    fn detach(&mut self, key: &Key, lease: LeaseId) {
        if let Some(lease) = self.state.leases.get_mut(&lease) {
            lease.keys.remove(key);
        }
    }

    /// What can be refused without looking at the keys.
    fn check_size(&self, asked: &Transaction<V>) -> Result<(), StoreError> {
        let lists = [
            asked.compares.len(),
            asked.success.len(),
            asked.failure.len(),
        ];
        let count = lists.into_iter().max().unwrap_or(0) as u64;
        if count > self.limits.operations {
            return Err(StoreError::TooManyOperations {
                count,
                limit: self.limits.operations,
            });
        }
        let mut bytes = 0;
        for compare in &asked.compares {
            self.check_key(&compare.key)?;
            bytes += compare.key.len() as u64;
            if let Operand::Value(value) = &compare.operand {
                bytes += value.size();
            }
        }
        for operation in asked.success.iter().chain(&asked.failure) {
            match operation {
                Operation::Put { key, value, .. } => {
                    self.check_key(key)?;
                    bytes += key.len() as u64 + value.size();
                }
                Operation::Delete { range, .. } => self.check_range(range)?,
                Operation::Range(request) => self.check_range(&request.range)?,
            }
        }
        if bytes > self.limits.request_bytes {
            return Err(StoreError::RequestTooLarge {
                bytes,
                limit: self.limits.request_bytes,
            });
        }
        check_written_once(&asked.success)?;
        check_written_once(&asked.failure)
    }

    /// Checks that a key may go with a lease, when `more` keys at most are about to.
    fn check_lease(&self, lease: LeaseId, more: usize) -> Result<(), StoreError> {
        let limit = self.limits.lease_keys;
        match self.state.leases.get(&lease) {
            _ if lease == 0 => Ok(()),
            None => Err(StoreError::LeaseNotFound { lease }),
            Some(found) if (found.keys.len() + more) as u64 > limit => {
                Err(StoreError::LeaseFull { lease, limit })
            }
            Some(_) => Ok(()),
        }
    }

    /// What can be refused only now that it is known which operations are carried out.
    fn check_operations(&self, operations: &[Operation<V>]) -> Result<(), StoreError> {
        let mut change = ChangeSize::default();
        let mut added = 0;
        let mut deleted = BTreeSet::new();
        for operation in operations {
            match operation {
                Operation::Put { key, value, lease } => {
                    self.check_lease(*lease, operations.len())?;
                    let old = self
                        .state
                        .keys
                        .newest(key)
                        .and_then(|old| old.value.as_ref());
                    // What is replaced by no more than itself is written however full the store is, so that a
                    // full one can still be kept alive and cleaned up.
                    added += match old {
                        Some(old) => value.size().saturating_sub(old.size()),
                        None => key.len() as u64 + value.size(),
                    };
                    change.add(key, old, Some(value));
                }
                Operation::Delete { range, .. } => {
                    for (key, old) in self.state.keys.range(range, u64::MAX) {
                        if deleted.insert(key) {
                            change.add(key, old.value.as_ref(), None);
                        }
                        if change.keys > self.limits.changes {
                            break;
                        }
                    }
                }
                Operation::Range(request) => self.check_range_request(request)?,
            }
        }
        let bytes = self.state.keys.live_bytes();
        if added > 0 && bytes + added > self.limits.live_bytes {
            return Err(StoreError::NoSpace { bytes });
        }
        if !change.fits(self.limits) {
            return Err(StoreError::TooMuchChanged {
                keys: change.keys,
                bytes: change.bytes,
                keys_limit: self.limits.changes,
                bytes_limit: self.limits.change_bytes,
            });
        }
        Ok(())
    }
}

/// How large the message is that tells of a revision with everything that was before it.
#[derive(Clone, Copy, Default)]
pub(super) struct ChangeSize {
    pub(super) keys: u64,
    pub(super) bytes: u64,
    header: u64,
}

impl ChangeSize {
    pub(super) fn add<V: Value>(&mut self, key: &str, old: Option<&V>, new: Option<&V>) {
        self.keys += 1;
        self.bytes += old.map_or(0, Value::size) + new.map_or(0, Value::size);
        self.header += 2 * header_size(key);
    }

    pub(super) fn fits(&self, limits: &super::Limits) -> bool {
        self.keys <= limits.changes
            && self.bytes <= limits.change_bytes
            && self.header <= limits.header_bytes
    }
}

/// etcd's "duplicate key given in txn request": a key is put once, and not deleted as well.
fn check_written_once<V>(operations: &[Operation<V>]) -> Result<(), StoreError> {
    let mut put = BTreeSet::new();
    for operation in operations {
        if let Operation::Put { key, .. } = operation
            && !put.insert(&**key)
        {
            return Err(StoreError::DuplicateKey { key: key.clone() });
        }
    }
    for operation in operations {
        if let Operation::Delete { range, .. } = operation
            && !range.is_empty()
            && let Some(key) = put.range::<str, _>(range.bounds()).next()
        {
            return Err(StoreError::DuplicateKey { key: (*key).into() });
        }
    }
    Ok(())
}
