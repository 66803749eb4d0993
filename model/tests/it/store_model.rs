//! The store against a naive one: a full copy of every key at every revision.
//!
//! Whatever is asked, in whatever order, with the disk as slow as it likes and a crash at any point:
//! answers are those of the naive store, nobody is told what is not durable, what was acknowledged survives,
//! and each watch gets exactly the events of its range, whole revisions in order (guarantees 1 to 9).

mod driver;
mod naive;

use model::machines::store::Limits;
use model::messages::store::{
    Compare, KeyRange, Operand, Operation, RangeRequest, Relation, StoreRequest, Transaction,
    WatchRequest,
};
use proptest::prelude::*;

use driver::Driver;

/// One thing done to the store.
#[derive(Clone, Debug)]
enum Act {
    Ask(StoreRequest<u8>),
    /// A range at so many revisions before the newest.
    RangeBack(KeyRange, u64),
    /// A watch after so many revisions before the newest.
    Watch(KeyRange, u64, bool),
    /// The receiver of one of the watches takes a frame.
    Taken(usize),
    Unwatch(usize),
    /// The disk completes its commit.
    Persisted,
    /// One of the leases' timers fires.
    Fire(usize),
    /// The process dies; whether the commit under way had reached the disk.
    Crash(bool),
}

fn key() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "b/1", "b/2", "c"]).prop_map(str::to_owned)
}

fn range() -> impl Strategy<Value = KeyRange> {
    prop_oneof![
        3 => key().prop_map(|key| KeyRange::one(&key)),
        2 => prop::sample::select(vec!["", "b", "b/"]).prop_map(KeyRange::prefix),
        1 => (key(), key()).prop_map(|(start, end)| KeyRange {
            start: start.as_str().into(),
            end: Some(end.as_str().into()),
        }),
    ]
}

fn compare() -> impl Strategy<Value = Compare<u8>> {
    let operand = prop_oneof![
        (0u64..12).prop_map(Operand::ModRevision),
        (0u64..6).prop_map(Operand::CreateRevision),
        (0u64..3).prop_map(Operand::Version),
        (0u64..3).prop_map(Operand::Lease),
        (0u8..3).prop_map(Operand::Value),
    ];
    let relation = prop::sample::select(vec![
        Relation::Equal,
        Relation::NotEqual,
        Relation::Less,
        Relation::Greater,
    ]);
    (key(), operand, relation).prop_map(|(key, operand, relation)| Compare {
        key: key.as_str().into(),
        operand,
        relation,
    })
}

fn operation() -> impl Strategy<Value = Operation<u8>> {
    prop_oneof![
        6 => (key(), 0u8..3, prop_oneof![4 => Just(0u64), 1 => 1u64..3]).prop_map(|(key, value, lease)| {
            Operation::Put { key: key.as_str().into(), value, lease }
        }),
        2 => (range(), any::<bool>()).prop_map(|(range, previous)| Operation::Delete { range, previous }),
        1 => range().prop_map(|range| Operation::Range(RangeRequest::now(range))),
    ]
}

fn transaction() -> impl Strategy<Value = StoreRequest<u8>> {
    let compares = prop::collection::vec(compare(), 0..2);
    let operations = || prop::collection::vec(operation(), 0..3);
    (compares, operations(), operations()).prop_map(|(compares, success, failure)| {
        StoreRequest::Transaction(Transaction {
            compares,
            success,
            failure,
        })
    })
}

fn range_request() -> impl Strategy<Value = RangeRequest> {
    (range(), 0u32..3, any::<bool>(), any::<bool>()).prop_map(
        |(range, limit, keys_only, count_only)| RangeRequest {
            range,
            revision: None,
            limit,
            keys_only,
            count_only,
        },
    )
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => transaction().prop_map(Act::Ask),
        2 => range_request().prop_map(|request| Act::Ask(StoreRequest::Range(request))),
        2 => (range(), 0u64..8).prop_map(|(range, back)| Act::RangeBack(range, back)),
        1 => (1u64..3, 1u32..3).prop_map(|(lease, ttl_seconds)| Act::Ask(StoreRequest::LeaseGrant { lease, ttl_seconds })),
        1 => (1u64..3).prop_map(|lease| Act::Ask(StoreRequest::LeaseKeepAlive { lease })),
        1 => (1u64..3).prop_map(|lease| Act::Ask(StoreRequest::LeaseRevoke { lease })),
        1 => (0u64..14).prop_map(|revision| Act::Ask(StoreRequest::Compact { revision })),
        1 => Just(Act::Ask(StoreRequest::Progress)),
        2 => (range(), 0u64..8, any::<bool>()).prop_map(|(range, back, previous)| Act::Watch(range, back, previous)),
        6 => (0usize..8).prop_map(Act::Taken),
        1 => (0usize..8).prop_map(Act::Unwatch),
        6 => Just(Act::Persisted),
        1 => (0usize..4).prop_map(Act::Fire),
        1 => any::<bool>().prop_map(Act::Crash),
    ]
}

fn small() -> Limits {
    Limits {
        frames: 2,
        history_revisions: 5,
        compaction_step: 2,
        history_bytes: 60,
        message_bytes: 3,
        header_bytes: 800,
        step_bytes: 100,
        waiting: 6,
        ..Limits::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn does_what_the_naive_store_does(acts in prop::collection::vec(act(), 1..80)) {
        let mut driver = Driver::new(small());
        for act in acts {
            match act {
                Act::Ask(request) => driver.ask(request),
                Act::RangeBack(range, back) => driver.range_back(range, back),
                Act::Watch(range, back, previous) => {
                    let after = driver.durable().checked_sub(back);
                    driver.watch(WatchRequest { range, after, previous });
                }
                Act::Taken(nth) => driver.taken(nth),
                Act::Unwatch(nth) => driver.unwatch(nth),
                Act::Persisted => driver.persisted(),
                Act::Fire(nth) => driver.fire(nth),
                Act::Crash(landed) => driver.crash(landed),
            }
        }
        driver.settle();
    }
}
