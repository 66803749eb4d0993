//! The store's messages as bytes: the encoding is fixed, and no bytes harm the reader.

use bincode::config;
use model::messages::store::{
    Compare, Event, KeyRange, KeyValue, Operand, Operation, OperationResult, RangeRequest,
    RangeResponse, Relation, Segment, SegmentError, StoreError, StoreRequest, StoreResponse,
    StoreStatus, Transaction, WatchFrame, WatchRequest, Wire,
};
use model::objects::bytes::Bytes;
use proptest::prelude::*;

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

/// The bytes of a message, and that they read back as the message.
fn encoded<M: Wire + Clone + PartialEq + std::fmt::Debug>(message: &M) -> String {
    let (header, body) = message.clone().split().unwrap();
    let bytes = bincode::encode_to_vec(&header, config::standard()).unwrap();
    let (back, used): (M::Header, usize) =
        bincode::decode_from_slice(&bytes, config::standard()).unwrap();
    assert_eq!(used, bytes.len());
    assert_eq!(&M::join(back, &body).unwrap(), message);
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let name: String = format!("{message:?}")
        .chars()
        .take_while(|c| c.is_alphanumeric())
        .collect();
    format!("{name}: {} | {}", hex(&bytes), hex(&body))
}

#[test]
fn golden_bytes() {
    let mut lines: Vec<String> = requests().iter().map(encoded).collect();
    lines.extend(responses().iter().map(encoded));
    lines.extend(frames().iter().map(encoded));
    let watch = WatchRequest {
        range: KeyRange::prefix("/p"),
        after: Some(300),
        previous: true,
    };
    let bytes = bincode::encode_to_vec(&watch, config::standard()).unwrap();
    lines.push(format!("WatchRequest: {bytes:02x?}"));
    insta::assert_snapshot!("store_wire", lines.join("\n"));
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
