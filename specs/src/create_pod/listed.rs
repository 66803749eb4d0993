//! The specification's rows in the catalog.

use crate::catalog::{Listed, Size};
use crate::checked::Checked;
use crate::create_pod::world::{CreatePodWorld, Faults, Planned};

const SIZES: &[Size] = &[
    Size {
        name: "tiny",
        holds: "two pods of one name, one after the other, a node that may be lost, one fault of any kind",
        states: 8_292,
        unseen: &["a pod is refused for want of room"],
    },
    Size {
        name: "ci",
        holds: "the same with two nodes and two faults, and either pod may be deleted",
        states: 1_806_658,
        unseen: &["a pod is refused for want of room"],
    },
];

/// The specification as the catalog lists it.
pub fn listed() -> Listed {
    Listed {
        name: "create-pod",
        about: "the eleven steps of a pod, with deletion, crashes, stale views, races and lost nodes",
        readme: include_str!("README.md"),
        sizes: SIZES,
        world: |size| Box::new(Checked::new(world(size.name))),
    }
}

/// A pod whose container is started again, and one of the same name whose container is not.
pub(super) const PLAN: [Planned; 2] = [
    Planned {
        name: "a",
        restarts: true,
    },
    Planned {
        name: "a",
        restarts: false,
    },
];

/// One of everything that may go wrong, `any` of them in all.
pub(super) fn faults(any: u8) -> Faults {
    Faults {
        scheduler_crashes: 1,
        kubelet_crashes: 1,
        lost_answers: 1,
        failed_starts: 1,
        ends: 1,
        losses: 1,
        any,
        ..Faults::default()
    }
}

/// The world of a size.
pub fn world(size: &str) -> CreatePodWorld {
    let tiny = CreatePodWorld {
        plan: PLAN.to_vec(),
        nodes: 1,
        room: 1,
        schedulers: 1,
        deletable: 1,
        removable_nodes: true,
        faults: faults(1),
    };
    match size {
        "tiny" => tiny,
        // Too many to visit them all: for walks.
        "stormy" => {
            let mut plan = PLAN.to_vec();
            plan.push(Planned {
                name: "b",
                restarts: true,
            });
            CreatePodWorld {
                plan,
                nodes: 2,
                schedulers: 2,
                faults: faults(3),
                ..tiny
            }
        }
        _ => CreatePodWorld {
            nodes: 2,
            deletable: 2,
            faults: faults(2),
            ..tiny
        },
    }
}
