//! What etcd's errors mean for a request: refused, certainly not done, or nobody knows.
//!
//! etcd tells its errors apart by their texts, as its own clients do (`rpctypes` in its sources): the code of a gRPC
//! status is shared by several.

use std::error::Error;

use model::machines::relay::CallError;
use model::messages::store::{Operation, StoreError, StoreRequest};
use model::objects::bytes::Bytes;
use tonic::{Code, ConnectError, Status};

/// What became of a request that etcd, or the way to it, answered with an error.
pub(super) enum Refusal {
    /// etcd has refused it.
    Refused(StoreError),
    /// The revision is compacted, or in the future; which ones there are the error does not tell.
    Compacted,
    Future,
    /// etcd's disk quota is reached.
    NoSpace,
    /// The answer is larger than is read at once.
    TooLarge,
    /// It was not carried out, or may have been.
    Unanswered(CallError),
}

pub(super) fn refusal(status: &Status, request: &StoreRequest<Bytes>) -> Refusal {
    let text = status.message();
    let says = |part: &str| text.contains(part);
    if says("required revision has been compacted") {
        return Refusal::Compacted;
    }
    if says("required revision is a future revision") {
        return Refusal::Future;
    }
    if says("database space exceeded") {
        return Refusal::NoSpace;
    }
    if says("decoded message length too large") {
        return Refusal::TooLarge;
    }
    if says("too many requests") {
        return Refusal::Refused(StoreError::Busy);
    }
    if let Some(error) = of_the_request(text, request) {
        return Refusal::Refused(error);
    }
    let reason = match text {
        "" => format!("etcd: {}", status.code()),
        text => format!("etcd: {text}"),
    };
    let certainly_not = matches!(
        status.code(),
        // Checked before anything is proposed.
        Code::InvalidArgument
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::Unimplemented
            | Code::NotFound
            | Code::FailedPrecondition
    ) || never_connected(status);
    Refusal::Unanswered(if certainly_not {
        CallError::Unsent { reason }
    } else {
        CallError::Lost { reason }
    })
}

/// Whether there was no connection over which anything could have been sent.
fn never_connected(status: &Status) -> bool {
    let mut source: Option<&(dyn Error + 'static)> = status.source();
    while let Some(error) = source {
        if error.is::<ConnectError>() {
            return true;
        }
        source = error.source();
    }
    false
}

/// Refusals that say something of the request itself.
fn of_the_request(text: &str, request: &StoreRequest<Bytes>) -> Option<StoreError> {
    let says = |part: &str| text.contains(part);
    let lease = match request {
        StoreRequest::LeaseGrant { lease, .. }
        | StoreRequest::LeaseKeepAlive { lease }
        | StoreRequest::LeaseRevoke { lease } => *lease,
        StoreRequest::Transaction(transaction) => {
            let operations = transaction.success.iter().chain(&transaction.failure);
            let leases = operations.filter_map(|operation| match operation {
                Operation::Put { lease, .. } if *lease != 0 => Some(*lease),
                _ => None,
            });
            leases.into_iter().next().unwrap_or(0)
        }
        _ => 0,
    };
    if says("requested lease not found") {
        return Some(StoreError::LeaseNotFound { lease });
    }
    if says("lease already exists") {
        return Some(StoreError::LeaseExists { lease });
    }
    if says("lease TTL") || says("ttl is 0") {
        return Some(StoreError::LeaseInvalid);
    }
    let StoreRequest::Transaction(asked) = request else {
        return None;
    };
    let lists = [
        asked.compares.len(),
        asked.success.len(),
        asked.failure.len(),
    ];
    if says("too many operations in txn request") {
        return Some(StoreError::TooManyOperations {
            count: lists.into_iter().max().unwrap_or(0) as u64,
            // etcd's `--max-txn-ops`, unless its operator says otherwise.
            limit: 128,
        });
    }
    if says("request is too large") || says("received message larger than max") {
        return Some(StoreError::RequestTooLarge {
            bytes: written_bytes(asked.success.iter().chain(&asked.failure)),
            // etcd's `--max-request-bytes`, unless its operator says otherwise.
            limit: 3 << 19,
        });
    }
    if says("duplicate key given in txn request") {
        let key = twice(&asked.success).or_else(|| twice(&asked.failure));
        return key.map(|key| StoreError::DuplicateKey { key: key.into() });
    }
    None
}

fn written_bytes<'a>(operations: impl Iterator<Item = &'a Operation<Bytes>>) -> u64 {
    operations
        .map(|operation| match operation {
            Operation::Put { key, value, .. } => (key.len() + value.len()) as u64,
            _ => 0,
        })
        .sum()
}

/// The key that a list of operations writes twice.
fn twice(operations: &[Operation<Bytes>]) -> Option<&str> {
    let puts = |operation: &'_ Operation<Bytes>| match operation {
        Operation::Put { key, .. } => Some(key.clone()),
        _ => None,
    };
    operations.iter().enumerate().find_map(|(at, operation)| {
        let Operation::Put { key, .. } = operation else {
            return None;
        };
        let again = operations.iter().enumerate().any(|(other, operation)| {
            other > at && puts(operation).is_some_and(|other| other == *key)
                || matches!(operation, Operation::Delete { range, .. } if range.contains(key))
        });
        again.then_some(&**key)
    })
}
