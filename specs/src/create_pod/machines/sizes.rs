//! Worlds of machines, ready made.

use crate::create_pod::listed::{PLAN, faults};
use crate::create_pod::machines::{MachinesWorld, Suite};
use crate::create_pod::world::Faults;

/// A pod on a node, which may be deleted, and nothing that goes wrong.
pub fn quiet<M: Suite>(machines: M) -> MachinesWorld<M> {
    MachinesWorld {
        machines,
        plan: PLAN[..1].to_vec(),
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
