//! What clients write down of a session with an API server. Times are microseconds on one clock of the suite's own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A whole session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// Every write that was sent.
    pub writes: Vec<Write>,
    /// Every list that was answered.
    pub lists: Vec<List>,
    /// Every watch that was opened, by client in the order in which the client opened them.
    pub watches: Vec<Watch>,
}

/// What an object holds: a value that no other write of the session wrote, and whether the selector matches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Content {
    /// The value.
    pub value: u64,
    /// Whether the suite's selector matches.
    pub selected: bool,
}

/// A write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write {
    /// Before it was sent.
    pub began_us: u64,
    /// After its answer was read.
    pub ended_us: u64,
    /// The object.
    pub name: String,
    /// What it does.
    pub kind: WriteKind,
    /// What it writes; of a delete, what it deletes if the writer knows.
    pub content: Option<Content>,
    /// What came of it.
    pub answer: Answer,
}

/// What a write does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WriteKind {
    /// Makes the object.
    Create,
    /// Changes it.
    Update,
    /// Removes it.
    Delete,
}

/// What came of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// Done; at which revision, if the answer says (a delete's does not).
    Done(Option<u64>),
    /// Refused, with an HTTP status.
    Refused(u16),
    /// No answer: it may have been done.
    Unknown,
}

/// How fresh a list was asked to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Read {
    /// `resourceVersion` unset: everything acknowledged before.
    Consistent,
    /// `resourceVersion=0`: anything the server has.
    Any,
    /// `resourceVersionMatch=NotOlderThan`.
    NotOlderThan(u64),
}

/// A list that was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// Whose.
    pub client: u32,
    /// Before it was sent.
    pub began_us: u64,
    /// After its answer was read.
    pub ended_us: u64,
    /// How fresh it was asked to be.
    pub read: Read,
    /// Whether only what the selector matches was asked for.
    pub selected: bool,
    /// Its `metadata.resourceVersion`.
    pub revision: u64,
    /// The objects by name: their `resourceVersion` and what they hold.
    pub items: BTreeMap<String, (u64, Content)>,
}

/// Where a watch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Start {
    /// Strictly after a revision that a list gave.
    AfterList(u64),
    /// Strictly after the last revision that the client's watch before this one brought.
    Resumed(u64),
    /// Strictly after a revision that nobody held: long past, so that the server may have forgotten what followed.
    Past(u64),
    /// With the present objects first (`sendInitialEvents=true`), as fresh as a consistent list.
    InitialEvents,
}

/// A watch, from its opening to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// Whose.
    pub client: u32,
    /// Before it was sent.
    pub began_us: u64,
    /// Where it begins.
    pub start: Start,
    /// Whether only what the selector matches was asked for.
    pub selected: bool,
    /// Whether the client read slowly, or not at all for a while.
    pub slow: bool,
    /// What it brought, in order.
    pub events: Vec<Event>,
    /// How it ended.
    pub end: End,
}

/// An event of a watch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When it was read.
    pub at_us: u64,
    /// What kind.
    pub kind: EventKind,
    /// The `resourceVersion` of its object.
    pub revision: u64,
    /// The object; empty for a bookmark.
    pub name: String,
    /// What it holds; `None` for a bookmark.
    pub content: Option<Content>,
}

/// Kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum EventKind {
    /// `ADDED`.
    Added,
    /// `MODIFIED`.
    Modified,
    /// `DELETED`.
    Deleted,
    /// `BOOKMARK`.
    Bookmark,
    /// `BOOKMARK` with the annotation `k8s.io/initial-events-end`.
    InitialEventsEnd,
}

/// How a watch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum End {
    /// The server ended it, as it does after a while.
    Closed,
    /// The client ended it.
    Left,
    /// 410: its revision has left the window.
    Gone,
    /// Another error, as an HTTP status or that of an `ERROR` event.
    Failed(u16),
    /// The connection broke.
    Broken,
    /// It stayed open and brought nothing for a long time, though writes up to this revision had been acknowledged.
    Silent(u64),
}
