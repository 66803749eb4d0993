//! Writes whose answer was lost: what became of them is read from the store, and they end as if it had come.
//!
//! A client does not learn of a store that ended and came back but by a pause. What is read is the truth as long as nobody
//! else writes the object between: the writes of this server wait in its lane. If another server has written the very same
//! object over the same revision, it is taken for ours: both wanted what is there.

use crate::actions::transaction::{Effect, TransactionAction as Action};
use crate::messages::store::{KeyValue, OperationResult, Transaction};
use crate::objects::status::Status;

use super::decision::{Attempt, reads};
use super::failures::{unknown, unreached};
use super::input::WriteId;
use super::output::Output;
use super::state::{Asked, Doubt};
use super::step::{ATTEMPTS_LIMIT, Turn};
use super::strategy::Strategy;

/// What became of a write.
enum Fate {
    /// It was carried out, at this revision.
    Done(u64),
    /// It was to delete the object, which is gone as of this revision.
    Gone(u64),
    /// It was to change the object, which is not there.
    Absent,
    /// The object is as it was before.
    Undone,
    /// It was not carried out and will not be: the object had been written before it was sent, or is another one.
    Beaten,
    /// The object is otherwise: someone else has written it, before or after.
    Unclear,
}

impl<S: Strategy> Turn<'_, S> {
    /// The store was not asked.
    pub(super) fn unsent(&mut self, id: WriteId) {
        match self.asked(id).is_some_and(Asked::leaves_open) {
            true => self.give_up_unread(id),
            false => self.answer(id, Err(unreached())),
        }
    }

    /// The answer of the store was lost, or the store does not know; `over` if it was lost with its connection.
    pub(super) fn lost(&mut self, id: WriteId, over: bool) {
        let Some(pending) = self.state.pending.get_mut(&id) else {
            return;
        };
        match std::mem::replace(&mut pending.asked, Asked::Nothing) {
            Asked::Write(attempt) => self.doubt(id, attempt, over),
            Asked::WriteAgain {
                attempt,
                over: before,
            } => self.doubt(id, attempt, over && before),
            Asked::Fate(_) => self.give_up_unread(id),
            Asked::Read | Asked::Nothing => self.answer(id, Err(unreached())),
        }
    }

    /// Asks what became of a write. `over` says that the store will not carry it out later: the connection that it was
    /// sent over has ended, and the store hears nothing from it once this server speaks over another.
    fn doubt(&mut self, id: WriteId, attempt: Attempt<S::Value>, over: bool) {
        let lane = self.state.lanes.get(&attempt.key);
        let alone = lane.is_some_and(|lane| lane.front() == Some(&id));
        let Some(pending) = self.state.pending.get_mut(&id) else {
            return;
        };
        if pending.attempts >= ATTEMPTS_LIMIT {
            return self.give_up_unread(id);
        }
        let transaction = Transaction {
            compares: Vec::new(),
            success: reads(&attempt.key),
            failure: Vec::new(),
        };
        pending.asked = Asked::Fate(Doubt {
            over,
            alone,
            attempt,
        });
        self.out.push(Output::Ask { id, transaction });
    }

    /// Ends a write in doubt, or sends it again, by what was read.
    pub(super) fn settle(
        &mut self,
        id: WriteId,
        doubt: Doubt<S::Value>,
        revision: u64,
        results: Vec<OperationResult<S::Value>>,
    ) {
        let Doubt {
            attempt,
            alone,
            over,
        } = doubt;
        match self.fate(&attempt, revision, &results) {
            Fate::Done(revision) if alone => self.carried_out(id, attempt, revision),
            Fate::Done(revision) | Fate::Gone(revision) => {
                self.actions.push(Action::Unknown { id });
                self.committed(id, attempt.written(revision));
            }
            Fate::Absent => self.vanished(id, &attempt),
            // An object that must be at a revision is never at it again: what comes after this does nothing. It is the same
            // attempt still: what goes with a lease may have been written, and have gone with it.
            Fate::Undone if alone && (over || attempt.expected != 0) => {
                let transaction = attempt.transaction();
                self.ask_to_write(id, transaction, Asked::WriteAgain { attempt, over });
            }
            Fate::Beaten => self.lost_race(id, &attempt, results),
            Fate::Undone | Fate::Unclear => self.give_up(id),
        }
    }

    /// Ends a write that was sent again and lost: to itself, if it had been carried out after all. Gives it back if it was
    /// not carried out at all, so that it is decided again.
    pub(super) fn lost_again(
        &mut self,
        id: WriteId,
        attempt: Attempt<S::Value>,
        revision: u64,
        results: &[OperationResult<S::Value>],
    ) -> Option<Attempt<S::Value>> {
        match self.fate(&attempt, revision, results) {
            Fate::Done(revision) => self.carried_out(id, attempt, revision),
            Fate::Undone | Fate::Beaten => return Some(attempt),
            Fate::Absent => self.vanished(id, &attempt),
            Fate::Gone(_) | Fate::Unclear => self.give_up(id),
        }
        None
    }

    /// Answers that there is no such object, whatever became of the write.
    fn vanished(&mut self, id: WriteId, attempt: &Attempt<S::Value>) {
        self.actions.push(Action::Unknown { id });
        self.finish(id, Err(Status::not_found(&attempt.key)));
    }

    fn fate(
        &self,
        attempt: &Attempt<S::Value>,
        revision: u64,
        results: &[OperationResult<S::Value>],
    ) -> Fate {
        let found = match results.first() {
            Some(OperationResult::Range(range)) => range.items.first(),
            _ => return Fate::Unclear,
        };
        match (&attempt.effect, found) {
            (Effect::Deleted, None) => Fate::Gone(revision),
            // Another of its name has come since.
            (Effect::Deleted, Some(found)) if found.create_revision > attempt.expected => {
                Fate::Gone(revision)
            }
            (Effect::Created | Effect::Placed { .. }, Some(found))
                if self.is_ours(attempt, found) =>
            {
                Fate::Done(found.create_revision)
            }
            (_, Some(found)) if found.mod_revision == attempt.expected => Fate::Undone,
            (_, Some(found)) if found.mod_revision <= attempt.after => Fate::Beaten,
            (Effect::Updated | Effect::Bound { .. } | Effect::Deleting, Some(found))
                if found.value.as_ref() == Some(&attempt.value) =>
            {
                Fate::Done(found.mod_revision)
            }
            (_, Some(found))
                if attempt.expected != 0 && found.create_revision > attempt.expected =>
            {
                Fate::Beaten
            }
            (_, None) if attempt.expected == 0 => Fate::Undone,
            (_, None) => Fate::Absent,
            _ => Fate::Unclear,
        }
    }

    /// Whether an object is the one that a create made, whatever was written to it since.
    fn is_ours(&self, attempt: &Attempt<S::Value>, found: &KeyValue<S::Value>) -> bool {
        let strategy = self.strategy;
        let meta = found.value.as_ref().and_then(|value| {
            let draft = strategy.decode(&attempt.key, value, found.mod_revision);
            strategy.meta(&draft.ok()?).ok()
        });
        meta.is_some_and(|meta| meta.uid == attempt.uid)
    }

    /// Answers that nobody knows, and the store does not say. The next write of the object reads it first: else it might
    /// write the same over the same, and take this one's work for its own.
    pub(super) fn give_up_unread(&mut self, id: WriteId) {
        if let Some(pending) = self.state.pending.get(&id) {
            self.state.unsettled.insert(pending.write.key.clone());
        }
        self.give_up(id);
    }

    /// Answers that nobody knows.
    pub(super) fn give_up(&mut self, id: WriteId) {
        self.actions.push(Action::Unknown { id });
        self.finish(id, Err(unknown()));
    }
}
