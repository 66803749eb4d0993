//! What can happen to a supervisor.

use bincode::{Decode, Encode};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Input {
    /// A component says that it serves.
    Ready {
        /// The component.
        part: String,
        /// Which start of it speaks.
        incarnation: u64,
    },
    /// A component's process is gone.
    Exited {
        /// The component.
        part: String,
        /// Which start of it.
        incarnation: u64,
        /// How it ended.
        ending: Ending,
    },
    /// Someone wants the cluster to stop; the second time, to stop soon.
    Stop,
    /// A timer fired.
    Fired(Timer),
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Ending {
    /// It said why it could not go on.
    Failed(String),
    /// It was killed or crashed, and said nothing; what the operating system knows of it.
    Died(String),
    /// It ended by itself and without an error.
    Left,
}

impl Ending {
    /// The ending in words.
    pub fn reason(&self) -> &str {
        match self {
            Ending::Failed(reason) | Ending::Died(reason) => reason,
            Ending::Left => "it ended without an error",
        }
    }
}

/// What a supervisor waits for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Timer {
    /// The back-off of a component is over.
    Restart(String),
    /// A component has served for long enough to count as healthy.
    Healthy(String),
    /// A component has had its time to stop.
    Kill(String),
}
