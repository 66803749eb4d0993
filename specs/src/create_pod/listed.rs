//! The specification's rows in the catalog.

use crate::catalog::{Listed, Size};
use crate::checked::Checked;
use crate::create_pod::world::{CreatePodWorld, Faults, Planned};

const SIZES: &[Size] = &[
    Size {
        name: "tiny",
        holds: "a pod, a node, a crash of its kubelet",
        states: 0,
    },
    Size {
        name: "ci",
        holds: "",
        states: 0,
    },
];

const RESTARTED: Planned = Planned {
    name: "a",
    restarts: true,
};

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

/// The world of a size.
pub fn world(size: &str) -> CreatePodWorld {
    let tiny = CreatePodWorld {
        plan: vec![RESTARTED],
        nodes: 1,
        room: 1,
        schedulers: 1,
        deletable: 1,
        removable_nodes: false,
        faults: Faults {
            kubelet_crashes: 1,
            ..Faults::default()
        },
    };
    match size {
        "tiny" => tiny,
        _ => CreatePodWorld {
            plan: vec![RESTARTED, RESTARTED],
            nodes: 2,
            schedulers: 1,
            removable_nodes: true,
            faults: Faults {
                kubelet_crashes: 1,
                losses: 1,
                ..Faults::default()
            },
            ..tiny
        },
    }
}
