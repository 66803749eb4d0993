//! What a watch cache does.

use crate::messages::api::Change;
use crate::objects::status::{Cause, Reason, Status};

use super::input::{Epoch, Key, RequestId};

/// One output.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output<V> {
    /// Read the next part of all objects from the store.
    List {
        /// The attempt.
        epoch: Epoch,
        /// As of which revision; `None` for the newest (the first part).
        revision: Option<u64>,
        /// After which key; `None` for the first part.
        after: Option<Key>,
    },
    /// Follow the changes of the store.
    Follow {
        /// The attempt.
        epoch: Epoch,
        /// Strictly after this revision.
        after: u64,
    },
    /// End what an earlier attempt still follows.
    Unfollow {
        /// The attempt.
        epoch: Epoch,
    },
    /// Ask the store for its newest durable revision, and to tell those who follow it how far they are.
    Query {
        /// Which question.
        query: u64,
    },
    /// Answer a read.
    Answer {
        /// Which.
        request: RequestId,
        /// With what.
        answer: Result<Answer<V>, Refusal>,
    },
    /// Hand changes to a watch.
    Deliver {
        /// The watch.
        watcher: RequestId,
        /// Changes in the order of revisions; for a deletion the last state, stamped with its revision.
        changes: Vec<Delivery<V>>,
    },
    /// Tell a watch how far it is.
    Bookmark {
        /// The watch.
        watcher: RequestId,
        /// Every change up to this revision has been handed to it.
        revision: u64,
        /// Whether this ends the initial events.
        initial_events_end: bool,
    },
    /// End a watch.
    Close {
        /// The watch.
        watcher: RequestId,
        /// Why.
        status: Status,
    },
}

/// A change as a watch sees it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Delivery<V> {
    /// What happened.
    pub change: Change,
    /// The object's key.
    pub key: Key,
    /// The revision of the change.
    pub revision: u64,
    /// The object.
    pub value: V,
}

/// What a read is answered with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Answer<V> {
    /// To a get: the object, if it exists.
    Object(Option<V>),
    /// To a list.
    List {
        /// The revision it is as of.
        revision: u64,
        /// The objects by key.
        items: Vec<V>,
        /// Where the next part begins, if there is one: after this key.
        next: Option<Key>,
        /// How many objects follow; `None` if a filter makes that unknown.
        remaining: Option<u64>,
    },
}

/// Why a read is not answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The exact revision has left the window.
    Expired {
        /// The revision asked for.
        asked: u64,
        /// The oldest that can be read.
        oldest: u64,
    },
    /// The cache did not become fresh enough in time.
    TooLarge {
        /// The revision asked for; `None` if the store did not tell its own in time.
        asked: Option<u64>,
        /// The cache's revision.
        current: u64,
    },
    /// As many wait as may.
    TooMany,
}

impl Refusal {
    /// The failure in Kubernetes' words.
    pub fn status(&self) -> Status {
        match self {
            Refusal::Expired { .. } => Status::new(
                Reason::Expired,
                "The resourceVersion for the provided list is too old.",
            ),
            Refusal::TooLarge { asked, current } => {
                let asked = match asked {
                    Some(asked) => asked.to_string(),
                    None => "the store's, which it did not tell in time".to_owned(),
                };
                let mut status = Status::new(
                    Reason::Timeout,
                    format!("Timeout: Too large resource version: {asked}, current: {current}"),
                );
                status.details.retry_after_seconds = 1;
                status.details.causes.push(Cause {
                    reason: "ResourceVersionTooLarge".to_owned(),
                    message: "Too large resource version".to_owned(),
                    field: String::new(),
                });
                status
            }
            Refusal::TooMany => {
                let mut status = Status::new(
                    Reason::TooManyRequests,
                    "too many requests wait for the cache to become fresh: try again",
                );
                status.details.retry_after_seconds = 1;
                status
            }
        }
    }
}
