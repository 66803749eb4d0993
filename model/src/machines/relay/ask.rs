//! Requests: passed on to the engine, and its answers passed back.

use super::state::Called;
use super::step::Turn;
use super::{AskId, CallError, Output, Value};
use crate::actions::store::StoreAction;
use crate::messages::store::{
    OperationResult, StoreError, StoreRequest, StoreResponse, StoreStatus,
};

impl<V: Value> Turn<'_, V> {
    pub(super) fn ask(&mut self, from: AskId, request: StoreRequest<V>) {
        if self.state.calls.len() as u64 >= self.limits.waiting {
            return self.fail(from, StoreError::Busy);
        }
        let Some(away) = &mut self.state.away else {
            let what = match &request {
                StoreRequest::Range(range) => Called::Range(range.range.clone()),
                StoreRequest::Transaction(_) => Called::Transaction,
                StoreRequest::Progress => Called::Progress,
                StoreRequest::Status => Called::Status,
                StoreRequest::LeaseGrant { .. }
                | StoreRequest::LeaseKeepAlive { .. }
                | StoreRequest::LeaseRevoke { .. } => Called::Write,
                StoreRequest::Compact { revision } => Called::Compact(*revision),
            };
            return self.call(from, what, request);
        };
        match &mut away.held {
            Some(held) if (held.len() as u64) < self.limits.waiting => {
                held.push_back((from, request));
                self.actions.push(StoreAction::Waiting { ask: from });
            }
            Some(_) => self.fail(from, StoreError::Busy),
            None => {
                let reason = away.reason.clone();
                self.fail(from, StoreError::Unavailable { reason });
            }
        }
    }

    pub(super) fn call(&mut self, call: AskId, what: Called, request: StoreRequest<V>) {
        self.state.calls.insert(call, what);
        self.actions.push(StoreAction::Waiting { ask: call });
        self.out.push(Output::Call { call, request });
    }

    pub(super) fn called(
        &mut self,
        call: AskId,
        answer: Result<StoreResponse<V>, CallError>,
    ) -> Option<&'static str> {
        let Some(what) = self.state.calls.remove(&call) else {
            return Some("no such call is under way");
        };
        let revision = answer.as_ref().ok().and_then(StoreResponse::revision);
        self.state.told = self.state.told.max(revision.unwrap_or(0));
        match (what, answer) {
            (Called::Watch(request), Ok(StoreResponse::Done { revision })) => {
                self.open(call, request);
                // Who asked for progress before this answer came meant this watch too.
                self.await_progress(call, revision);
            }
            (Called::Nobody, _) => {
                let reason = "its receiver has gone".to_owned();
                let error = StoreError::Unavailable { reason };
                self.actions.push(StoreAction::Failed { ask: call, error });
            }
            (Called::Watch(_), answer) => self.refuse_watch(call, why_not(answer)),
            (Called::Progress, Ok(StoreResponse::Done { revision })) => {
                self.progress(revision);
                self.answer(call, StoreResponse::Done { revision });
            }
            (Called::Status, Ok(StoreResponse::Status(status))) => {
                let status = StoreStatus {
                    compacted: self.state.history.compacted,
                    history_bytes: self.state.history.bytes(),
                    watches: self.state.watches.len() as u64,
                    ..status
                };
                self.answer(call, StoreResponse::Status(status));
            }
            (Called::Compact(compacted), Ok(StoreResponse::Done { revision })) => {
                self.compact(compacted);
                self.answer(call, StoreResponse::Done { revision });
            }
            // Of a write nobody may say that it was refused when nobody knows.
            (
                Called::Write | Called::Transaction | Called::Compact(_),
                Err(CallError::Lost { reason }),
            ) => {
                self.fail(call, StoreError::Unknown { reason });
            }
            (_, Err(CallError::Unsent { reason } | CallError::Lost { reason })) => {
                self.fail(call, StoreError::Unavailable { reason });
            }
            (_, Ok(StoreResponse::Failed(error))) => self.fail(call, error),
            (what, Ok(response)) => {
                self.actions.extend(seen(&what, &response));
                self.answer(call, response);
            }
        }
        None
    }

    fn answer(&mut self, to: AskId, response: StoreResponse<V>) {
        let revision = response.revision().unwrap_or(self.state.told);
        self.actions
            .push(StoreAction::Answered { ask: to, revision });
        self.out.push(Output::Answer { to, response });
    }

    pub(super) fn fail(&mut self, to: AskId, error: StoreError) {
        self.actions.push(StoreAction::Failed {
            ask: to,
            error: error.clone(),
        });
        let response = StoreResponse::Failed(error);
        self.out.push(Output::Answer { to, response });
    }
}

/// What an answer tells of the engine; what it wrote its events tell.
fn seen<V>(what: &Called, response: &StoreResponse<V>) -> Option<StoreAction> {
    match (what, response) {
        (Called::Range(range), StoreResponse::Range(response)) => Some(StoreAction::Ranged {
            range: range.clone(),
            revision: response.revision,
            count: response.count,
        }),
        (
            Called::Transaction,
            StoreResponse::Transaction {
                revision,
                succeeded,
                results,
            },
        ) => {
            let wrote = |result: &OperationResult<V>| match result {
                OperationResult::Put => true,
                OperationResult::Deleted { count, .. } => *count > 0,
                OperationResult::Range(_) => false,
            };
            (!results.iter().any(wrote)).then_some(StoreAction::Compared {
                revision: *revision,
                succeeded: *succeeded,
            })
        }
        _ => None,
    }
}

fn why_not<V>(answer: Result<StoreResponse<V>, CallError>) -> StoreError {
    match answer {
        Ok(StoreResponse::Failed(error)) => error,
        Ok(_) => StoreError::Unavailable {
            reason: "the engine did not tell its revision".to_owned(),
        },
        Err(CallError::Unsent { reason } | CallError::Lost { reason }) => {
            StoreError::Unavailable { reason }
        }
    }
}
