//! What a specification is: a state, and [`apply`](Specification::apply), which says of an action whether it may
//! happen there and what the state is afterwards.
//!
//! The same `apply` serves three times. A closed world explores it; a world of shipped machines carries one as a
//! ghost and gives it every action that its machines report, which is refinement; a trace is accepted by it, record
//! for record. Which guard refused is data, never only a boolean.

use std::fmt::Debug;
use std::hash::Hash;
use std::panic::Location;

use crate::guards::{Place, asked, asked_for};

/// A specification of one thing: a store, a watcher, a pod, a node, a name.
pub trait Specification {
    /// What the specification knows of that thing.
    type State: Clone + Debug + Eq + Hash;
    /// What can happen to it: the actions of machines, or a part of them.
    type Action: Clone + Debug + Eq + 'static;

    /// The state before anything has happened.
    fn begin(&self) -> Self::State;

    /// Lets an action happen.
    ///
    /// # Errors
    /// The guard that forbids it. The state is then as it was.
    fn apply(&self, state: &mut Self::State, action: &Self::Action) -> Result<(), Refused>;
}

/// An action may not happen in a state.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Refused {
    /// The guard that forbids it, by its name in the specification's table.
    pub guard: &'static str,
    /// What was expected and what came instead.
    pub detail: String,
}

impl Refused {
    /// A machine of a world refused what the world gave it, by its own guard.
    pub fn by_a_machine(guard: &'static str) -> Self {
        Refused {
            guard: "a machine takes what it is given",
            detail: guard.to_owned(),
        }
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.guard, self.detail)
    }
}

/// A guard as it is written in an `apply`: refuses unless the condition holds.
///
/// # Errors
/// If it does not hold. `detail` is made only then.
#[track_caller]
pub fn guard(
    holds: bool,
    guard: &'static str,
    detail: impl FnOnce() -> String,
) -> Result<(), Refused> {
    if asked(Place::new(guard, Location::caller()), holds) {
        return Ok(());
    }
    let detail = detail();
    Err(Refused { guard, detail })
}

/// A guard without which there would be nothing to go on with: refuses if that is not there.
///
/// # Errors
/// If it is not. `detail` is made only then.
#[track_caller]
pub fn present<T>(
    found: Option<T>,
    guard: &'static str,
    detail: impl FnOnce() -> String,
) -> Result<T, Refused> {
    asked_for(Place::new(guard, Location::caller()), found.is_some());
    found.ok_or_else(|| {
        let detail = detail();
        Refused { guard, detail }
    })
}

/// Follows a run: a specification's state, and the first action that it refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Acceptor<S: Specification> {
    /// Where the run is.
    pub state: S::State,
    /// Why it is no run of the specification; nothing is accepted after this.
    pub refused: Option<Refused>,
}

impl<S: Specification> Acceptor<S> {
    /// Before the first action.
    pub fn new(specification: &S) -> Self {
        Acceptor {
            state: specification.begin(),
            refused: None,
        }
    }

    /// Takes the next action. Answers whether the run is still one of the specification's.
    pub fn accept(&mut self, specification: &S, action: &S::Action) -> bool {
        crate::guards::hear(action);
        if self.refused.is_none() {
            self.refused = specification.apply(&mut self.state, action).err();
        }
        self.refused.is_none()
    }
}
