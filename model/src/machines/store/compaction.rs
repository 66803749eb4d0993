//! Forgetting history.

use std::collections::BTreeSet;

use super::Record;
use super::input::WatchId;
use super::step::Turn;
use super::value::Value;
use crate::actions::store::StoreAction;
use crate::messages::store::{Key, StoreError, StoreResponse};

impl<V: Value> Turn<'_, V> {
    /// Forgets what was before `revision`, as asked.
    pub(super) fn compact(&mut self, revision: u64) -> Result<StoreResponse<V>, StoreError> {
        let (compacted, newest) = (self.state.compacted, self.state.durable);
        if revision > newest {
            return Err(StoreError::FutureRevision { revision, newest });
        }
        if revision <= compacted {
            return Err(StoreError::Compacted { compacted });
        }
        self.forget(revision);
        Ok(StoreResponse::Done { revision: newest })
    }

    /// Keeps the history to its window: so many revisions, and no more than so many bytes of them.
    pub(super) fn compact_automatically(&mut self) {
        let limits = self.limits;
        let step = limits.compaction_step.max(1);
        let mut through = self.state.compacted;
        let mut bytes = self.state.history_bytes;
        let mut entries = self.state.log.iter();
        loop {
            let next = through.saturating_add(step).min(self.state.durable);
            let beyond =
                self.state.durable - next >= limits.history_revisions && next - through == step;
            if next == through || !(beyond || bytes > limits.history_bytes) {
                break;
            }
            for _ in through..next {
                bytes -= entries.next().map_or(0, |entry| entry.bytes);
            }
            through = next;
        }
        if through > self.state.compacted {
            self.forget(through);
        }
    }

    fn forget(&mut self, through: u64) {
        let count = (through - self.state.compacted) as usize;
        let mut changed: BTreeSet<Key> = BTreeSet::new();
        for entry in self.state.log.drain(..count.min(self.state.log.len())) {
            self.state.history_bytes -= entry.bytes;
            changed.extend(entry.keys);
        }
        self.state.compacted = through;
        let base = changed
            .into_iter()
            .map(|key| {
                let state = self.state.keys.forget(&key, through);
                (key, state)
            })
            .collect();
        self.state
            .gathering
            .records
            .push(Record::Compacted { through, base });
        self.actions.push(StoreAction::Compacted { through });
        let behind: Vec<WatchId> = self.state.watches.behind(through).collect();
        for watch in behind {
            self.cancel(watch, StoreError::Behind { compacted: through });
        }
    }
}
