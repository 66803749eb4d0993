//! The machines' rows in the catalog.

use crate::catalog::{Listed, Size};
use crate::checked::Checked;
use crate::create_pod::listed::{PLAN, faults};
use crate::create_pod::machines::{MachinesWorld, Shipped, Suite};

const SIZES: &[Size] = &[
    Size {
        name: "tiny",
        holds: "a pod, a node that may be lost, a cache that lags, one fault of any kind",
        states: 0,
        unseen: &[],
    },
    Size {
        name: "ci",
        holds: "two pods of one name, one after the other, a node that may be lost, one fault of any kind",
        states: 0,
        unseen: &[],
    },
    Size {
        name: "large",
        holds: "the same with two nodes, a cache that lags and two faults",
        states: 0,
        unseen: &[],
    },
];

/// The machines as the catalog lists them.
pub fn listed() -> Listed {
    Listed {
        name: "create-pod-machines",
        about: "the shipped write path, scheduler, kubelets and pod GC, refining create-pod",
        readme: include_str!("README.md"),
        sizes: SIZES,
        world: |size| Box::new(Checked::new(world(Shipped, size.name))),
    }
}

/// The world of a size.
pub fn world<M: Suite>(machines: M, size: &str) -> MachinesWorld<M> {
    let tiny = MachinesWorld {
        machines,
        plan: PLAN[..1].to_vec(),
        nodes: 1,
        room: 1,
        schedulers: 1,
        deletable: 1,
        removable_nodes: true,
        cache_lags: true,
        faults: faults(1),
    };
    match size {
        "tiny" => tiny,
        "large" => MachinesWorld {
            plan: PLAN.to_vec(),
            nodes: 2,
            faults: faults(2),
            ..tiny
        },
        _ => MachinesWorld {
            plan: PLAN.to_vec(),
            cache_lags: false,
            ..tiny
        },
    }
}
