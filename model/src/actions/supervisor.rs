//! What a supervisor did with the components of a cluster.

use bincode::{Decode, Encode};

/// One thing that became true of the components that `plimsoll up` looks after.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum SupervisorAction {
    /// A process was started as this incarnation of a component.
    Started {
        /// The component.
        part: String,
        /// Counts its starts from 1, over every run of the supervisor.
        incarnation: u64,
    },
    /// A component serves.
    BecameReady {
        /// The component.
        part: String,
        /// Which start of it.
        incarnation: u64,
    },
    /// Every component serves, for the first time.
    AllReady,
    /// A component ended without having been asked to.
    Died {
        /// The component.
        part: String,
        /// Which start of it.
        incarnation: u64,
    },
    /// A component ended as it was asked to.
    Stopped {
        /// The component.
        part: String,
    },
    /// A component was too often too short to be tried again, or said that it cannot start.
    GaveUp {
        /// The component.
        part: String,
    },
    /// A component has served for so long that its deaths are forgotten.
    Recovered {
        /// The component.
        part: String,
    },
    /// A component did not stop in its time and was killed.
    Killed {
        /// The component.
        part: String,
    },
    /// The components are being stopped, in order.
    Stopping,
    /// Whoever waits for the stop asked for it a second time.
    Hurried,
    /// Nothing runs any more.
    Ended,
}
