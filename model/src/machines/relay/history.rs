//! The newest events of the engine, for watches that begin in the past or read slowly.

use std::collections::VecDeque;

use super::{Attachment, Limits, Value};
use crate::messages::store::{Event, KeyValue};

/// Every event after one revision and up to another. Revisions are the engine's own and may have gaps: others write
/// to it too.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct History<V> {
    /// Events up to this revision are forgotten.
    pub(super) compacted: u64,
    /// Every event up to this revision is here or forgotten.
    pub(super) position: u64,
    revisions: VecDeque<Revision<V>>,
    bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Revision<V> {
    pub(super) revision: u64,
    pub(super) events: Vec<Event<V>>,
    bytes: u64,
}

impl<V: Value> History<V> {
    /// Begins after a revision, with nothing.
    fn after(revision: u64) -> Self {
        History {
            compacted: revision,
            position: revision,
            revisions: VecDeque::new(),
            bytes: 0,
        }
    }

    /// What an attachment tells.
    pub(super) fn of(attachment: Attachment<V>) -> Self {
        let mut history = History::after(attachment.after);
        history.append(attachment.revision, attachment.events);
        history
    }

    /// Takes in the events up to a revision. Those that are here already are left out, so that none is twice.
    pub(super) fn append(&mut self, revision: u64, events: Vec<Event<V>>) {
        for event in events {
            let at = event.revision();
            if at <= self.position {
                continue;
            }
            let bytes = size(&event);
            self.bytes += bytes;
            match self.revisions.back_mut() {
                Some(last) if last.revision == at => {
                    last.events.push(event);
                    last.bytes += bytes;
                }
                _ => self.revisions.push_back(Revision {
                    revision: at,
                    events: vec![event],
                    bytes,
                }),
            }
        }
        self.position = self.position.max(revision);
    }

    /// The revisions after one, in order.
    pub(super) fn since(&self, after: u64) -> impl Iterator<Item = &Revision<V>> {
        let first = self
            .revisions
            .partition_point(|known| known.revision <= after);
        self.revisions.range(first..)
    }

    /// Forgets what is beyond the limits; the revision up to which it did, if it did.
    pub(super) fn forget(&mut self, limits: &Limits) -> Option<u64> {
        let most = limits
            .history_revisions
            .saturating_add(limits.compaction_step);
        if self.revisions.len() as u64 <= most && self.bytes <= limits.history_bytes {
            return None;
        }
        while self.revisions.len() as u64 > limits.history_revisions
            || self.bytes > limits.history_bytes
        {
            let oldest = self.revisions.pop_front()?;
            self.bytes -= oldest.bytes;
            self.compacted = oldest.revision;
        }
        Some(self.compacted)
    }

    /// Forgets the events up to a revision, as far as they have come; whether there was anything to forget.
    pub(super) fn compact(&mut self, revision: u64) -> bool {
        let through = revision.min(self.position);
        while let Some(oldest) = self.revisions.pop_front_if(|one| one.revision <= through) {
            self.bytes -= oldest.bytes;
        }
        let further = through > self.compacted;
        self.compacted = self.compacted.max(through);
        further
    }

    /// Bytes of the values that are kept.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// What an event takes, in bytes.
fn size<V: Value>(event: &Event<V>) -> u64 {
    let of = |state: &KeyValue<V>| state.value.as_ref().map_or(0, Value::size);
    let values = match event {
        Event::Put { now, previous } => of(now) + previous.as_ref().map_or(0, of),
        Event::Deleted { previous, .. } => previous.as_ref().map_or(0, of),
    };
    event.key().len() as u64 + values
}
