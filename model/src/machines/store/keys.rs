//! Every key with the states it had inside the history.

use std::collections::BTreeMap;

use super::durable::Version;
use super::value::Value;
use crate::messages::store::{Key, KeyRange, KeyValue};

/// Every key with its states, oldest first: those inside the history, and the last one before it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Keys<V> {
    states: BTreeMap<Key, Vec<Version<V>>>,
    live: u64,
    live_bytes: u64,
}

impl<V: Value> Keys<V> {
    pub(super) fn new() -> Self {
        Keys {
            states: BTreeMap::new(),
            live: 0,
            live_bytes: 0,
        }
    }

    /// How many keys exist.
    pub(super) fn live(&self) -> u64 {
        self.live
    }

    /// Bytes of the keys that exist and of their values.
    pub(super) fn live_bytes(&self) -> u64 {
        self.live_bytes
    }

    /// The key as it is, if it exists.
    pub(super) fn newest(&self, key: &str) -> Option<&Version<V>> {
        self.states
            .get(key)?
            .last()
            .filter(|state| state.value.is_some())
    }

    /// The state that `revision` gave to the key, and the one before if the key existed then.
    pub(super) fn written(
        &self,
        key: &str,
        revision: u64,
    ) -> Option<(&Version<V>, Option<&Version<V>>)> {
        let states = self.states.get(key)?;
        let at = states
            .binary_search_by_key(&revision, |state| state.mod_revision)
            .ok()?;
        let before = at.checked_sub(1).map(|before| &states[before]);
        Some((&states[at], before.filter(|state| state.value.is_some())))
    }

    /// The keys of a range that existed at a revision, in order.
    pub(super) fn range<'a>(
        &'a self,
        range: &'a KeyRange,
        revision: u64,
    ) -> impl Iterator<Item = (&'a Key, &'a Version<V>)> + 'a {
        (!range.is_empty())
            .then(|| self.states.range::<str, _>(range.bounds()))
            .into_iter()
            .flatten()
            .filter_map(move |(key, states)| Some((key, at(states, revision)?)))
    }

    /// The keys that exist, in order.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Key, &Version<V>)> + '_ {
        self.states.iter().filter_map(|(key, states)| {
            Some((key, states.last().filter(|state| state.value.is_some())?))
        })
    }

    /// Gives a key its next state.
    pub(super) fn write(&mut self, key: &Key, state: Version<V>) {
        let states = self.states.entry(key.clone()).or_default();
        if let Some(old) = states.last().and_then(|state| state.value.as_ref()) {
            self.live -= 1;
            self.live_bytes -= key.len() as u64 + old.size();
        }
        if let Some(new) = &state.value {
            self.live += 1;
            self.live_bytes += key.len() as u64 + new.size();
        }
        states.push(state);
    }

    /// Forgets the states that nothing from revision `through` on can see, and says what the key is there.
    pub(super) fn forget(&mut self, key: &Key, through: u64) -> Option<Version<V>> {
        let states = self.states.get_mut(key)?;
        let seen = states.partition_point(|state| state.mod_revision <= through);
        let base = seen
            .checked_sub(1)
            .map(|last| states[last].clone())
            .filter(|state| state.value.is_some());
        let keep_from = if base.is_some() { seen - 1 } else { seen };
        states.drain(..keep_from);
        if states.is_empty() {
            self.states.remove(key);
        } else if states.capacity() > 2 * states.len() + 4 {
            states.shrink_to_fit();
        }
        base
    }
}

fn at<V>(states: &[Version<V>], revision: u64) -> Option<&Version<V>> {
    let newest = states.last()?;
    let state = if newest.mod_revision <= revision {
        newest
    } else {
        let seen = states.partition_point(|state| state.mod_revision <= revision);
        &states[seen.checked_sub(1)?]
    };
    state.value.is_some().then_some(state)
}

/// A state of a key as messages carry it.
pub(super) fn key_value<V: Value>(key: &Key, state: &Version<V>, keys_only: bool) -> KeyValue<V> {
    KeyValue {
        key: key.clone(),
        create_revision: state.create_revision,
        mod_revision: state.mod_revision,
        version: state.version,
        lease: state.lease,
        value: state.value.clone().filter(|_| !keys_only),
    }
}

/// What of a message a key takes beside its value, in bytes, at most.
pub(in crate::machines) fn header_size(key: &str) -> u64 {
    // Four revisions and counters, a lease and a length of up to 9 bytes each.
    key.len() as u64 + 56
}
