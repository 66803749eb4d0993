//! One input at a time.

use std::collections::VecDeque;
use std::convert::Infallible;

use bincode::{Decode, Encode};

use crate::actions::transaction::TransactionAction as Action;
use crate::machine::{Machine, Now, Out, Step};
use crate::messages::store::{KeyValue, OperationResult, StoreError, StoreResponse, Transaction};
use crate::objects::key::ObjectKey;
use crate::objects::status::{Reason, Status};

use super::decision::{Attempt, Decision, Question, Refused, decide, reads};
use super::input::{Input, Seen, WriteId, WriteVerb};
use super::output::{Outcome, Output, Written};
use super::state::{Asked, Pending, State};
use super::strategy::Strategy;
use super::update::MODIFIED;

/// Writes that may be under way at once, waiting ones included.
pub const WRITES_LIMIT: usize = 8192;
/// How often a write is decided before it is answered with a conflict.
const ATTEMPTS_LIMIT: u32 = 16;
/// How many generated names are tried (KEP-4420).
const NAMES_LIMIT: u32 = 8;

/// The machine.
#[derive(Clone, Debug, Encode, Decode)]
pub struct Transactions<S> {
    /// The kinds' own rules.
    pub strategy: S,
}

/// A step while it is taken.
struct Turn<'a, S: Strategy> {
    strategy: &'a S,
    state: &'a mut State<S::Value, S::Change>,
    now: Now,
    out: &'a mut Out<Transactions<S>>,
    actions: Vec<Action>,
    /// Writes whose turn has come in their lanes.
    ready: VecDeque<WriteId>,
}

impl<S: Strategy> Machine for Transactions<S> {
    /// Nothing: what is not answered when the process ends was not promised.
    type Durable = ();
    type State = State<S::Value, S::Change>;
    type Input = Input<S::Value, S::Change>;
    type Output = Output<S::Value>;
    /// The machine sets no timer: the connection to the store answers or fails in bounded time.
    type Timer = Infallible;
    type Action = Action;

    fn start(&self, _: Option<()>, _: Now, _: &mut Out<Self>) -> Self::State {
        State {
            pending: Default::default(),
            lanes: Default::default(),
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
            Input::Unsent { id } => turn.answer(id, Err(unreached())),
            Input::Lost { id } => turn.lost(id),
        }
        while let Some(id) = turn.ready.pop_front() {
            turn.attempt(id);
        }
        Step::Moved(turn.actions)
    }

