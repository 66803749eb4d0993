//! Group commit: everything decided while the disk is busy goes to it together.

use super::input::WatchId;
use super::output::Output;
use super::start::change_size;
use super::state::{Batch, Revision};
use super::step::Turn;
use super::value::Value;
use super::{Change, Record};
use crate::actions::store::{Changed, StoreAction};
use crate::messages::store::{StoreError, StoreResponse, WatchFrame};

impl<V: Value> Turn<'_, V> {
    /// Makes a revision of changes that are in the keys already.
    pub(super) fn make_revision(&mut self, changes: Vec<Change<V>>) {
        let revision = self.state.revision + 1;
        self.state.revision = revision;
        let bytes = changes
            .iter()
            .map(|change| change_size(&change.key, &change.now))
            .sum();
        self.state.history_bytes += bytes;
        self.state.gathering.bytes += bytes;
        self.state.log.push_back(Revision {
            keys: changes.iter().map(|change| change.key.clone()).collect(),
            bytes,
        });
        self.actions.push(StoreAction::Wrote {
            revision,
            changes: changes
                .iter()
                .map(|change| Changed {
                    key: change.key.clone(),
                    version: change.now.version,
                    lease: change.now.lease,
                })
                .collect(),
        });
        self.state
            .gathering
            .records
            .push(Record::Revision { revision, changes });
    }

    /// Sends what has gathered to the disk, if the disk is free.
    pub(super) fn commit(&mut self) {
        let state = &mut *self.state;
        if state.committing.is_some()
            || state.failed.is_some()
            || state.gathering.records.is_empty()
        {
            return;
        }
        let Batch {
            records, waiting, ..
        } = std::mem::replace(&mut state.gathering, Batch::new());
        let through = state.revision;
        state.committing = Some((through, waiting));
        self.actions.push(StoreAction::CommitBegan { through });
        self.out.push(Output::Persist { through, records });
    }

    /// The commit is durable: what it decided is told.
    pub(super) fn persisted(&mut self, through: u64) -> Option<&'static str> {
        match &self.state.committing {
            None => return Some("no commit is under way"),
            Some((expected, _)) if *expected != through => {
                return Some("another commit is under way");
            }
            Some(_) => {}
        }
        let (_, waiting) = self.state.committing.take()?;
        let before = std::mem::replace(&mut self.state.durable, through);
        self.actions.push(StoreAction::Persisted { through });
        for (to, response) in waiting {
            self.answer(to, response);
        }
        self.announce(before);
        self.compact_automatically();
        None
    }

    /// The commit failed. What of it is on disk is unknown, so nobody may be told success or failure of a
    /// write, and going on would show what may not be durable: everyone is told that the store has failed.
    pub(super) fn persist_failed(&mut self, reason: String) -> Option<&'static str> {
        let Some((_, waiting)) = self.state.committing.take() else {
            return Some("no commit is under way");
        };
        self.actions.push(StoreAction::PersistFailed {
            reason: reason.clone(),
        });
        let gathered = std::mem::replace(&mut self.state.gathering, Batch::new());
        let error = StoreError::Failed {
            reason: reason.clone(),
        };
        for (to, _) in waiting.into_iter().chain(gathered.waiting) {
            let response = StoreResponse::Failed(error.clone());
            self.out.push(Output::Answer { to, response });
        }
        let watches: Vec<WatchId> = self
            .state
            .watches
            .positions()
            .map(|(watch, _)| watch)
            .collect();
        for watch in watches {
            self.state.watches.remove(watch);
            self.out.push(Output::Frame {
                watch,
                frame: WatchFrame::Cancelled(error.clone()),
            });
        }
        self.state.failed = Some(reason.clone());
        self.out.push(Output::Stop { reason });
        None
    }
}
