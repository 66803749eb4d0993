//! Components and the API server.

use bincode::config;
use model::messages::api::{
    ApiRequest, ApiResponse, Change, DeleteOptions, EventHead, ItemHead, ListOptions, ListPlace,
    PatchType, Propagation, Selection, Verb, WatchFrame, WatchOptions, join_items, split_items,
};
use model::objects::key::{GroupResource, ObjectKey};
use model::objects::object::Object;
use model::objects::status::{Cause, Details, Reason, Status};
use proptest::prelude::*;

use super::*;

fn key() -> ObjectKey {
    ObjectKey::new(GroupResource::new("", "pods"), "default", "a")
}

fn head() -> ItemHead {
    ItemHead {
        key: key(),
        revision: 300,
        length: 2,
    }
}

/// A failure with everything that it can tell.
pub(super) fn status() -> Status {
    Status {
        reason: Reason::Invalid,
        message: "no".to_owned(),
        details: Box::new(Details {
            name: "a".to_owned(),
            group: "apps".to_owned(),
            kind: "replicasets".to_owned(),
            uid: "u".to_owned(),
            causes: vec![Cause {
                reason: "FieldValueInvalid".to_owned(),
                message: "bad".to_owned(),
                field: "spec".to_owned(),
            }],
            retry_after_seconds: 1,
            continue_token: "c".to_owned(),
        }),
    }
}

fn selection() -> Selection {
    Selection {
        labels: "app=web".to_owned(),
        fields: "spec.nodeName=n".to_owned(),
    }
}

fn verbs() -> Vec<Verb> {
    vec![
        Verb::Get,
        Verb::List(ListOptions {
            selection: selection(),
            resource_version: "0".to_owned(),
            limit: 500,
            after: Some(Box::new(ListPlace {
                revision: 300,
                key: key(),
            })),
        }),
        Verb::Watch(WatchOptions {
            selection: Selection::default(),
            after: 300,
        }),
        Verb::Create,
        Verb::Update,
        Verb::Patch(PatchType::Merge),
        Verb::Delete(DeleteOptions {
            grace_period_seconds: Some(30),
            uid: Some("u".to_owned()),
            resource_version: Some("7".to_owned()),
            propagation: Some(Propagation::Foreground),
            dry_run: true,
        }),
        Verb::DeleteCollection(DeleteOptions::default(), selection()),
    ]
}

fn responses() -> Vec<ApiResponse> {
    vec![
        ApiResponse::Done {
            revision: 300,
            items: vec![head()],
        },
        ApiResponse::Failed {
            revision: 300,
            status: status(),
        },
    ]
}

fn frames() -> Vec<WatchFrame> {
    vec![
        WatchFrame::Events(vec![EventHead {
            change: Change::Modified,
            item: head(),
        }]),
        WatchFrame::Bookmark {
            revision: 300,
            initial_events_end: true,
        },
        WatchFrame::Failed(status()),
    ]
}

#[test]
fn golden_bytes() {
    let mut golden = Golden::default();
    golden.plain(
        "ApiRequest",
        &[
            ApiRequest::object(Verb::Get, &key()),
            ApiRequest::object(Verb::Update, &key()).subresource("status"),
        ],
    );
    golden.every("Verb", &verbs());
    golden.every(
        "PatchType",
        &[PatchType::Json, PatchType::Merge, PatchType::StrategicMerge],
    );
    golden.every(
        "Propagation",
        &[
            Propagation::Orphan,
            Propagation::Background,
            Propagation::Foreground,
        ],
    );
    golden.every("ApiResponse", &responses());
    golden.every("WatchFrame", &frames());
    golden.every(
        "Change",
        &[Change::Added, Change::Modified, Change::Deleted],
    );
    golden.every("Reason", &reasons());
    insta::assert_snapshot!("api_wire", golden.text);
}

fn reasons() -> Vec<Reason> {
    vec![
        Reason::Unauthorized,
        Reason::Forbidden,
        Reason::NotFound,
        Reason::AlreadyExists,
        Reason::Conflict,
        Reason::Gone,
        Reason::Expired,
        Reason::Invalid,
        Reason::BadRequest,
        Reason::MethodNotAllowed,
        Reason::NotAcceptable,
        Reason::UnsupportedMediaType,
        Reason::RequestEntityTooLarge,
        Reason::TooManyRequests,
        Reason::InternalError,
        Reason::ServiceUnavailable,
        Reason::Timeout,
    ]
}

#[test]
fn bodies_are_cut_as_their_heads_say_or_not_at_all() {
    let objects = ["{}", "[]", ""].map(|body| Object {
        key: key(),
        revision: 300,
        body: body.into(),
    });
    let (heads, body) = join_items(&objects);
    assert_eq!(split_items(&heads, &body).as_deref(), Some(&objects[..]));
    assert_eq!(split_items(&heads, &body[1..]), None, "a body too short");
    assert_eq!(split_items(&heads[1..], &body), None, "a body too long");
    let huge = ItemHead {
        length: u32::MAX,
        ..head()
    };
    assert_eq!(split_items([&huge], &body), None);
}

proptest! {
    /// Whatever arrives is read or refused.
    #[test]
    fn no_bytes_harm(header in prop::collection::vec(any::<u8>(), 0..200), body in prop::collection::vec(any::<u8>(), 0..50)) {
        let limited = config::standard().with_limit::<65536>();
        let _ = bincode::decode_from_slice::<ApiRequest, _>(&header, limited);
        if let Ok((ApiResponse::Done { items, .. }, _)) = bincode::decode_from_slice(&header, limited) {
            let _ = split_items(&items, &body);
        }
        if let Ok((WatchFrame::Events(events), _)) = bincode::decode_from_slice(&header, limited) {
            let _ = split_items(events.iter().map(|event| &event.item), &body);
        }
    }
}
