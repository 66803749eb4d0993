//! What clients write down of a session with a store. Times are microseconds on one clock of the suite's own; every
//! value is a number that no other write of the session wrote; keys are those below the session's own prefix.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A whole session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// Every transaction that was to write.
    pub writes: Vec<Write>,
    /// Every range over all keys of the session.
    pub reads: Vec<Read>,
    /// Every watch, by client in the order in which the client opened them.
    pub watches: Vec<Watch>,
    /// Every compaction that was asked for.
    pub compactions: Vec<Compaction>,
    /// Every question about the past.
    pub pasts: Vec<Past>,
    /// Every key that was written with a lease, once.
    pub leases: Vec<Lease>,
}

/// A key as a store tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The revision that created it.
    pub created: u64,
    /// The revision that wrote it last.
    pub modified: u64,
    /// How often it was written since.
    pub version: u64,
    /// What it holds.
    pub value: u64,
}

/// A transaction: a compare of one key's last revision, or none, and what is written if it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write {
    /// Whose.
    pub client: u32,
    /// Before it was sent.
    pub began_us: u64,
    /// After its answer was read.
    pub ended_us: u64,
    /// The key whose last revision must be this one; 0 for a key that must not exist.
    pub compare: Option<(String, u64)>,
    /// Each key and its new value, in the order of the transaction; no value for a deletion. A deletion is always of
    /// the key that is compared, so that every transaction that succeeds makes one revision.
    pub changes: Vec<(String, Option<u64>)>,
    /// What came of it.
    pub answer: Answer,
}

/// What came of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// Done, at this revision.
    Done(u64),
    /// The compare did not hold.
    Lost {
        /// The revision that it saw.
        revision: u64,
        /// The compared key as it was then, if it existed.
        found: Option<State>,
    },
    /// Refused: certainly not done.
    Refused(String),
    /// No answer: it may have been done.
    Unknown,
}

/// A range over everything, at the newest revision or an older one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// Whose.
    pub client: u32,
    /// Before it was sent.
    pub began_us: u64,
    /// After its first page was read.
    pub ended_us: u64,
    /// Whether it was asked for as of an older revision.
    pub past: bool,
    /// The revision it is as of.
    pub revision: u64,
    /// The keys.
    pub items: BTreeMap<String, State>,
}

/// Where a watch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Start {
    /// Strictly after a revision that a range gave.
    AfterRead(u64),
    /// Strictly after the last revision that the client's watch before this one brought.
    Resumed(u64),
}

impl Start {
    /// The revision.
    pub fn revision(self) -> u64 {
        match self {
            Start::AfterRead(revision) | Start::Resumed(revision) => revision,
        }
    }
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
    /// The one key that is watched; everything if there is none.
    pub key: Option<String>,
    /// Whether events carry what was before.
    pub previous: bool,
    /// What came, message by message.
    pub messages: Vec<Message>,
    /// How it ended.
    pub end: End,
}

/// One message of a watch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// When it was read.
    pub at_us: u64,
    /// It says that every event up to this revision has come.
    pub revision: u64,
    /// Its events.
    pub events: Vec<Event>,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The key.
    pub key: String,
    /// The revision of the change.
    pub revision: u64,
    /// As written; none of a deletion.
    pub now: Option<State>,
    /// As it was before, if the store told.
    pub previous: Option<State>,
}

/// How a watch ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum End {
    /// The client ended it.
    Left,
    /// What it needs is compacted.
    Compacted,
    /// Something else ended it.
    Broken(String),
}

/// A compaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compaction {
    /// Before it was sent.
    pub began_us: u64,
    /// After its answer was read.
    pub ended_us: u64,
    /// What is before this revision is to be forgotten.
    pub revision: u64,
    /// Whether the store says that it is.
    pub done: bool,
}

/// A question about the past.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// Before it was sent.
    pub began_us: u64,
    /// After its answer was read.
    pub ended_us: u64,
    /// Whether it was a watch from after the revision, and not a range at it.
    pub watch: bool,
    /// The revision.
    pub revision: u64,
    /// Whether it was answered, and not refused as compacted.
    pub served: bool,
}

/// A key that goes with a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The key.
    pub key: String,
    /// The revision that wrote it.
    pub written: u64,
    /// The time to live that the store granted, in seconds.
    pub ttl_seconds: u32,
    /// Before the last keep-alive, or the grant, was sent.
    pub kept_us: u64,
    /// Before it was revoked and after that was acknowledged; none if it was left to run out.
    pub revoked: Option<(u64, u64)>,
    /// When a watch brought the key's deletion.
    pub gone_us: Option<u64>,
}

/// Keys that are written with leases begin so: when they go is the lease's business alone.
pub const LEASED: &str = "/leased/";
