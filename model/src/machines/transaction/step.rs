//! One input at a time.

use std::collections::VecDeque;

use bincode::{Decode, Encode};

use crate::actions::transaction::TransactionAction as Action;
use crate::machine::{Machine, Now, Out, Step};
use crate::messages::store::{OperationResult, StoreError, StoreResponse, Transaction};
use crate::objects::key::ObjectKey;
use crate::objects::status::Status;

use super::decision::{Attempt, Decision, Question, Refused, decide, reads};
use super::failures::{beaten, crowded, mistaken, refused};
use super::input::{Input, Seen, Timer, WriteId, WriteVerb};
use super::lease::expires;
use super::output::{Outcome, Output, Written};
use super::state::{Asked, Pending, State};
use super::strategy::Strategy;

/// Writes that may be under way at once, waiting ones included.
pub const WRITES_LIMIT: usize = 8192;
/// How often a write is decided before it is answered with a conflict.
pub(super) const ATTEMPTS_LIMIT: u32 = 16;

/// The machine.
#[derive(Clone, Debug, Encode, Decode)]
pub struct Transactions<S> {
    /// The kinds' own rules.
    pub strategy: S,
    /// How long objects of kinds that [expire](crate::objects::kinds::Kind::expires) live after their last write, in
    /// seconds, at least 1.
    pub ttl_seconds: u32,
}

/// A step while it is taken.
pub(super) struct Turn<'a, S: Strategy> {
    pub(super) strategy: &'a S,
    pub(super) ttl_seconds: u32,
    pub(super) state: &'a mut State<S::Value, S::Change>,
    now: Now,
    pub(super) out: &'a mut Out<Transactions<S>>,
    pub(super) actions: Vec<Action>,
    /// Writes whose turn has come, in their lanes or for a lease.
    pub(super) ready: VecDeque<WriteId>,
}

impl<S: Strategy> Machine for Transactions<S> {
    /// Nothing: what is not answered when the process ends was not promised.
    type Durable = ();
    type State = State<S::Value, S::Change>;
    type Input = Input<S::Value, S::Change>;
    type Output = Output<S::Value>;
    /// None for questions: the connection to the store answers or fails in bounded time.
    type Timer = Timer;
    type Action = Action;

    fn start(&self, _: Option<()>, _: Now, _: &mut Out<Self>) -> Self::State {
        State {
            pending: Default::default(),
            lanes: Default::default(),
            heard: 0,
            unsettled: Default::default(),
            lease: Default::default(),
        }
    }

    fn step(
        &self,
        state: &mut Self::State,
        now: Now,
        input: Self::Input,
        out: &mut Out<Self>,
    ) -> Step<Action> {
        let mut turn = Turn {
            strategy: &self.strategy,
            ttl_seconds: self.ttl_seconds,
            state,
            now,
            out,
            actions: Vec::new(),
            ready: VecDeque::new(),
        };
        match input {
            Input::Submit {
                id,
                write,
                object,
                namespace,
                uid,
                random,
            } => {
                if turn.state.pending.contains_key(&id) {
                    return Step::Refused("a write has a name of its own");
                }
                let pending = Pending {
                    write,
                    uid,
                    random,
                    object,
                    namespace,
                    confirmed: false,
                    attempts: 0,
                    leases: 0,
                    asked: Asked::Nothing,
                };
                turn.submit(id, pending);
            }
            Input::Stored { id, .. } | Input::Unsent { id } | Input::Lost { id }
                if !turn.under_way(id) =>
            {
                return Step::Nothing;
            }
            Input::Stored { id, response } => turn.stored(id, response),
            Input::Unsent { id } => turn.unsent(id),
            Input::Lost { id } => turn.lost(id, true),
            Input::Granted { lease, .. } if !turn.awaits_lease(lease) => return Step::Nothing,
            Input::Granted { answer, .. } => turn.granted(answer),
            Input::LeaseUsed => {
                if !turn.lease_used() {
                    return Step::Nothing;
                }
            }
        }
        while let Some(id) = turn.ready.pop_front() {
            turn.attempt(id);
        }
        turn.leave_unlasting();
        Step::Moved(turn.actions)
    }

    fn fired(&self, timer: Timer) -> Self::Input {
        match timer {
            Timer::Lease => Input::LeaseUsed,
        }
    }
}

