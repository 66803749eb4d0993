//! What a controller asks for.

use bincode::{Decode, Encode};

use crate::messages::api::ApiRequest;
use crate::objects::bytes::Bytes;
use crate::objects::key::ObjectKey;

/// A request to the API server and its body, empty where the verb has none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ask {
    /// What is asked.
    pub request: ApiRequest,
    /// The body, as JSON.
    pub body: Bytes,
}

impl Ask {
    /// A request without a body.
    pub fn bare(request: ApiRequest) -> Self {
        Ask {
            request,
            body: Bytes::default(),
        }
    }

    /// A request with a body.
    pub fn json(request: ApiRequest, body: &serde_json::Value) -> Self {
        Ask {
            request,
            body: Bytes::from(body.to_string().as_str()),
        }
    }
}

/// Whether an event tells of something usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum EventType {
    /// `Normal`.
    Normal,
    /// `Warning`.
    Warning,
}

/// An event for people to read (`kubectl describe`, `kubectl get events`): told once, kept by no machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Event {
    /// The object it is about.
    pub about: ObjectKey,
    /// The UID of that object.
    pub uid: String,
    /// Whether it is usual.
    pub kind: EventType,
    /// One word in CamelCase.
    pub reason: &'static str,
    /// In words.
    pub message: String,
}

/// What a controller asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// Ask the API server for something. Answered, once, by `Answered` with the same key and index.
    Ask(ObjectKey, u32, Ask),
    /// Record an event. Not answered: an event that gets lost is no harm.
    Record(Event),
}
