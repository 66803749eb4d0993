//! What a supervisor knows.

use std::collections::BTreeMap;

/// The components and what the run as a whole is doing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// What the run is doing.
    pub phase: Phase,
    /// Every component of the plan, by name.
    pub parts: BTreeMap<String, PartState>,
    /// The component that ends this run and its reason, if one does.
    pub failure: Option<(String, String)>,
}

/// What the run is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Some component has not served yet.
    Starting,
    /// Every component has served at least once.
    Running,
    /// Components up to this rank are to be down.
    Stopping {
        /// The rank that is stopping.
        rank: u8,
        /// Whether a stop was asked for twice.
        hurried: bool,
    },
    /// Nothing runs any more.
    Ended,
}

/// One component.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PartState {
    /// What it is doing.
    pub condition: Condition,
    /// Its latest start.
    pub incarnation: u64,
    /// How often it died since it last was healthy.
    pub deaths: u32,
    /// Whether it has served in this run.
    pub served: bool,
}

/// What a component is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// Its process runs and does not serve yet.
    Starting,
    /// It serves.
    Ready,
    /// It died and waits to be started again.
    Waiting,
    /// It was asked to stop.
    Stopping,
    /// It does not run and will not be started.
    Down,
}
