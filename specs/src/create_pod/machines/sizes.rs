//! Worlds of machines, ready made, and their rows in the catalog.

use crate::catalog::{Listed, Size};
use crate::checked::Checked;
use crate::create_pod::listed::{PLAN, faults};
use crate::create_pod::machines::{MachinesWorld, Shipped, Suite};
use crate::create_pod::world::{Faults, Planned};

const SIZES: &[Size] = &[
    Size {
        name: "tiny",
        holds: "a pod that may be deleted, a node; a binding's answer is lost, or the container ends",
        states: 8_137,
        unseen: &[
            "a name is used again and runs",
            "a pod is removed because its node is gone",
            "a stale view makes a pod too many",
            "cache catches up",
            "cache stands",
            "fail to start",
            "gc asks",
            "gc sees",
            "gc's wait ends",
            "kubelet crash",
            "kubelet's wait ends",
            "power off",
            "power on",
            "remove node",
            "scheduler crash",
            "set asks",
            "set crash",
            "set lists",
            "set sees",
            "set's wait ends",
        ],
    },
    Size {
        name: "ci",
        holds: "a pod that may be deleted, a node that may be lost, a fault of any kind",
        states: 20_983,
        unseen: &[
            "a name is used again and runs",
            "a pod is removed because its node is gone",
            "a stale view makes a pod too many",
            "cache catches up",
            "cache stands",
            "gc asks",
            "gc sees",
            "gc's wait ends",
            "kubelet's wait ends",
            "remove node",
            "set asks",
            "set crash",
            "set lists",
            "set sees",
            "set's wait ends",
        ],
    },
    Size {
        name: "composed",
        holds: "a ReplicaSet of two pods over two nodes, a crash, a stale view",
        states: 2_720_756,
        unseen: &[
            "a binding is refused",
            "a name is used again and runs",
            "a pod ends well",
            "a pod is removed because its node is gone",
            "cache catches up",
            "create",
            "delete",
            "end",
            "fail to start",
            "gc asks",
            "gc sees",
            "gc's wait ends",
            "kubelet's wait ends",
            "lose a binding's answer",
            "power off",
            "power on",
            "remove node",
        ],
    },
];

/// The machines as the catalog lists them.
pub fn listed() -> Listed {
    Listed {
        name: "create-pod-machines",
        about: "the shipped write path, scheduler, kubelet, pod GC and ReplicaSet controller, held against create-pod",
        readme: include_str!("README.md"),
        sizes: SIZES,
        world: |size| Box::new(Checked::new(world(size.name))),
    }
}

/// The world of a size, of shipped machines.
pub fn world(size: &str) -> MachinesWorld<Shipped> {
    let quiet = quiet(Shipped);
    match size {
        "tiny" => MachinesWorld {
            faults: Faults {
                lost_answers: 1,
                ends: 1,
                any: 1,
                ..Faults::default()
            },
            ..quiet
        },
        "composed" => composed(Shipped),
        _ => MachinesWorld {
            faults: faults(1),
            ..quiet
        },
    }
}

/// A pod on a node, which may be deleted, and nothing that goes wrong.
pub fn quiet<M: Suite>(machines: M) -> MachinesWorld<M> {
    MachinesWorld {
        machines,
        plan: PLAN[..1].to_vec(),
        replicas: 0,
        settled: false,
        prompt: false,
        revisions: true,
        nodes: 1,
        room: 1,
        schedulers: 1,
        deletable: 1,
        removable_nodes: false,
        cache_lags: false,
        faults: Faults::default(),
    }
}

/// Two pods of one name, one after the other, two nodes that may be lost, a cache that lags, three faults: for walks.
pub fn stormy<M: Suite>(machines: M) -> MachinesWorld<M> {
    MachinesWorld {
        plan: PLAN.to_vec(),
        nodes: 2,
        removable_nodes: true,
        cache_lags: true,
        faults: faults(3),
        ..quiet(machines)
    }
}

/// A ReplicaSet of two pods over two nodes, once everything has started; one process crashes, the API server's cache
/// stands still once. There are names for three pods: one more than is asked for.
pub fn composed<M: Suite>(machines: M) -> MachinesWorld<M> {
    let pod = |name| Planned {
        name,
        restarts: true,
    };
    MachinesWorld {
        plan: ["web-a", "web-b", "web-c"].map(pod).to_vec(),
        replicas: 2,
        settled: true,
        prompt: true,
        revisions: false,
        nodes: 2,
        deletable: 0,
        faults: Faults {
            scheduler_crashes: 1,
            kubelet_crashes: 1,
            set_crashes: 1,
            stale_views: 1,
            any: 1,
            ..Faults::default()
        },
        ..quiet(machines)
    }
}
