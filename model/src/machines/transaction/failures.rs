//! What a client is told of a write that fails for the store's sake.

use crate::messages::store::StoreError;
use crate::objects::status::{Reason, Status};

use super::decision::Attempt;
use super::input::WriteVerb;
use super::state::Pending;
use super::step::ATTEMPTS_LIMIT;
use super::update::MODIFIED;

/// How many generated names are tried (KEP-4420).
const NAMES_LIMIT: u32 = 8;

/// Why a write that lost is not decided again, if it is not.
pub(super) fn beaten<V, C>(attempt: &Attempt<V>, pending: &Pending<V, C>) -> Option<Status> {
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

/// So many writes are under way, and no more may be.
pub(super) fn crowded(limit: usize) -> Status {
    let mut status = Status::new(
        Reason::TooManyRequests,
        format!("{limit} writes are under way: try again"),
    );
    status.details.retry_after_seconds = 1;
    status
}

pub(super) fn mistaken() -> Status {
    Status::new(
        Reason::InternalError,
        "the store answered with something else than it was asked for",
    )
}

pub(super) fn unreached() -> Status {
    let mut status = Status::new(
        Reason::ServiceUnavailable,
        "the store is not reached; nothing was written: try again",
    );
    status.details.retry_after_seconds = 1;
    status
}

pub(super) fn unknown() -> Status {
    Status::new(
        Reason::InternalError,
        "the connection to the store was lost while the write was under way: it may or may not have been \
         carried out; read the object before trying again",
    )
}

/// A refusal of the store itself: nothing was written.
pub(super) fn refused(error: &StoreError) -> Status {
    let reason = match error {
        StoreError::RequestTooLarge { .. } => Reason::RequestEntityTooLarge,
        StoreError::Busy | StoreError::TooManyLeases { .. } => Reason::TooManyRequests,
        StoreError::Unavailable { .. } => Reason::ServiceUnavailable,
        _ => Reason::InternalError,
    };
    let mut status = Status::new(reason, format!("the store: {error}"));
    if matches!(reason, Reason::TooManyRequests | Reason::ServiceUnavailable) {
        status.details.retry_after_seconds = 1;
    }
    status
}
