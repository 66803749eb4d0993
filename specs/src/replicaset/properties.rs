//! What must hold of a ReplicaSet, as far as what its controller sees allows it.

use super::{Level, ReplicaSetWorld, State};
use crate::checked::Checked;
use crate::world::Property;

type World = Checked<ReplicaSetWorld>;

/// What depends on the consistency level: see the table in the README.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// No creation leaves more pods than were ever asked for.
    NoSurplus,
    /// No deletion is decided of pods that are not too many.
    NoUndershoot,
}

impl Promise {
    /// Whether it holds in a world. Where it does not, there is a way to break it.
    pub fn holds_in(self, world: &ReplicaSetWorld) -> bool {
        match (self, world.level) {
            (_, Level::Synchronous) => true,
            // A creation whose answer is lost is tried again after a second, and may not have been seen by then.
            (Promise::NoSurplus, Level::Session) => world.losses == 0,
            // A pod that has just gone is still counted.
            (Promise::NoUndershoot, Level::Session) => world.deaths == 0,
            // What was there once is not what is there now, and nothing is left of what the controller knew.
            (_, Level::Resettable) => world.restarts == 0,
        }
    }

    /// Whether a state breaks it.
    pub fn broken_by(self, state: &State) -> bool {
        match self {
            Promise::NoSurplus => state.surplus,
            Promise::NoUndershoot => state.undershot,
        }
    }
}

/// Every property, in the order of the table.
pub fn properties() -> Vec<Property<ReplicaSetWorld>> {
    vec![
        Property::always(
            "never more pods than were asked for, where promised",
            no_surplus,
        ),
        Property::always(
            "deletes only what is too many, where promised",
            no_undershoot,
        ),
        Property::sometimes("the set is at its largest", at_its_largest),
        Property::sometimes("a pod is deleted because it is too many", deletes),
        Property::sometimes(
            "a restarted controller asks for something",
            asks_after_restart,
        ),
    ]
}

fn no_surplus(world: &World, state: &State) -> bool {
    !Promise::NoSurplus.holds_in(&world.world) || !Promise::NoSurplus.broken_by(state)
}

fn no_undershoot(world: &World, state: &State) -> bool {
    !Promise::NoUndershoot.holds_in(&world.world) || !Promise::NoUndershoot.broken_by(state)
}

fn at_its_largest(world: &World, state: &State) -> bool {
    let most = world.world.wishes.iter().copied().max().unwrap_or(0);
    state.reality.now().pods.len() as i64 == most
}

fn deletes(_: &World, state: &State) -> bool {
    state.deleted
}

fn asks_after_restart(_: &World, state: &State) -> bool {
    state.restarted && !state.asked.is_empty()
}
