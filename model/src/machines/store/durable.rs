//! What is on disk: a base as of the last compaction, and every revision after it.
//!
//! A revision is one record, so that a commit appends and touches few pages whatever it changes. Compaction
//! folds the oldest revisions into the base. Values that were overwritten inside the history are never
//! written twice.

use std::collections::BTreeMap;

use bincode::{Decode, Encode};

use crate::messages::store::{Key, LeaseId};

/// One state of a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Version<V> {
    /// The revision that wrote it.
    pub mod_revision: u64,
    /// The revision that created the key; 0 for a deletion.
    pub create_revision: u64,
    /// Writes since then; 0 for a deletion.
    pub version: u64,
    /// The lease it goes with, or 0.
    pub lease: LeaseId,
    /// The value; `None` for a deletion.
    pub value: Option<V>,
}

/// One change inside a revision.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Change<V> {
    /// The key.
    pub key: Key,
    /// What it became.
    pub now: Version<V>,
}

/// One record of a commit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Record<V> {
    /// A revision.
    Revision {
        /// Its number, one more than the last.
        revision: u64,
        /// What it changed, in order.
        changes: Vec<Change<V>>,
    },
    /// A lease was granted.
    LeaseGranted {
        /// Its name.
        lease: LeaseId,
        /// Its time to live, in seconds.
        ttl_seconds: u32,
    },
    /// A lease ended. The deletions that come with it are revisions of the same commit.
    LeaseEnded {
        /// Its name.
        lease: LeaseId,
    },
    /// Revisions up to `through` are folded into the base.
    Compacted {
        /// The new base's revision.
        through: u64,
        /// The keys that changed since the last base, as they are in the new one; `None` if deleted.
        base: Vec<(Key, Option<Version<V>>)>,
    },
}

/// What survives a crash.
///
/// The shell's disk holds the same in tables; a simulation applies the records of each completed commit to
/// one of these.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Durable<V> {
    /// The revision of the base. Ranges below it and watches from before it are refused.
    pub compacted: u64,
    /// The keys that existed at that revision.
    pub base: BTreeMap<Key, Version<V>>,
    /// What each revision after it changed.
    pub log: BTreeMap<u64, Vec<Change<V>>>,
    /// Leases and their times to live in seconds.
    pub leases: BTreeMap<LeaseId, u32>,
}

impl<V> Default for Durable<V> {
    /// A store that was never written to.
    fn default() -> Self {
        Durable {
            compacted: 0,
            base: BTreeMap::new(),
            log: BTreeMap::new(),
            leases: BTreeMap::new(),
        }
    }
}

/// What was found is not what a store leaves behind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Incoherent {
    /// A revision is missing in the middle.
    #[error("revision {missing} is missing between the base at {compacted} and revision {newest}")]
    Gap {
        /// The first that is missing.
        missing: u64,
        /// Revision of the base.
        compacted: u64,
        /// The newest revision there is.
        newest: u64,
    },
    /// A version bears a revision that is not that of its place.
    #[error("key {key} bears revision {found} where {place} was expected")]
    Misplaced {
        /// The key.
        key: Key,
        /// The revision it bears.
        found: u64,
        /// The revision of its record, or the newest that the base can hold.
        place: u64,
    },
}

impl<V> Durable<V> {
    /// Carries out one record of a commit.
    pub fn apply(&mut self, record: Record<V>) {
        match record {
            Record::Revision { revision, changes } => {
                self.log.insert(revision, changes);
            }
            Record::LeaseGranted { lease, ttl_seconds } => {
                self.leases.insert(lease, ttl_seconds);
            }
            Record::LeaseEnded { lease } => {
                self.leases.remove(&lease);
            }
            Record::Compacted { through, base } => {
                self.log = self.log.split_off(&(through + 1));
                self.compacted = through;
                for (key, version) in base {
                    match version {
                        Some(version) => self.base.insert(key, version),
                        None => self.base.remove(&key),
                    };
                }
            }
        }
    }

    /// The newest revision; 1 for a store that was never written to.
    pub fn revision(&self) -> u64 {
        self.log
            .last_key_value()
            .map_or(self.compacted, |(revision, _)| *revision)
            .max(1)
    }

    /// Checks what a start relies on.
    ///
    /// # Errors
    /// [`Incoherent`], if something is missing or does not belong here.
    pub fn check(&self) -> Result<(), Incoherent> {
        let (compacted, newest) = (self.compacted, self.revision());
        // Revision 1 is the empty store and has no record.
        for (expected, (revision, changes)) in (compacted.max(1) + 1..).zip(&self.log) {
            if *revision != expected {
                return Err(Incoherent::Gap {
                    missing: expected,
                    compacted,
                    newest,
                });
            }
            if let Some(change) = changes
                .iter()
                .find(|change| change.now.mod_revision != *revision)
            {
                return Err(Incoherent::Misplaced {
                    key: change.key.clone(),
                    found: change.now.mod_revision,
                    place: *revision,
                });
            }
        }
        match self
            .base
            .iter()
            .find(|(_, version)| version.mod_revision > compacted)
        {
            None => Ok(()),
            Some((key, version)) => Err(Incoherent::Misplaced {
                key: key.clone(),
                found: version.mod_revision,
                place: compacted,
            }),
        }
    }
}
