//! One step: who handles what.

use super::input::{AskId, Input, Timer};
use super::limits::Limits;
use super::output::Output;
use super::state::State;
use super::value::Value;
use super::{Durable, Store, start};
use crate::actions::store::StoreAction;
use crate::machine::{Machine, Now, Out, Step};
use crate::messages::store::{KeyRange, StoreError, StoreRequest, StoreResponse, StoreStatus};

impl<V: Value> Machine for Store<V> {
    type Durable = Durable<V>;
    type State = State<V>;
    type Input = Input<V>;
    type Output = Output<V>;
    type Timer = Timer;
    type Action = StoreAction;

    fn start(&self, found: Option<Durable<V>>, _now: Now, out: &mut Out<Self>) -> State<V> {
        start::start(found.unwrap_or_default(), out)
    }

    fn began(&self, state: &State<V>) -> Vec<StoreAction> {
        vec![StoreAction::Started {
            revision: state.durable,
            compacted: state.compacted,
            leases: state.leases.keys().copied().collect(),
        }]
    }

    fn step(
        &self,
        state: &mut State<V>,
        _now: Now,
        input: Input<V>,
        out: &mut Out<Self>,
    ) -> Step<StoreAction> {
        let mut turn = Turn {
            limits: &self.limits,
            state,
            out,
            actions: Vec::new(),
            sent: 0,
        };
        let refused = match input {
            Input::Ask { from, request } => {
                turn.ask(from, request);
                None
            }
            Input::Watch { watch, request } => turn.watch(watch, request),
            Input::Taken { watch } => turn.taken(watch),
            Input::Unwatch { watch } => turn.unwatch(watch),
            Input::Persisted { through } => turn.persisted(through),
            Input::PersistFailed { reason } => turn.persist_failed(reason),
            Input::SendRest => {
                turn.send_rest();
                None
            }
            Input::LeaseRanOut { lease, life } => {
                turn.lease_ran_out(lease, life);
                None
            }
        };
        if let Some(guard) = refused {
            return Step::Refused(guard);
        }
        turn.commit();
        match turn.actions {
            actions if actions.is_empty() => Step::Nothing,
            actions => Step::Moved(actions),
        }
    }

    fn fired(&self, timer: Timer) -> Input<V> {
        match timer {
            Timer::SendRest => Input::SendRest,
            Timer::Lease { lease, life } => Input::LeaseRanOut { lease, life },
        }
    }
}

/// A step under way.
pub(super) struct Turn<'a, V: Value> {
    pub(super) limits: &'a Limits,
    pub(super) state: &'a mut State<V>,
    pub(super) out: &'a mut Out<Store<V>>,
    pub(super) actions: Vec<StoreAction>,
    /// What was sent to watches, in bytes beside values.
    pub(super) sent: u64,
}

impl<V: Value> Turn<'_, V> {
    fn ask(&mut self, from: AskId, request: StoreRequest<V>) {
        if let Some(reason) = &self.state.failed {
            let reason = reason.clone();
            return self.answer(from, StoreResponse::Failed(StoreError::Failed { reason }));
        }
        match request {
            // Reads see exactly what is durable and need not wait: every acknowledged write is durable.
            StoreRequest::Range(request) => match self.range(&request) {
                Ok(response) => {
                    self.actions.push(StoreAction::Ranged {
                        range: request.range,
                        revision: response.revision,
                        count: response.count,
                    });
                    self.answer(from, StoreResponse::Range(response));
                }
                Err(error) => self.answer(from, StoreResponse::Failed(error)),
            },
            StoreRequest::Status => self.answer(from, StoreResponse::Status(self.status())),
            StoreRequest::Progress => {
                let revision = self.progress();
                self.answer(from, StoreResponse::Done { revision });
            }
            _ if self.is_full() => self.answer(from, StoreResponse::Failed(StoreError::Busy)),
            // What these answer may tell of what is not durable yet, an error included.
            StoreRequest::Transaction(transaction) => {
                let result = self.transaction(transaction);
                self.answer_once_durable(from, result);
            }
            StoreRequest::LeaseGrant { lease, ttl_seconds } => {
                let result = self.lease_grant(lease, ttl_seconds);
                self.answer_once_durable(from, result);
            }
            StoreRequest::LeaseKeepAlive { lease } => {
                let result = self.lease_keep_alive(lease);
                self.answer_once_durable(from, result);
            }
            StoreRequest::LeaseRevoke { lease } => {
                let result = self.lease_revoke(lease);
                self.answer_once_durable(from, result);
            }
            StoreRequest::Compact { revision } => {
                let result = self.compact(revision);
                self.answer_once_durable(from, result);
            }
        }
    }

    fn is_full(&self) -> bool {
        self.state.waiting() as u64 >= self.limits.waiting
            || self.state.gathering.bytes >= self.limits.waiting_bytes
    }

    fn status(&self) -> StoreStatus {
        StoreStatus {
            revision: self.state.durable,
            compacted: self.state.compacted,
            keys: self.state.keys.live(),
            live_bytes: self.state.keys.live_bytes(),
            history_bytes: self.state.history_bytes,
            leases: self.state.leases.len() as u64,
            watches: self.state.watches.count(),
        }
    }

    /// Answers at once.
    pub(super) fn answer(&mut self, to: AskId, response: StoreResponse<V>) {
        self.actions.push(match &response {
            StoreResponse::Failed(error) => StoreAction::Failed {
                ask: to,
                error: error.clone(),
            },
            _ => StoreAction::Answered {
                ask: to,
                revision: self.state.durable,
            },
        });
        self.out.push(Output::Answer { to, response });
    }

    /// Answers when everything that was decided so far is on disk.
    fn answer_once_durable(&mut self, to: AskId, result: Result<StoreResponse<V>, StoreError>) {
        let response = result.unwrap_or_else(StoreResponse::Failed);
        if !self.state.gathering.records.is_empty() {
            self.state.gathering.waiting.push((to, response));
        } else if let Some((_, waiting)) = &mut self.state.committing {
            waiting.push((to, response));
        } else {
            return self.answer(to, response);
        }
        if self.actions.is_empty() {
            self.actions.push(StoreAction::Waiting { ask: to });
        }
    }

    /// Checks the length of a key that is to be written or compared.
    pub(super) fn check_key(&self, key: &str) -> Result<(), StoreError> {
        let (length, limit) = (key.len() as u64, self.limits.key_bytes);
        if (1..=limit).contains(&length) {
            Ok(())
        } else {
            Err(StoreError::KeyLength { length, limit })
        }
    }

    /// Checks the length of a range's ends.
    pub(super) fn check_range(&self, range: &KeyRange) -> Result<(), StoreError> {
        // The end of a range of one key is a byte longer than the key.
        let limit = self.limits.key_bytes + 1;
        let end = range.end.as_ref().map_or(0, |end| end.len());
        match range.start.len().max(end) as u64 {
            length if length <= limit => Ok(()),
            length => Err(StoreError::KeyLength { length, limit }),
        }
    }
}
