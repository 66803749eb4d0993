//! What can happen around a store's lease.

use std::fmt;

/// What a holder asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// That there be a lease.
    Grant,
    /// That its time begin anew.
    KeepAlive,
    /// That it end.
    Revoke,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The holder asks for something.
    Hold(Verb),
    /// The holder is answered.
    Held,
    /// The writer puts a key, with the lease or without.
    Put {
        /// Which key.
        key: usize,
        /// Whether it goes with the lease.
        leased: bool,
    },
    /// The writer is answered.
    Written,
    /// The disk finishes the commit under way.
    Persist,
    /// The store crashes and starts again.
    Crash {
        /// Whether the commit under way is on disk afterwards.
        written: bool,
    },
    /// The time of the lease is over.
    RunOut,
    /// A timer of an earlier life of the lease fires after all.
    Late,
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Choice::Hold(Verb::Grant) => write!(f, "the holder asks for a lease"),
            Choice::Hold(Verb::KeepAlive) => write!(f, "the holder keeps its lease alive"),
            Choice::Hold(Verb::Revoke) => write!(f, "the holder gives its lease up"),
            Choice::Held => write!(f, "the holder hears the answer"),
            Choice::Put { key, leased } => {
                let with = if *leased {
                    "with the lease"
                } else {
                    "for good"
                };
                write!(f, "the writer puts {} {with}", super::KEYS[*key])
            }
            Choice::Written => write!(f, "the writer hears the answer"),
            Choice::Persist => write!(f, "the disk has the commit"),
            Choice::Crash { written: true } => {
                write!(f, "the store crashes, its commit on disk")
            }
            Choice::Crash { written: false } => write!(f, "the store crashes"),
            Choice::RunOut => write!(f, "the time of the lease is over"),
            Choice::Late => write!(f, "a timer of an earlier life fires late"),
        }
    }
}
