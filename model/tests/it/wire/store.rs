//! The API server and the store.

use bincode::config;
use model::messages::store::{
    Compare, Event, KeyRange, KeyValue, Operand, Operation, OperationResult, RangeRequest,
    RangeResponse, Relation, Segment, SegmentError, StoreError, StoreRequest, StoreResponse,
    StoreStatus, Transaction, WatchFrame, WatchRequest, Wire,
};
use model::objects::bytes::Bytes;
use proptest::prelude::*;

use super::*;

fn item(key: &str, value: Option<&str>) -> KeyValue<Bytes> {
    KeyValue {
        key: key.into(),
        create_revision: 2,
        mod_revision: 300,
        version: 3,
        lease: 0,
        value: value.map(Bytes::from),
    }
}

fn requests() -> Vec<StoreRequest<Bytes>> {
    vec![
        StoreRequest::Range(RangeRequest {
            range: KeyRange::prefix("/registry/core/pods/"),
            revision: Some(70_000),
            limit: 500,
            keys_only: true,
            count_only: false,
        }),
        StoreRequest::Transaction(Transaction {
            compares: vec![
                Compare {
                    key: "/a".into(),
                    operand: Operand::ModRevision(7),
                    relation: Relation::Equal,
                },
                Compare {
                    key: "/b".into(),
                    operand: Operand::Value(Bytes::from("old")),
                    relation: Relation::NotEqual,
                },
            ],
            success: vec![
                Operation::Put {
                    key: "/a".into(),
                    value: Bytes::from("new"),
                    lease: 9,
                },
                Operation::Delete {
                    range: KeyRange::one("/b"),
                    previous: true,
                },
            ],
            failure: vec![Operation::Range(RangeRequest::now(KeyRange::one("/a")))],
        }),
        StoreRequest::LeaseGrant {
            lease: 9,
            ttl_seconds: 40,
        },
        StoreRequest::LeaseKeepAlive { lease: 9 },
        StoreRequest::LeaseRevoke { lease: 9 },
        StoreRequest::Compact { revision: 1000 },
        StoreRequest::Progress,
        StoreRequest::Status,
    ]
}

fn responses() -> Vec<StoreResponse<Bytes>> {
    let range = RangeResponse {
        revision: 300,
        items: vec![item("/a", Some("one")), item("/b", None)],
        more: true,
        count: 17,
    };
    vec![
        StoreResponse::Range(range.clone()),
        StoreResponse::Transaction {
            revision: 301,
            succeeded: true,
            results: vec![
                OperationResult::Put,
                OperationResult::Deleted {
                    count: 1,
                    previous: vec![item("/b", Some("two"))],
                },
                OperationResult::Range(range),
            ],
        },
        StoreResponse::Lease {
            lease: 9,
            ttl_seconds: 40,
        },
        StoreResponse::Done { revision: 301 },
        StoreResponse::Status(StoreStatus {
            revision: 301,
            keys: 2,
            ..StoreStatus::default()
        }),
        StoreResponse::Failed(StoreError::Compacted { compacted: 40 }),
    ]
}

fn frames() -> Vec<WatchFrame<Bytes>> {
    vec![
        WatchFrame::Started { after: 300 },
        WatchFrame::Events {
            revision: 302,
            events: vec![
                Event::Put {
                    now: item("/a", Some("two")),
                    previous: Some(item("/a", Some("one"))),
                },
                Event::Deleted {
                    key: "/b".into(),
                    revision: 302,
                    previous: None,
                },
            ],
        },
        WatchFrame::Progress { revision: 310 },
        WatchFrame::Cancelled(StoreError::Behind { compacted: 400 }),
    ]
}

fn operands() -> Vec<Operand<Segment>> {
    vec![
        Operand::CreateRevision(0),
        Operand::ModRevision(300),
        Operand::Version(1),
        Operand::Lease(9),
        Operand::Value(Segment { length: 3 }),
    ]
}

fn errors() -> Vec<StoreError> {
    vec![
        StoreError::Compacted { compacted: 40 },
        StoreError::Behind { compacted: 40 },
        StoreError::FutureRevision {
            revision: 400,
            newest: 300,
        },
        StoreError::KeyLength {
            length: 0,
            limit: 1024,
        },
        StoreError::RequestTooLarge {
            bytes: 2000,
            limit: 1000,
        },
        StoreError::TooManyOperations {
            count: 129,
            limit: 128,
        },
        StoreError::TooMuchChanged {
            keys: 3,
            bytes: 2000,
            keys_limit: 2,
            bytes_limit: 1000,
        },
        StoreError::DuplicateKey { key: "/a".into() },
        StoreError::LeaseNotFound { lease: 9 },
        StoreError::LeaseExists { lease: 9 },
        StoreError::LeaseInvalid,
        StoreError::TooManyLeases { limit: 2 },
        StoreError::LeaseFull { lease: 9, limit: 2 },
        StoreError::TooManyWatches { limit: 2 },
        StoreError::Busy,
        StoreError::NoSpace { bytes: 1000 },
        StoreError::Failed {
            reason: "disk".to_owned(),
        },
        StoreError::Unavailable {
            reason: "away".to_owned(),
        },
        StoreError::Unknown {
            reason: "lost".to_owned(),
        },
    ]
}

