//! The store's requests in etcd's words.

use model::messages::store::{Compare, Operand, Operation, RangeRequest, Relation, Transaction};
use model::objects::bytes::Bytes;

use super::space::Space;
use super::wire::{self, CompareResult, CompareTarget, TargetUnion, signed};

pub(super) fn range(space: &Space, asked: &RangeRequest, limit: u32) -> wire::RangeRequest {
    let (key, range_end) = space.range(&asked.range);
    wire::RangeRequest {
        key,
        range_end,
        limit: i64::from(limit),
        revision: signed(asked.revision.unwrap_or(0)),
        keys_only: asked.keys_only,
        count_only: asked.count_only,
    }
}

pub(super) fn transaction(space: &Space, asked: &Transaction<Bytes>) -> wire::TxnRequest {
    let operations = |list: &[Operation<Bytes>]| -> Vec<wire::RequestOp> {
        list.iter().map(|one| operation(space, one)).collect()
    };
    wire::TxnRequest {
        compare: asked
            .compares
            .iter()
            .map(|one| compare(space, one))
            .collect(),
        success: operations(&asked.success),
        failure: operations(&asked.failure),
    }
}

fn compare(space: &Space, asked: &Compare<Bytes>) -> wire::Compare {
    let (target, union) = match &asked.operand {
        Operand::CreateRevision(right) => (
            CompareTarget::Create,
            TargetUnion::CreateRevision(signed(*right)),
        ),
        Operand::ModRevision(right) => {
            (CompareTarget::Mod, TargetUnion::ModRevision(signed(*right)))
        }
        Operand::Version(right) => (CompareTarget::Version, TargetUnion::Version(signed(*right))),
        Operand::Lease(right) => (CompareTarget::Lease, TargetUnion::Lease(*right as i64)),
        Operand::Value(right) => (CompareTarget::Value, TargetUnion::Value(owned(right))),
    };
    let result = match asked.relation {
        Relation::Equal => CompareResult::Equal,
        Relation::NotEqual => CompareResult::NotEqual,
        Relation::Less => CompareResult::Less,
        Relation::Greater => CompareResult::Greater,
    };
    wire::Compare {
        result: result.into(),
        target: target.into(),
        key: space.key(&asked.key),
        target_union: Some(union),
    }
}

fn operation(space: &Space, asked: &Operation<Bytes>) -> wire::RequestOp {
    let request = match asked {
        Operation::Put { key, value, lease } => wire::Request::Put(wire::PutRequest {
            key: space.key(key),
            value: owned(value),
            lease: *lease as i64,
        }),
        Operation::Delete {
            range,
            previous: prev_kv,
        } => {
            let (key, range_end) = space.range(range);
            wire::Request::DeleteRange(wire::DeleteRangeRequest {
                key,
                range_end,
                prev_kv: *prev_kv,
            })
        }
        Operation::Range(asked) => wire::Request::Range(range(space, asked, asked.limit)),
    };
    wire::RequestOp {
        request: Some(request),
    }
}

fn owned(value: &Bytes) -> bytes::Bytes {
    bytes::Bytes::copy_from_slice(value)
}
