//! What must have happened in a store, as far as answers and events tell.

use std::collections::{BTreeMap, BTreeSet};

use super::observed::{Answer, LEASED, Observed, State, Write};

/// Every revision of which something is known.
#[derive(Clone, Debug, Default)]
pub struct History<'a> {
    /// The writes that were acknowledged, by revision.
    pub(super) acknowledged: BTreeMap<u64, &'a Write>,
    /// What each revision changed, in order; of one that nobody acknowledged, what a watch of everything brought.
    changes: BTreeMap<u64, Vec<(String, Option<u64>)>>,
    /// Each key's states by revision; none where it was deleted.
    states: BTreeMap<String, BTreeMap<u64, Option<State>>>,
    /// Keys of which something may have happened that nobody saw: nothing is claimed of them.
    doubtful: BTreeSet<String>,
    /// Revisions that two acknowledged writes were given.
    pub(super) twice: Vec<(u64, &'a Write)>,
}

impl<'a> History<'a> {
    /// Puts together what a session tells.
    pub fn of(observed: &'a Observed) -> Self {
        let mut history = History::default();
        for write in &observed.writes {
            let Answer::Done(revision) = write.answer else {
                continue;
            };
            if history.acknowledged.insert(revision, write).is_some() {
                history.twice.push((revision, write));
            }
            history.changes.insert(revision, write.changes.clone());
        }
        history.add_unacknowledged(observed);
        history.doubt(observed);
        history.replay();
        history
    }

    /// What no answer told, as the first watch of everything told it: the writes whose outcome was unknown, and the
    /// ends of leases.
    fn add_unacknowledged(&mut self, observed: &Observed) {
        for watch in observed.watches.iter().filter(|watch| watch.key.is_none()) {
            let mut told: BTreeMap<u64, Vec<(String, Option<u64>)>> = BTreeMap::new();
            for event in watch.messages.iter().flat_map(|message| &message.events) {
                let change = (event.key.clone(), event.now.map(|state| state.value));
                told.entry(event.revision).or_default().push(change);
            }
            for (revision, changes) in told {
                self.changes.entry(revision).or_insert(changes);
            }
        }
    }

    /// A write without an answer may have happened where no watch looked; and a made-up event is no write.
    fn doubt(&mut self, observed: &Observed) {
        let seen: BTreeSet<u64> = self
            .changes
            .values()
            .flatten()
            .filter_map(|(_, value)| *value)
            .collect();
        for write in &observed.writes {
            if write.answer != Answer::Unknown {
                continue;
            }
            let told = write
                .changes
                .iter()
                .any(|(_, value)| value.is_some_and(|value| seen.contains(&value)));
            if !told {
                let keys = write.changes.iter().map(|(key, _)| key.clone());
                self.doubtful.extend(keys);
            }
        }
    }

    fn replay(&mut self) {
        for (revision, changes) in &self.changes {
            for (key, value) in changes {
                let own = self.states.entry(key.clone()).or_default();
                let before = own
                    .range(..*revision)
                    .next_back()
                    .and_then(|(_, state)| *state);
                let now = value.map(|value| State {
                    created: before.map_or(*revision, |state| state.created),
                    modified: *revision,
                    version: before.map_or(1, |state| state.version + 1),
                    value,
                });
                own.insert(*revision, now);
            }
        }
    }

    /// Whether everything that happened to a key is known.
    pub fn is_sure_of(&self, key: &str) -> bool {
        !key.starts_with(LEASED) && !self.doubtful.contains(key)
    }

    /// What a revision changed, if it is known.
    pub fn changes(&self, revision: u64) -> &[(String, Option<u64>)] {
        self.changes.get(&revision).map_or(&[], Vec::as_slice)
    }

    /// The changes after one revision and up to another of keys that are known, of one key or all.
    pub fn due(&self, after: u64, through: u64, key: Option<&str>) -> Vec<(u64, &str)> {
        let range = self.changes.range(after + 1..through.max(after) + 1);
        range
            .flat_map(|(revision, changes)| {
                changes.iter().map(|(key, _)| (*revision, key.as_str()))
            })
            .filter(|(_, changed)| key.is_none_or(|key| key == *changed))
            .filter(|(_, changed)| self.is_sure_of(changed))
            .collect()
    }

    /// A key as of a revision.
    pub fn state(&self, key: &str, revision: u64) -> Option<State> {
        let own = self.states.get(key)?;
        own.range(..=revision)
            .next_back()
            .and_then(|(_, state)| *state)
    }

    /// Every key that is known, as of a revision.
    pub fn all(&self, revision: u64) -> BTreeMap<String, State> {
        self.states
            .keys()
            .filter(|key| self.is_sure_of(key))
            .filter_map(|key| Some((key.clone(), self.state(key, revision)?)))
            .collect()
    }
}
