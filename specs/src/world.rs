//! The pure world: machines, the network between them, their disks and their clock, with nothing left outside.
//!
//! A world is closed: what can happen next is listed by [`World::choices`], and taking a choice is
//! deterministic. The same world is explored exhaustively ([`crate::checked`], [`crate::graph`]) and walked at
//! random ([`crate::histories`]), so a bug found by either replays as a list of choices.

use std::fmt::{Debug, Display};
use std::hash::{Hash, Hasher};

use crate::checked::Checked;
use crate::pool::Pool;

/// A closed system of machines, or a specification closed by what may happen around it.
pub trait World {
    /// Everything that distinguishes one moment of the world from another.
    type State: Clone + Debug + Eq + Hash;
    /// One thing that may happen next. Its `Display` is a line of a counterexample and of a scenario file; two
    /// choices of one moment never read the same.
    type Choice: Clone + Debug + Display + Eq;

    /// How the world begins.
    fn begin(&self) -> Self::State;

    /// What may happen next, in an order that depends on the state alone. Only what truly can happen is listed.
    fn choices(&self, state: &Self::State) -> Vec<Self::Choice>;

    /// Lets it happen. Answers whether anything changed.
    fn take(&self, state: &mut Self::State, choice: &Self::Choice) -> bool;

    /// What must hold, and what must be seen so that holding means something.
    fn properties() -> Vec<Property<Self>>
    where
        Self: Sized;

    /// Every word that [`World::word`] may answer: each must be taken somewhere, and switching any of them off
    /// must lower the number of states.
    fn words() -> &'static [Word];

    /// Which word a choice is an instance of.
    fn word(choice: &Self::Choice) -> &'static str;

    /// Whose choice it is: fairness is per word and process, so that one client that goes on cannot excuse
    /// another that never gets its turn.
    fn process(_choice: &Self::Choice) -> u8 {
        0
    }

    /// From whom to whom it goes, as the lifelines of a sequence diagram; the same twice for a step of one.
    fn parties(choice: &Self::Choice) -> (String, String);

    /// Feeds the state without its ghosts to a hasher; states are counted so.
    fn project(state: &Self::State, mut hasher: &mut dyn Hasher) {
        state.hash(&mut hasher);
    }

    /// Has a state share what it has in common with others: a whole exploration holds many at once.
    fn share(_state: &mut Self::State, _pool: &mut Pool) {}

    /// Whether everything that was asked for has come about: what liveness leads to. A world that says nothing of
    /// liveness is always converged.
    fn converged(&self, _state: &Self::State) -> bool {
        true
    }
}

/// One kind of choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// Its name.
    pub name: &'static str,
    /// Whether it may happen, or is bound to.
    pub kind: Happens,
}

/// Whether liveness may count on a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happens {
    /// If it stays possible it happens at last (weak fairness).
    Surely,
    /// It may happen and need not: what a user asks for, an optional step.
    Perhaps,
    /// It goes wrong, and at last stops going wrong.
    Fault,
}

/// A named property of a world's states.
pub struct Property<W: World> {
    /// Its name, as the specification's table lists it.
    pub name: &'static str,
    /// Whether it must hold always or be seen sometimes.
    pub kind: Kind,
    /// Whether a state satisfies it. A plain function of the checked world, which is what stateright takes.
    pub holds: fn(&Checked<W>, &W::State) -> bool,
}

impl<W: World> Property<W> {
    /// Must hold in every state that can be reached.
    pub fn always(name: &'static str, holds: fn(&Checked<W>, &W::State) -> bool) -> Self {
        Property {
            name,
            kind: Kind::Always,
            holds,
        }
    }

    /// Must hold in at least one.
    pub fn sometimes(name: &'static str, holds: fn(&Checked<W>, &W::State) -> bool) -> Self {
        Property {
            name,
            kind: Kind::Sometimes,
            holds,
        }
    }
}

/// How a property is quantified over the states that can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// In each of them.
    Always,
    /// In at least one: a guard against a world in which nothing happens.
    Sometimes,
}

/// A way through a world that ended in a state where something was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation<C> {
    /// The property that does not hold.
    pub property: &'static str,
    /// What was chosen, from the beginning.
    pub choices: Vec<C>,
}
