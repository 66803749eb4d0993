//! What must hold of leases; the table is in the README beside this file.

use super::{LEASE, LeaseWorld, State, Stores, leased};
use crate::checked::Checked;
use crate::world::Property;

type World<M> = Checked<LeaseWorld<M>>;

/// Every property, in the order of the table.
pub fn properties<M: Stores>() -> Vec<Property<LeaseWorld<M>>> {
    vec![
        Property::always("a lease that was told of is durable", told_is_durable),
        Property::always(
            "a lease that was told to have ended stays so",
            ended_is_over,
        ),
        Property::always("no key outlives its lease", no_key_outlives_its_lease),
        Property::always(
            "a lease that is kept alive does not end before its time",
            never_early,
        ),
        Property::always("refines the store's specification", refines),
        Property::sometimes("the end of a lease takes two keys along", takes_two_along),
        Property::sometimes("a lease survives a crash", survives_a_crash),
        Property::sometimes("a put is refused because its lease is gone", put_is_refused),
        Property::sometimes("a late timer is ignored", late_is_ignored),
        Property::sometimes("the holder is told of an end", end_is_told),
    ]
}

fn told_is_durable<M: Stores>(_: &World<M>, state: &State) -> bool {
    !state.ghosts.told_alive || state.disk.leases.contains_key(&LEASE)
}

fn ended_is_over<M: Stores>(_: &World<M>, state: &State) -> bool {
    !state.ghosts.told_ended || !state.disk.leases.contains_key(&LEASE)
}

fn no_key_outlives_its_lease<M: Stores>(_: &World<M>, state: &State) -> bool {
    let mut keys = leased(&state.disk).into_values();
    keys.all(|lease| lease == 0 || state.disk.leases.contains_key(&lease))
}

fn never_early<M: Stores>(_: &World<M>, state: &State) -> bool {
    !state.ghosts.early
}

fn refines<M: Stores>(_: &World<M>, state: &State) -> bool {
    state.ghosts.refinement.refused.is_none()
}

fn takes_two_along<M: Stores>(_: &World<M>, state: &State) -> bool {
    state.ghosts.along >= 2
}

fn survives_a_crash<M: Stores>(_: &World<M>, state: &State) -> bool {
    state.ghosts.survived
}

fn put_is_refused<M: Stores>(_: &World<M>, state: &State) -> bool {
    state.ghosts.refused
}

fn late_is_ignored<M: Stores>(_: &World<M>, state: &State) -> bool {
    state.ghosts.ignored
}

fn end_is_told<M: Stores>(_: &World<M>, state: &State) -> bool {
    state.ghosts.told_ended
}
