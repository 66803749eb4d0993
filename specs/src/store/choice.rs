//! What can happen around the store.

use std::fmt;

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// A client asks for a swap.
    Ask(usize),
    /// An answer arrives at a client.
    Answer(usize),
    /// The disk finishes the commit under way.
    Persist,
    /// The store crashes and starts again.
    Crash {
        /// Whether the commit under way is on disk afterwards.
        written: bool,
    },
    /// The watcher opens its watch, after the last revision that it received.
    Watch,
    /// The watcher takes a frame.
    Take,
    /// History up to the newest durable revision is compacted.
    Compact,
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Choice::Ask(client) => write!(f, "client {client} asks for a write"),
            Choice::Answer(client) => write!(f, "client {client} hears the answer"),
            Choice::Persist => write!(f, "the disk has the commit"),
            Choice::Crash { written: true } => {
                write!(f, "the store crashes, its commit on disk")
            }
            Choice::Crash { written: false } => write!(f, "the store crashes"),
            Choice::Watch => write!(f, "the watcher opens its watch"),
            Choice::Take => write!(f, "the watcher takes a frame"),
            Choice::Compact => write!(f, "history is compacted"),
        }
    }
}
