//! What a supervisor does.

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// Start a component's process as this incarnation, and remember the number across runs.
    Start {
        /// The component.
        part: String,
        /// Counts its starts from 1.
        incarnation: u64,
    },
    /// Ask a component to stop (SIGTERM). Asked a second time, it hurries.
    Stop {
        /// The component.
        part: String,
    },
    /// End a component at once (SIGKILL).
    Kill {
        /// The component.
        part: String,
    },
    /// Tell the user that every component serves.
    Announce,
    /// Tell the user that a component died and what follows.
    Report {
        /// The component.
        part: String,
        /// Why, in words.
        reason: String,
        /// It will be started again after so many milliseconds.
        restart_in_ms: u64,
    },
    /// Nothing runs any more: end the run.
    End {
        /// The component that made the run end and its reason; none after an ordinary stop.
        failure: Option<(String, String)>,
    },
}
