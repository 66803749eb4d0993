//! What an open watch may be handed.

use std::collections::VecDeque;

use model::actions::watch_cache::AppliedChange;
use model::messages::api::Change;

use super::cache::State;
use super::history::Key;
use crate::specification::{Refused, guard};

/// An open watch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Watch {
    /// The keys it sees begin with this.
    pub prefix: Key,
    /// Whether it sees all of them.
    pub everything: bool,
    /// It began strictly after this revision.
    pub after: u64,
    /// Present objects that are still to be handed to it.
    pub initial: u64,
    /// Every change up to this revision has been handed to it.
    pub sent: u64,
    /// What was handed to it and has not been taken: changes and bookmarks.
    pub untaken: u64,
    /// Whether a change that it was not handed has left the window.
    pub lost: bool,
}

impl Watch {
    /// The changes that it has not been handed, whether its selector selects them or not.
    pub fn pending<'a>(
        &'a self,
        applied: &'a VecDeque<AppliedChange>,
    ) -> impl Iterator<Item = &'a AppliedChange> + 'a {
        applied.iter().filter(|change| {
            self.everything && change.revision > self.sent && change.key.starts_with(&*self.prefix)
        })
    }

    pub(super) fn may_see(
        &self,
        state: &State,
        changes: &[(Change, Key, u64)],
    ) -> Result<(), Refused> {
        guard(
            !self.lost,
            "a watch whose place left the window is closed",
            || {
                format!(
                    "the window begins at {}, it was at {}",
                    state.floor, self.sent
                )
            },
        )?;
        if self.initial > 0 {
            let fit = changes.len() as u64 <= self.initial
                && changes.iter().all(|(change, _, revision)| {
                    *change == Change::Added && *revision <= self.after
                });
            return guard(fit, "initial events are the present objects", || {
                format!("{changes:?} of {} after {}", self.initial, self.after)
            });
        }
        let mut at = (self.sent + 1, None);
        for (change, key, revision) in changes {
            guard(
                *revision >= at.0 && at != (*revision, Some(key)),
                "changes are handed out in order, once",
                || format!("{change:?} {key} at {revision} after {at:?}"),
            )?;
            at = (*revision, Some(key));
            let applied = state
                .applied
                .iter()
                .find(|applied| applied.revision == *revision && applied.key == *key);
            let agrees = applied.is_some_and(|applied| {
                key.starts_with(&*self.prefix)
                    && (applied.change == *change
                        || applied.change == Change::Modified && !self.everything)
            });
            guard(agrees, "what is handed out was taken in", || {
                format!("{change:?} {key} at {revision}, taken in {applied:?}")
            })?;
        }
        let handed = |change: &AppliedChange| {
            changes
                .iter()
                .any(|(_, key, revision)| *key == change.key && *revision == change.revision)
        };
        let missed = self
            .pending(&state.applied)
            .find(|change| change.revision < at.0 + u64::from(at.1.is_some()) && !handed(change));
        guard(missed.is_none(), "no change is left out", || {
            format!("{missed:?} before {changes:?}")
        })
    }

    pub(super) fn may_mark(&self, state: &State, revision: u64) -> Result<(), Refused> {
        guard(
            !self.lost,
            "a watch whose place left the window is closed",
            || {
                format!(
                    "the window begins at {}, it was at {}",
                    state.floor, self.sent
                )
            },
        )?;
        guard(
            self.initial == 0 && (self.sent..=state.revision).contains(&revision),
            "a bookmark is between what was handed out and what was taken in",
            || format!("{revision} in {}..={}", self.sent, state.revision),
        )?;
        let missed = self
            .pending(&state.applied)
            .find(|change| change.revision <= revision);
        guard(missed.is_none(), "no change is left out", || {
            format!("{missed:?} before a bookmark at {revision}")
        })
    }
}
