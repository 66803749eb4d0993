//! Asks that wait for their answers.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::life::Inner;
use crate::error::Sent;
use crate::frame::{Frame, Kind};

/// Asks that have no answer yet.
#[derive(Default)]
pub(super) struct Waiting {
    pub(super) asks: BTreeMap<u64, Ask>,
    pub(super) closed: bool,
}

/// One ask. It keeps its slot until it is answered, even if the asker has given up: the peer still
/// works on it.
pub(super) struct Ask {
    pub(super) answer: oneshot::Sender<Result<Frame, Unanswered>>,
    /// Its number on the lane; `None` for one on a stream of its own.
    pub(super) number: Option<u64>,
    pub(super) _slot: OwnedSemaphorePermit,
}

/// Why an ask has no answer.
pub(super) enum Unanswered {
    Refused(String),
    Closed(Sent),
}

impl Inner {
    pub(super) fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives an answer or a refusal to its asker. `false` if no ask waits for it.
    pub(crate) fn answered(&self, frame: Frame) -> bool {
        let ask = match frame.cause {
            Some(cause) if cause.origin == self.origin => {
                self.waiting().asks.remove(&cause.sequence)
            }
            _ => None,
        };
        let Some(ask) = ask else {
            return false;
        };
        let answer = match frame.kind {
            Kind::Refusal => Err(Unanswered::Refused(
                String::from_utf8_lossy(&frame.body).into_owned(),
            )),
            _ => Ok(frame),
        };
        // The asker may have given up.
        let _ = ask.answer.send(answer);
        true
    }
}