    fn fired(&self, timer: Infallible) -> Self::Input {
        match timer {}
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
            let mut status = Status::new(
                Reason::TooManyRequests,
                format!("{WRITES_LIMIT} writes are under way: try again"),
            );
            status.details.retry_after_seconds = 1;
            let code = status.reason.code();
            self.actions.push(Action::Answered { id, code });
            let result = Err(status);
            return self.out.push(Output::Answer { id, result });
        }
        // Creates need no lane: of two, the store lets one win, and the other has its answer.
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
    fn attempt(&mut self, id: WriteId) {
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
            Ok(Decision::Write(_)) => true,
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
            Ok(Decision::Write(attempt)) => {
                pending.attempts += 1;
                self.actions.push(Action::Attempted {
                    id,
                    key: attempt.key.clone(),
                    uid: attempt.uid.clone(),
                    expected: attempt.expected,
                    effect: attempt.effect.clone(),
                });
                let transaction = attempt.transaction();
                pending.asked = Asked::Write(attempt);
                self.out.push(Output::Ask { id, transaction });
            }
            Ok(Decision::Nothing(written)) => self.answer(id, Ok(written)),
            Err(Refused { status, .. }) => self.answer(id, Err(status)),
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
                return self.lost(id);
            }
            StoreResponse::Failed(error) => return self.answer(id, Err(refused(&error))),
            _ => {
                let what = "the store answered a transaction with something else";
                return self.answer(id, Err(Status::new(Reason::InternalError, what)));
            }
        };
        let Some(pending) = self.state.pending.get_mut(&id) else {
            return;
        };
        match std::mem::replace(&mut pending.asked, Asked::Nothing) {
            Asked::Write(attempt) if succeeded => {
                self.actions.push(Action::Committed {
                    id,
                    key: attempt.key.clone(),
                    uid: attempt.uid.clone(),
                    revision,
                    effect: attempt.effect.clone(),
                });
                self.committed(id, attempt.written(revision));
            }
            Asked::Write(attempt) => {
                self.actions.push(Action::LostRace { id });
                see(pending, results);
                match beaten(&attempt, pending) {
                    Some(status) => self.answer(id, Err(status)),
                    None => self.attempt(id),
                }
            }
            Asked::Read => {
                self.actions.push(Action::Confirmed { id });
                see(pending, results);
                self.attempt(id);
            }
            Asked::Nothing => {}
        }
    }

    fn lost(&mut self, id: WriteId) {
        let asked = self.state.pending.get(&id).map(|pending| &pending.asked);
        if let Some(Asked::Write(_)) = asked {
            self.actions.push(Action::Unknown { id });
            self.finish(id, Err(unknown()));
        } else {
            self.answer(id, Err(unreached()));
        }
    }

    /// Answers a write that was carried out.
    fn committed(&mut self, id: WriteId, written: Written<S::Value>) {
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
    fn answer(&mut self, id: WriteId, result: Result<Written<S::Value>, Status>) {
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
    fn finish(&mut self, id: WriteId, result: Result<Written<S::Value>, Status>) {
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

/// Takes in what the store read: the object, and its namespace if it has one.
fn see<V, C>(pending: &mut Pending<V, C>, results: Vec<OperationResult<V>>) {
    let mut read = results.into_iter().map(|result| match result {
        OperationResult::Range(range) => range.items.into_iter().next(),
        OperationResult::Put | OperationResult::Deleted { .. } => None,
    });
    pending.object = read.next().flatten().map_or(Seen::Absent, seen);
    if let Some(namespace) = read.next() {
        pending.namespace = namespace.map_or(Seen::Absent, seen);
    }
    pending.confirmed = true;
}

fn seen<V>(found: KeyValue<V>) -> Seen<V> {
    match found.value {
        Some(value) => Seen::Present {
            revision: found.mod_revision,
            value,
        },
        None => Seen::Absent,
    }
}

/// Why a write that lost is not decided again, if it is not.
fn beaten<V, C>(attempt: &Attempt<V>, pending: &Pending<V, C>) -> Option<Status> {
    let exists = attempt.expected == 0 && pending.object.revision() != 0;
    if exists && matches!(pending.write.verb, WriteVerb::Create(_)) {
        if !attempt.generated {
            return Some(Status::already_exists(&attempt.key));
        }
        if pending.attempts >= NAMES_LIMIT {
            let mut status = Status::already_exists(&attempt.key);
            status
                .message
                .push_str(", the server was not able to generate a unique name for the object");
            status.details.retry_after_seconds = 1;
            return Some(status);
        }
    }
    (pending.attempts >= ATTEMPTS_LIMIT).then(|| Status::conflict(&attempt.key, MODIFIED))
}

fn unreached() -> Status {
    let mut status = Status::new(
        Reason::ServiceUnavailable,
        "the store is not reached; nothing was written: try again",
    );
    status.details.retry_after_seconds = 1;
    status
}

fn unknown() -> Status {
    Status::new(
        Reason::InternalError,
        "the connection to the store was lost while the write was under way: it may or may not have been \
         carried out; read the object before trying again",
    )
}

/// A refusal of the store itself: nothing was written.
fn refused(error: &StoreError) -> Status {
    let reason = match error {
        StoreError::RequestTooLarge { .. } => Reason::RequestEntityTooLarge,
        StoreError::Busy => Reason::TooManyRequests,
        StoreError::Unavailable { .. } => Reason::ServiceUnavailable,
        _ => Reason::InternalError,
    };
    let mut status = Status::new(reason, format!("the store: {error}"));
    if matches!(reason, Reason::TooManyRequests | Reason::ServiceUnavailable) {
        status.details.retry_after_seconds = 1;
    }
    status
}
