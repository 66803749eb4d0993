#![doc = include_str!("README.md")]

mod choice;
mod properties;
mod reality;
mod world;

use model::machines::replicaset::ReplicaSets;

use crate::catalog::{Listed, Size};
use crate::checked::Checked;

pub use choice::Choice;
pub use properties::{Promise, properties};
pub use reality::Reality;
pub use world::{ReplicaSetWorld, State};

/// What a controller reads: how far what it sees may be from what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Every change is seen before anything else happens.
    Synchronous,
    /// Changes are seen late, in order; a restart lists what there is now.
    Session,
    /// As before, but a restart may list what there was at any time: a stale API server (kubernetes 59848).
    Resettable,
}

/// The specification as the catalog lists it.
pub fn listed() -> Listed {
    const SIZES: &[Size] = &[
        Size {
            name: "tiny",
            holds: "session: 0, then 1 replica asked for, a restart",
            states: 247,
            unseen: &["a pod is deleted because it is too many", "die", "lose"],
        },
        Size {
            name: "ci",
            holds: "session: 0, then 1 replica asked for, a pod dies, a restart, an answer is lost",
            states: 135_198,
            unseen: &[],
        },
    ];
    Listed {
        name: "replicaset",
        about: "the shipped ReplicaSet controller over views as stale as its consistency level allows",
        readme: include_str!("README.md"),
        sizes: SIZES,
        world: |size| {
            let world = ReplicaSetWorld::new(Level::Session, &[1]).restarts(1);
            let world = match size.name {
                "tiny" => world,
                _ => world.deaths(1).losses(1),
            };
            Box::new(Checked::new(world))
        },
    }
}

impl ReplicaSetWorld {
    /// The shipped controller at a level, with the numbers of replicas that are asked for one after another.
    pub fn new(level: Level, wishes: &'static [i64]) -> Self {
        ReplicaSetWorld {
            machine: model::machines::controller::Controller::new(ReplicaSets),
            level,
            wishes,
            restarts: 0,
            deaths: 0,
            losses: 0,
        }
    }

    /// How often the controller may crash and start again.
    pub fn restarts(self, restarts: u8) -> Self {
        ReplicaSetWorld { restarts, ..self }
    }

    /// How many pods may go without the controller's doing.
    pub fn deaths(self, deaths: u8) -> Self {
        ReplicaSetWorld { deaths, ..self }
    }

    /// How often a connection may break under a request.
    pub fn losses(self, losses: u8) -> Self {
        ReplicaSetWorld { losses, ..self }
    }
}
