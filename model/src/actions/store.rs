//! What the store says has happened.

use bincode::{Decode, Encode};

use crate::messages::store::{Event, Key, KeyRange, LeaseId, StoreError, WatchFrame};

/// What the store says has happened. Values are left out: a key and a revision name one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum StoreAction {
    /// The store has read its disk.
    Started {
        /// The newest revision there.
        revision: u64,
        /// History before this revision is forgotten.
        compacted: u64,
        /// The leases there, in order; each lives for its whole time again.
        leases: Vec<LeaseId>,
    },
    /// A transaction, or the end of a lease, made a revision (steps 2, 6 and 11 of a pod's path). Nobody is
    /// told before it is durable.
    Wrote {
        /// The revision.
        revision: u64,
        /// What it changed, in order.
        changes: Vec<Changed>,
    },
    /// A transaction wrote nothing.
    Compared {
        /// The revision it saw.
        revision: u64,
        /// Whether its compares held.
        succeeded: bool,
    },
    /// A range was read.
    Ranged {
        /// Which keys.
        range: KeyRange,
        /// As of which revision.
        revision: u64,
        /// How many keys it has there.
        count: u64,
    },
    /// A lease was granted.
    LeaseGranted {
        /// Which.
        lease: LeaseId,
        /// Its time to live, in seconds.
        ttl_seconds: u32,
    },
    /// A lease's time to live began anew.
    LeaseKeptAlive {
        /// Which.
        lease: LeaseId,
    },
    /// A lease was revoked, or its time to live was over.
    LeaseEnded {
        /// Which.
        lease: LeaseId,
        /// Whether its time was over.
        expired: bool,
    },
    /// A commit went to the disk.
    CommitBegan {
        /// Its newest revision.
        through: u64,
    },
    /// It is durable.
    Persisted {
        /// Its newest revision.
        through: u64,
    },
    /// It failed; the store answers nothing any more. Everyone who waited was told, and every watch ended.
    PersistFailed {
        /// What the disk said.
        reason: String,
    },
    /// History before a revision was forgotten.
    Compacted {
        /// That revision.
        through: u64,
    },
    /// A request changed nothing and waits: until what it saw is durable, or for the engine's answer.
    Waiting {
        /// Whose.
        ask: u64,
    },
    /// A request was answered with success.
    Answered {
        /// Whose.
        ask: u64,
        /// The newest revision its answer tells of.
        revision: u64,
    },
    /// A request was refused, or a watch was.
    Failed {
        /// Whose: the number of the request or watch.
        ask: u64,
        /// Why.
        error: StoreError,
    },
    /// A watch began.
    WatchBegan {
        /// Which.
        watch: u64,
        /// Of which keys.
        range: KeyRange,
        /// After which revision.
        after: u64,
    },
    /// A watch was sent events (steps 3 and 7 of a pod's path).
    Delivered {
        /// Which.
        watch: u64,
        /// It has every event up to this revision.
        revision: u64,
        /// The events.
        events: Vec<Delivery>,
    },
    /// Watches that an earlier step had no room for were looked after.
    Resumed {
        /// How many.
        watches: u64,
    },
    /// A watch was told how far it is.
    Progressed {
        /// Which.
        watch: u64,
        /// It has every event up to this revision.
        revision: u64,
    },
    /// The receiver of a watch took a frame.
    Taken {
        /// Which.
        watch: u64,
    },
    /// A watch ended.
    WatchEnded {
        /// Which.
        watch: u64,
        /// Why, if the store ended it.
        error: Option<StoreError>,
    },
    /// The store follows an engine that is not its own (etcd): revisions are the engine's, which others may make too,
    /// and what is told of here is durable there. Nothing is known of what happened meanwhile.
    Attached {
        /// The engine's events up to this revision have come.
        revision: u64,
        /// Those after this one can be watched.
        after: u64,
    },
    /// The engine is not reached. Every watch has ended.
    Detached {
        /// Why.
        reason: String,
    },
    /// Watches have waited for events to come as far as they are to be told.
    Marked {
        /// Whether the engine was given a mark to write, because they have not yet.
        written: bool,
    },
}

impl StoreAction {
    /// What a store says when it sends a watch events or tells it how far it is; of other frames it says more than the
    /// frame.
    pub fn sent<V>(watch: u64, frame: &WatchFrame<V>) -> Option<Self> {
        match frame {
            WatchFrame::Events { revision, events } => Some(StoreAction::Delivered {
                watch,
                revision: *revision,
                events: events.iter().map(Delivery::of).collect(),
            }),
            WatchFrame::Progress { revision } => Some(StoreAction::Progressed {
                watch,
                revision: *revision,
            }),
            WatchFrame::Started { .. } | WatchFrame::Cancelled(_) => None,
        }
    }
}

/// One change of a revision.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Changed {
    /// The key.
    pub key: Key,
    /// Its number of writes since its creation; 0 if it was deleted.
    pub version: u64,
    /// The lease it goes with from here on, or 0.
    pub lease: LeaseId,
}

/// One event as a watch was sent it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Delivery {
    /// The revision of the change.
    pub revision: u64,
    /// The key.
    pub key: Key,
    /// The key's number of writes since its creation; 0 if it was deleted.
    pub version: u64,
    /// The revision of the key's previous state, if one was sent; 0 if none.
    pub previous: u64,
}

impl Delivery {
    fn of<V>(event: &Event<V>) -> Self {
        let (version, previous) = match event {
            Event::Put { now, previous } => (now.version, previous),
            Event::Deleted { previous, .. } => (0, previous),
        };
        Delivery {
            revision: event.revision(),
            key: event.key().clone(),
            version,
            previous: previous
                .as_ref()
                .map_or(0, |previous| previous.mod_revision),
        }
    }
}