impl<S: Strategy> Turn<'_, S> {
    fn under_way(&self, id: WriteId) -> bool {
        let pending = self.state.pending.get(&id);
        pending.is_some_and(|pending| !matches!(pending.asked, Asked::Nothing))
    }

    fn submit(&mut self, id: WriteId, pending: Pending<S::Value, S::Change>) {
        let key = pending.write.key.clone();
        self.actions.push(Action::Submitted {
            id,
            verb: pending.write.verb.name().to_owned(),
            key: key.clone(),
        });
        if self.state.pending.len() >= WRITES_LIMIT {
            let status = crowded(WRITES_LIMIT);
            let code = status.reason.code();
            self.actions.push(Action::Answered { id, code });
            let result = Err(status);
            return self.out.push(Output::Answer { id, result });
        }
        // Creates wait in no lane: of two, the store lets one win, and the other has its answer.
        let create = matches!(pending.write.verb, WriteVerb::Create(_));
        self.state.pending.insert(id, pending);
        if create {
            return self.ready.push_back(id);
        }
        let lane = self.state.lanes.entry(key).or_default();
        lane.push_back(id);
        if lane.len() == 1 {
            self.ready.push_back(id);
        }
    }

    /// Decides a write from what is known, and asks the store or answers.
    pub(super) fn attempt(&mut self, id: WriteId) {
        let Some(pending) = self.state.pending.get_mut(&id) else {
            return;
        };
        let decided = decide(&Question {
            strategy: self.strategy,
            now: self.now,
            write: &pending.write,
            object: &pending.object,
            namespace: &pending.namespace,
            uid: &pending.uid,
            random: pending.random,
            attempt: pending.attempts,
        });
        let last_word = match &decided {
            Ok(Decision::Write(_)) => {
                pending.confirmed || !self.state.unsettled.contains(&pending.write.key)
            }
            Ok(Decision::Nothing(_)) => pending.confirmed,
            Err(Refused { depends, .. }) => pending.confirmed || !depends,
        };
        if !last_word {
            // The cache may be behind: what it leads to is only said of the store's own state.
            pending.asked = Asked::Read;
            let transaction = Transaction {
                compares: Vec::new(),
                success: reads(&pending.write.key),
                failure: Vec::new(),
            };
            return self.out.push(Output::Ask { id, transaction });
        }
        match decided {
            Ok(Decision::Write(attempt)) if pending.write.dry_run => {
                let expected = attempt.expected;
                self.answer(id, Ok(attempt.written(expected)));
            }
            Ok(Decision::Write(attempt)) if expires(&attempt) => self.send_leased(id, attempt),
            Ok(Decision::Write(attempt)) => self.send(id, attempt),
            Ok(Decision::Nothing(written)) => self.answer(id, Ok(written)),
            Err(Refused { status, .. }) => self.answer(id, Err(status)),
        }
    }

    /// Asks the store to write.
    pub(super) fn send(&mut self, id: WriteId, mut attempt: Attempt<S::Value>) {
        let Some(pending) = self.state.pending.get_mut(&id) else {
            return;
        };
        // But who writes what a create makes waits for its answer.
        if attempt.expected == 0 && !attempt.generated {
            let lane = self.state.lanes.entry(attempt.key.clone()).or_default();
            if lane.is_empty() {
                lane.push_back(id);
                pending.write.key.clone_from(&attempt.key);
            }
        }
        attempt.after = self.state.heard;
        self.actions.push(Action::Attempted {
            id,
            key: attempt.key.clone(),
            uid: attempt.uid.clone(),
            expected: attempt.expected,
            effect: attempt.effect.clone(),
        });
        let transaction = attempt.transaction();
        self.ask_to_write(id, transaction, Asked::Write(attempt));
    }

    pub(super) fn ask_to_write(
        &mut self,
        id: WriteId,
        transaction: Transaction<S::Value>,
        asked: Asked<S::Value>,
    ) {
        if let Some(pending) = self.state.pending.get_mut(&id) {
            pending.attempts += 1;
            pending.asked = asked;
            self.out.push(Output::Ask { id, transaction });
        }
    }

    fn stored(&mut self, id: WriteId, response: StoreResponse<S::Value>) {
        let (revision, succeeded, results) = match response {
            StoreResponse::Transaction {
                revision,
                succeeded,
                results,
            } => (revision, succeeded, results),
            StoreResponse::Failed(StoreError::Failed { .. } | StoreError::Unknown { .. }) => {
                return self.lost(id, false);
            }
            StoreResponse::Failed(error) => return self.refuse(id, &error),
            _ => return self.answer(id, Err(mistaken())),
        };
        self.state.heard = self.state.heard.max(revision);
        self.state.unsettled.clear();
        let Some(pending) = self.state.pending.get_mut(&id) else {
            return;
        };
        match std::mem::replace(&mut pending.asked, Asked::Nothing) {
            Asked::Write(attempt) | Asked::WriteAgain { attempt, .. } if succeeded => {
                self.carried_out(id, attempt, revision);
            }
            Asked::Write(attempt) => self.lost_race(id, &attempt, results),
            Asked::WriteAgain { attempt, .. } => {
                if let Some(attempt) = self.lost_again(id, attempt, revision, &results) {
                    self.lost_race(id, &attempt, results);
                }
            }
            Asked::Read => {
                self.actions.push(Action::Confirmed { id });
                pending.see(results);
                self.attempt(id);
            }
            Asked::Fate(doubt) => self.settle(id, doubt, revision, results),
            Asked::Nothing => {}
        }
    }

    /// Decides a write again from what the store has, or says why not.
    pub(super) fn lost_race(
        &mut self,
        id: WriteId,
        attempt: &Attempt<S::Value>,
        results: Vec<OperationResult<S::Value>>,
    ) {
        self.actions.push(Action::LostRace { id });
        let Some(pending) = self.state.pending.get_mut(&id) else {
            return;
        };
        pending.see(results);
        match beaten(attempt, pending) {
            Some(status) => self.answer(id, Err(status)),
            None => self.attempt(id),
        }
    }

    /// The store will not.
    fn refuse(&mut self, id: WriteId, error: &StoreError) {
        use StoreError::{LeaseFull, LeaseNotFound};
        match (self.asked(id), error) {
            (Some(asked), _) if asked.leaves_open() => self.give_up_unread(id),
            (Some(asked), LeaseNotFound { lease } | LeaseFull { lease, .. }) => {
                let again = matches!(asked, Asked::WriteAgain { .. });
                self.lease_gone(id, *lease, again);
            }
            _ => self.answer(id, Err(refused(error))),
        }
    }

    pub(super) fn asked(&self, id: WriteId) -> Option<&Asked<S::Value>> {
        Some(&self.state.pending.get(&id)?.asked)
    }

    /// Answers a write of which the store says at which revision it was carried out.
    pub(super) fn carried_out(&mut self, id: WriteId, attempt: Attempt<S::Value>, revision: u64) {
        self.actions.push(Action::Committed {
            id,
            key: attempt.key.clone(),
            uid: attempt.uid.clone(),
            revision,
            effect: attempt.effect.clone(),
        });
        self.committed(id, attempt.written(revision));
    }

    /// Answers a write that was carried out.
    pub(super) fn committed(&mut self, id: WriteId, written: Written<S::Value>) {
        let left = match written.outcome {
            Outcome::Deleted => Seen::Absent,
            _ => Seen::Present {
                revision: written.revision,
                value: written.value.clone(),
            },
        };
        let result = Ok(written);
        self.out.push(Output::Answer { id, result });
        if let Some(pending) = self.state.pending.remove(&id) {
            self.pass_on(id, &pending.write.key, left);
        }
    }

    /// Answers a write that changed nothing, as far as is known.
    pub(super) fn answer(&mut self, id: WriteId, result: Result<Written<S::Value>, Status>) {
        if self.state.pending.contains_key(&id) {
            let code = match &result {
                Ok(_) => 200,
                Err(status) => status.reason.code(),
            };
            self.actions.push(Action::Answered { id, code });
            self.finish(id, result);
        }
    }

    /// Tells the client, and lets the next write of the object go on.
    pub(super) fn finish(&mut self, id: WriteId, result: Result<Written<S::Value>, Status>) {
        if let Some(pending) = self.state.pending.remove(&id) {
            self.out.push(Output::Answer { id, result });
            self.pass_on(id, &pending.write.key, pending.object);
        }
    }

    /// Lets the next write of the object begin, from what this one left.
    fn pass_on(&mut self, id: WriteId, key: &ObjectKey, left: Seen<S::Value>) {
        let Some(lane) = self.state.lanes.get_mut(key) else {
            return;
        };
        if lane.front() != Some(&id) {
            return;
        }
        lane.pop_front();
        let Some(next) = lane.front().copied() else {
            self.state.lanes.remove(key);
            return;
        };
        if let Some(pending) = self.state.pending.get_mut(&next) {
            pending.object = left;
        }
        self.ready.push_back(next);
    }
}
