//! The state after a start, from what is on disk.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Store;
use super::durable::{Durable, Version};
use super::input::Timer;
use super::keys::Keys;
use super::state::{Batch, Lease, Revision, State};
use super::value::Value;
use super::watch::Watches;
use crate::machine::Out;
use crate::messages::store::{Key, LeaseId};

/// Restores what was durable. Every lease lives for its whole time to live again, since nobody counted while
/// the store was away (as etcd does without checkpoints).
pub(super) fn start<V: Value>(found: Durable<V>, out: &mut Out<Store<V>>) -> State<V> {
    let revision = found.revision();
    let mut keys = Keys::new();
    let mut log = VecDeque::new();
    for (key, version) in found.base {
        keys.write(&key, version);
    }
    if found.compacted == 0 {
        // Revision 1 is the empty store.
        log.push_back(Revision {
            keys: Vec::new(),
            bytes: 0,
        });
    }
    for changes in found.log.into_values() {
        let bytes = changes
            .iter()
            .map(|change| change_size(&change.key, &change.now))
            .sum();
        let mut changed = Vec::with_capacity(changes.len());
        for change in changes {
            keys.write(&change.key, change.now);
            changed.push(change.key);
        }
        log.push_back(Revision {
            keys: changed,
            bytes,
        });
    }
    let leases = leases(&found.leases, &keys);
    for (
        lease,
        Lease {
            ttl_seconds, life, ..
        },
    ) in &leases
    {
        out.timer(
            Timer::Lease {
                lease: *lease,
                life: *life,
            },
            u64::from(*ttl_seconds) * 1000,
        );
    }
    State {
        keys,
        history_bytes: log.iter().map(|revision| revision.bytes).sum(),
        log,
        revision,
        durable: revision,
        compacted: found.compacted,
        leases,
        lives: 0,
        watches: Watches::new(),
        gathering: Batch::new(),
        committing: None,
        failed: None,
    }
}

/// What a change takes in the history, in bytes.
pub(super) fn change_size<V: Value>(key: &Key, now: &Version<V>) -> u64 {
    key.len() as u64 + now.value.as_ref().map_or(0, Value::size)
}

fn leases<V: Value>(found: &BTreeMap<LeaseId, u32>, keys: &Keys<V>) -> BTreeMap<LeaseId, Lease> {
    let mut leases: BTreeMap<LeaseId, Lease> = found
        .iter()
        .map(|(lease, ttl_seconds)| {
            let fresh = Lease {
                ttl_seconds: *ttl_seconds,
                life: 0,
                keys: BTreeSet::new(),
            };
            (*lease, fresh)
        })
        .collect();
    for (key, version) in keys.all() {
        if let Some(lease) = leases.get_mut(&version.lease) {
            lease.keys.insert(key.clone());
        }
    }
    leases
}