impl Golden {
    /// Messages with values, which travel as a raw body behind the header. No variant may be missing.
    fn split<M: Wire + Clone + PartialEq + Debug>(&mut self, name: &str, samples: &[M])
    where
        M::Header: Decode<()>,
    {
        self.title(name);
        let mut headers = Vec::new();
        for sample in samples {
            let (header, body) = sample.clone().split().unwrap();
            let bytes = bytes_of(&header);
            let (back, used): (M::Header, usize) =
                bincode::decode_from_slice(&bytes, config::standard()).unwrap();
            assert_eq!(used, bytes.len());
            assert_eq!(&M::join(back, &body).unwrap(), sample);
            self.line(sample, &format!("{} | {}", hex(&bytes), hex(&body)));
            headers.push(bytes);
        }
        all_variants::<M::Header>(name, headers.into_iter());
    }
}

#[test]
fn golden_bytes() {
    let mut golden = Golden::default();
    golden.split("StoreRequest", &requests());
    golden.split("StoreResponse", &responses());
    golden.split("WatchFrame", &frames());
    golden.plain(
        "WatchRequest",
        &[WatchRequest {
            range: KeyRange::prefix("/p"),
            after: Some(300),
            previous: true,
        }],
    );
    golden.every("Operand", &operands());
    golden.every(
        "Relation",
        &[
            Relation::Equal,
            Relation::NotEqual,
            Relation::Less,
            Relation::Greater,
        ],
    );
    golden.every("StoreError", &errors());
    insta::assert_snapshot!("store_wire", golden.text);
}

#[test]
fn lengths_that_do_not_add_up_are_refused() {
    let put = |length| {
        StoreRequest::Transaction(Transaction {
            compares: vec![],
            success: vec![Operation::Put {
                key: "/a".into(),
                value: Segment { length },
                lease: 0,
            }],
            failure: vec![],
        })
    };
    assert_eq!(
        StoreRequest::<Bytes>::join(put(u32::MAX), b"abc"),
        Err(SegmentError::TooShort {
            length: u32::MAX,
            left: 3
        })
    );
    assert_eq!(
        StoreRequest::<Bytes>::join(put(2), b"abc"),
        Err(SegmentError::TooLong { left: 1 })
    );
    assert!(StoreRequest::<Bytes>::join(put(3), b"abc").is_ok());
}

#[test]
fn prefixes_end_where_they_should() {
    let end = |prefix: &str| KeyRange::prefix(prefix).end.as_deref().map(str::to_owned);
    assert_eq!(end("/a/"), Some("/a0".to_owned()));
    assert_eq!(end(""), None);
    assert_eq!(end("a\u{10ffff}"), Some("b".to_owned()));
    assert_eq!(
        end("\u{d7ff}"),
        Some("\u{e000}".to_owned()),
        "surrogates are no characters"
    );
    assert_eq!(KeyRange::one("a").single().map(|key| &**key), Some("a"));
    assert_eq!(KeyRange::prefix("a").single(), None);
}

proptest! {
    /// Whatever arrives is read or refused.
    #[test]
    fn no_bytes_harm(header in prop::collection::vec(any::<u8>(), 0..200), body in prop::collection::vec(any::<u8>(), 0..50)) {
        let limited = config::standard().with_limit::<65536>();
        if let Ok((request, _)) = bincode::decode_from_slice::<StoreRequest<Segment>, _>(&header, limited) {
            let _ = StoreRequest::<Bytes>::join(request, &body);
        }
        if let Ok((frame, _)) = bincode::decode_from_slice::<WatchFrame<Segment>, _>(&header, limited) {
            let _ = WatchFrame::<Bytes>::join(frame, &body);
        }
    }

    #[test]
    fn a_prefix_holds_what_begins_with_it(prefix in "\\PC{0,4}", key in "\\PC{0,6}") {
        prop_assert_eq!(KeyRange::prefix(&prefix).contains(&key), key.starts_with(&prefix));
        let whole = format!("{prefix}{key}");
        prop_assert!(KeyRange::prefix(&prefix).contains(&whole));
        prop_assert!(KeyRange::one(&key).contains(&key));
        prop_assert!(!KeyRange::prefix("").after(&key).contains(&key));
    }
}
