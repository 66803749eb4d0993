//! What an open watch may be handed.

use std::collections::VecDeque;

use model::actions::watch_cache::AppliedChange;
use model::messages::api::Change;

use super::cache::State;
use super::history::Key;
use crate::specification::{Refused, guard, present};

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
            let detail = || format!("{changes:?} of {} after {}", self.initial, self.after);
            let few = changes.len() as u64 <= self.initial;
            guard(
                few,
                "initial events are as many as there are objects",
                detail,
            )?;
            let mut all = changes.iter();
            let added = all.all(|(change, _, _)| *change == Change::Added);
            guard(added, "initial events are additions", detail)?;
            let mut all = changes.iter();
            let present = all.all(|(_, _, revision)| *revision <= self.after);
            return guard(present, "initial events are the present objects", detail);
        }
        let mut at = (self.sent + 1, None);
        for (change, key, revision) in changes {
            let detail = || format!("{change:?} {key} at {revision} after {at:?}");
            guard(*revision >= at.0, "changes are handed out in order", detail)?;
            let again = at == (*revision, Some(key));
            guard(!again, "changes are handed out once", detail)?;
            at = (*revision, Some(key));
            let applied = state
                .applied
                .iter()
                .find(|applied| applied.revision == *revision && applied.key == *key);
            let detail = || format!("{change:?} {key} at {revision}, taken in {applied:?}");
            let taken = present(applied, "what is handed out was taken in", detail)?;
            let mine = key.starts_with(&*self.prefix);
            guard(mine, "a watch is handed what it asked for", detail)?;
            // An object that is changed may enter or leave what a watch selects.
            let entered = taken.change == Change::Modified && !self.everything;
            let same = taken.change == *change || entered;
            guard(same, "a change is handed out as what it was", detail)?;
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
        let detail = || format!("{revision} in {}..={}", self.sent, state.revision);
        let over = self.initial == 0;
        guard(over, "a bookmark comes after the initial events", detail)?;
        let ahead = self.sent <= revision;
        guard(
            ahead,
            "a bookmark is not behind what was handed out",
            detail,
        )?;
        let known = revision <= state.revision;
        guard(
            known,
            "a bookmark is not ahead of what was taken in",
            detail,
        )?;
        let missed = self
            .pending(&state.applied)
            .find(|change| change.revision <= revision);
        guard(missed.is_none(), "no change is left out", || {
            format!("{missed:?} before a bookmark at {revision}")
        })
    }
}
