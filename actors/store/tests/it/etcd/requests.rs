//! Requests of every kind, and answers made comparable.

use model::messages::store::{
    Compare, KeyRange, Operand, Operation, OperationResult, RangeRequest, RangeResponse, Relation,
    StoreError, StoreRequest, StoreResponse, Transaction,
};
use model::objects::bytes::Bytes;

use super::write;
use crate::client::put;

/// Of every kind, those that are refused too.
pub(super) fn requests() -> Vec<StoreRequest<Bytes>> {
    let compare = |key: &str, operand, relation| Compare {
        key: key.into(),
        operand,
        relation,
    };
    let mut requests = vec![
        write("/a", b"one"),
        write("/b", b"two"),
        write("/a", b"three"),
        StoreRequest::Range(RangeRequest::now(KeyRange::prefix("/"))),
        StoreRequest::Range(RangeRequest {
            limit: 1,
            ..RangeRequest::now(KeyRange::prefix("/"))
        }),
        StoreRequest::Range(RangeRequest {
            keys_only: true,
            ..RangeRequest::now(KeyRange::prefix("").after("/a"))
        }),
        StoreRequest::Range(RangeRequest {
            count_only: true,
            ..RangeRequest::now(KeyRange::prefix(""))
        }),
        StoreRequest::Range(RangeRequest::now(KeyRange {
            start: "/b".into(),
            end: Some("/a".into()),
        })),
        StoreRequest::Range(RangeRequest {
            revision: Some(1 << 40),
            ..RangeRequest::now(KeyRange::one("/a"))
        }),
        write("", b"no key"),
        StoreRequest::Transaction(Transaction {
            compares: vec![],
            success: vec![put("/a", b"1"), put("/a", b"2")],
            failure: vec![],
        }),
        StoreRequest::Transaction(Transaction {
            compares: vec![],
            success: (0..129).map(|n| put(&format!("/{n}"), b"")).collect(),
            failure: vec![],
        }),
        write("/large", &vec![0; 2 << 20]),
        StoreRequest::LeaseKeepAlive { lease: 7 },
        StoreRequest::LeaseRevoke { lease: 7 },
        StoreRequest::LeaseGrant {
            lease: 0,
            ttl_seconds: 10,
        },
        StoreRequest::LeaseGrant {
            lease: u64::MAX,
            ttl_seconds: 600,
        },
        StoreRequest::LeaseGrant {
            lease: u64::MAX,
            ttl_seconds: 600,
        },
        StoreRequest::LeaseKeepAlive { lease: u64::MAX },
        StoreRequest::Transaction(Transaction {
            compares: vec![],
            success: vec![Operation::Put {
                key: "/leased".into(),
                value: Bytes::from("x"),
                lease: u64::MAX,
            }],
            failure: vec![],
        }),
        StoreRequest::Transaction(Transaction {
            compares: vec![],
            success: vec![Operation::Put {
                key: "/unleased".into(),
                value: Bytes::from("x"),
                lease: 8,
            }],
            failure: vec![],
        }),
        StoreRequest::Range(RangeRequest::now(KeyRange::prefix("/leased"))),
        StoreRequest::LeaseRevoke { lease: u64::MAX },
        StoreRequest::Compact { revision: 1 << 40 },
    ];
    let operands = [
        (Operand::Version(2), Relation::Equal),
        (Operand::Version(1), Relation::Greater),
        (Operand::Version(2), Relation::Less),
        (Operand::ModRevision(0), Relation::NotEqual),
        (Operand::CreateRevision(0), Relation::Equal),
        (Operand::Lease(0), Relation::Equal),
        (Operand::Value(Bytes::from("three")), Relation::Equal),
        (Operand::Value(Bytes::from("a")), Relation::Less),
    ];
    for (operand, relation) in operands {
        for key in ["/a", "/absent"] {
            requests.push(StoreRequest::Transaction(Transaction {
                compares: vec![compare(key, operand.clone(), relation)],
                success: vec![Operation::Range(RangeRequest::now(KeyRange::one("/a")))],
                failure: vec![],
            }));
        }
    }
    let all = |previous| Operation::Delete {
        range: KeyRange::prefix("/"),
        previous,
    };
    for previous in [true, false] {
        requests.push(StoreRequest::Transaction(Transaction {
            compares: vec![],
            success: vec![all(previous)],
            failure: vec![],
        }));
    }
    requests
}

/// An answer but for its revisions: those of etcd count the mark too.
pub(super) fn without_revisions(mut answer: StoreResponse<Bytes>) -> StoreResponse<Bytes> {
    let hide = |range: &mut RangeResponse<Bytes>| {
        range.revision = 0;
        for item in &mut range.items {
            (item.create_revision, item.mod_revision) = (0, 0);
        }
    };
    match &mut answer {
        StoreResponse::Range(range) => hide(range),
        StoreResponse::Transaction {
            revision, results, ..
        } => {
            *revision = 0;
            for result in results {
                match result {
                    OperationResult::Range(range) => hide(range),
                    OperationResult::Deleted { previous, .. } => {
                        for item in previous {
                            (item.create_revision, item.mod_revision) = (0, 0);
                        }
                    }
                    OperationResult::Put => {}
                }
            }
        }
        StoreResponse::Done { revision } => *revision = 0,
        StoreResponse::Failed(StoreError::FutureRevision { newest, .. }) => *newest = 0,
        _ => {}
    }
    answer
}
