//! etcd's answers in the store's words.

use model::machines::store::Limits;
use model::messages::store::{
    KeyValue, Operation, OperationResult, RangeRequest, RangeResponse, StoreResponse, Transaction,
};
use model::objects::bytes::Bytes;

use super::space::{Foreign, Space};
use super::wire::{self, revision, unsigned};

/// Bytes of a key's numbers in a message of ours.
const KEY_HEADER_BYTES: u64 = 56;

/// A range, stopped where a message of ours would grow too long: etcd's answers know no such limit.
pub(super) fn range(
    space: &Space,
    limits: &Limits,
    asked: &RangeRequest,
    found: wire::RangeResponse,
) -> Result<RangeResponse<Bytes>, Foreign> {
    let newest = revision(&found.header);
    let mut items = Vec::with_capacity(found.kvs.len());
    let (mut values, mut headers) = (0, 0);
    let mut more = found.more && !asked.count_only;
    for state in found.kvs {
        let state = space.state(state, asked.keys_only)?;
        values += state.value.as_ref().map_or(0, |value| value.len() as u64);
        headers += state.key.len() as u64 + KEY_HEADER_BYTES;
        let fits = values <= limits.message_bytes && headers <= limits.header_bytes;
        // The first one always fits, so that reading on gets somewhere.
        if !fits && !items.is_empty() {
            more = true;
            break;
        }
        items.push(state);
    }
    Ok(RangeResponse {
        revision: asked.revision.unwrap_or(newest),
        items,
        more,
        count: unsigned(found.count),
    })
}

pub(super) fn transaction(
    space: &Space,
    limits: &Limits,
    asked: &Transaction<Bytes>,
    answer: wire::TxnResponse,
) -> Result<StoreResponse<Bytes>, Foreign> {
    let made = revision(&answer.header);
    let operations = if answer.succeeded {
        &asked.success
    } else {
        &asked.failure
    };
    let results = answer
        .responses
        .into_iter()
        .zip(operations)
        .map(|(response, operation)| result(space, limits, operation, response, made))
        .collect::<Result<_, Foreign>>()?;
    Ok(StoreResponse::Transaction {
        revision: made,
        succeeded: answer.succeeded,
        results,
    })
}

fn result(
    space: &Space,
    limits: &Limits,
    asked: &Operation<Bytes>,
    response: wire::ResponseOp,
    made: u64,
) -> Result<OperationResult<Bytes>, Foreign> {
    Ok(match (response.response, asked) {
        (Some(wire::Response::DeleteRange(deleted)), _) => OperationResult::Deleted {
            count: unsigned(deleted.deleted),
            previous: deleted
                .prev_kvs
                .into_iter()
                .map(|state| space.state(state, false))
                .collect::<Result<Vec<KeyValue<Bytes>>, _>>()?,
        },
        (Some(wire::Response::Range(found)), Operation::Range(asked)) => {
            let found = range(space, limits, asked, found)?;
            OperationResult::Range(RangeResponse {
                revision: asked.revision.unwrap_or(made),
                ..found
            })
        }
        _ => OperationResult::Put,
    })
}
