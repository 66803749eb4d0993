//! `kind: Status` of `meta/v1`: how the API server says that something failed.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// Why a request failed. The words are those of `k8s.io/apimachinery` (`StatusReason`).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
pub enum Reason {
    /// 401: no identity, or one that is not known.
    Unauthorized,
    /// 403: the identity may not do this.
    Forbidden,
    /// 404: no such object, or no such resource.
    NotFound,
    /// 409: an object of that name exists.
    AlreadyExists,
    /// 409: the object has changed, or a precondition does not hold.
    Conflict,
    /// 410: the revision asked for is compacted away.
    Gone,
    /// 410: the continue token or resourceVersion is too old.
    Expired,
    /// 422: the object is well-formed and not valid.
    Invalid,
    /// 400: the request cannot be understood.
    BadRequest,
    /// 405: the resource cannot do that.
    MethodNotAllowed,
    /// 406: no representation of the kind asked for.
    NotAcceptable,
    /// 415: a body of a media type that is not understood.
    UnsupportedMediaType,
    /// 413: a body over the limit.
    RequestEntityTooLarge,
    /// 429: too much at once; try again after the seconds in the details.
    TooManyRequests,
    /// 500: a fault of the server.
    InternalError,
    /// 503: a part that is needed is away.
    ServiceUnavailable,
    /// 504: it was not done in time; it may be done later.
    Timeout,
}

impl Reason {
    /// The HTTP status code that goes with the reason.
    pub fn code(self) -> u16 {
        match self {
            Reason::BadRequest => 400,
            Reason::Unauthorized => 401,
            Reason::Forbidden => 403,
            Reason::NotFound => 404,
            Reason::MethodNotAllowed => 405,
            Reason::NotAcceptable => 406,
            Reason::AlreadyExists | Reason::Conflict => 409,
            Reason::Gone | Reason::Expired => 410,
            Reason::RequestEntityTooLarge => 413,
            Reason::UnsupportedMediaType => 415,
            Reason::Invalid => 422,
            Reason::TooManyRequests => 429,
            Reason::InternalError => 500,
            Reason::ServiceUnavailable => 503,
            Reason::Timeout => 504,
        }
    }
}

/// A failure, as components and clients see it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode, thiserror::Error)]
#[error("{message}")]
pub struct Status {
    /// Why.
    pub reason: Reason,
    /// In words: the thing, the reason, the mend.
    pub message: String,
    /// What it is about. Boxed, since failures are the rare side of every result.
    pub details: Box<Details>,
}

/// What a failure is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Details {
    /// Name of the object.
    pub name: String,
    /// API group of the resource.
    pub group: String,
    /// Plural of the resource (Kubernetes writes resource or kind here).
    pub kind: String,
    /// UID of the object.
    pub uid: String,
    /// Single faults of an invalid object.
    pub causes: Vec<Cause>,
    /// Seconds after which to try again; 0 where there is no advice.
    pub retry_after_seconds: u32,
    /// With a 410 for a `continue` token: one that goes on with the list as it is now. It stands in the
    /// `metadata.continue` of the Status.
    pub continue_token: String,
}

/// One fault of an invalid object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
pub struct Cause {
    /// Its kind, as in `FieldValueInvalid`.
    pub reason: String,
    /// In words.
    pub message: String,
    /// Path of the field, as in `spec.containers[0].name`.
    pub field: String,
}

impl Status {
    /// A failure without details.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Status {
            reason,
            message: message.into(),
            details: Box::default(),
        }
    }

    /// A failure about one object.
    pub fn about(
        reason: Reason,
        key: &crate::objects::key::ObjectKey,
        message: impl Into<String>,
    ) -> Self {
        Status {
            reason,
            message: message.into(),
            details: Box::new(Details {
                name: key.name.clone(),
                group: key.resource.group.clone(),
                kind: key.resource.resource.clone(),
                ..Details::default()
            }),
        }
    }

    /// 404 for an object, in Kubernetes' words: `pods "a" not found`.
    pub fn not_found(key: &crate::objects::key::ObjectKey) -> Self {
        Status::about(
            Reason::NotFound,
            key,
            format!("{} \"{}\" not found", key.resource, key.name),
        )
    }

    /// 409 for a create, in Kubernetes' words: `pods "a" already exists`.
    pub fn already_exists(key: &crate::objects::key::ObjectKey) -> Self {
        Status::about(
            Reason::AlreadyExists,
            key,
            format!("{} \"{}\" already exists", key.resource, key.name),
        )
    }

    /// 409 for a write, in Kubernetes' words: `Operation cannot be fulfilled on pods "a": why`.
    pub fn conflict(key: &crate::objects::key::ObjectKey, why: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} \"{}\": {why}",
            key.resource, key.name
        );
        Status::about(Reason::Conflict, key, message)
    }
}
