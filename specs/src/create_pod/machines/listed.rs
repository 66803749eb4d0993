//! The machines' rows in the catalog.

use crate::catalog::{Listed, Size};
use crate::checked::Checked;
use crate::create_pod::machines::{MachinesWorld, Suite, Shipped};
use crate::create_pod::world::{Faults, Planned};

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

/// The machines as the catalog lists them.
pub fn listed() -> Listed {
    Listed {
        name: "create-pod-machines",
        about: "the shipped write path, scheduler, kubelets and pod GC, refining create-pod",
        readme: include_str!("../README.md"),
        sizes: SIZES,
        world: |size| Box::new(Checked::new(world(Shipped, size.name))),
    }
}

/// The world of a size.
pub fn world<M: Suite>(machines: M, size: &str) -> MachinesWorld<M> {
    let pod = Planned {
        name: "a",
        restarts: true,
    };
    let tiny = MachinesWorld {
        machines,
        plan: vec![pod],
        nodes: 1,
        room: 1,
        schedulers: 1,
        deletable: 1,
        removable_nodes: false,
        cache_lags: false,
        faults: Faults {
            kubelet_crashes: 1,
            ..Faults::default()
        },
    };
    match size {
        "tiny" => tiny,
        _ => tiny,
    }
}
