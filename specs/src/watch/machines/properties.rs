//! What must hold of the machines besides the guarantees; the table is in the README beside this file.

use super::super::history::Filter;
use super::super::properties::has_left;
use super::{Caches, MachinesWorld, Reflectors, State, Stores};
use crate::checked::Checked;

pub(super) fn refines<S: Stores, C: Caches, R: Reflectors>(
    _: &Checked<MachinesWorld<S, C, R>>,
    state: &State<S, C, R>,
) -> bool {
    state.accepted.refused.is_none()
}

pub(super) fn copies_are_true<S: Stores, C: Caches, R: Reflectors>(
    world: &Checked<MachinesWorld<S, C, R>>,
    state: &State<S, C, R>,
) -> bool {
    let mut copies = state.copies.iter().zip(&state.ledger.clients);
    world.world.streams
        || copies.all(|(copy, witness)| {
            let told = witness.told();
            let there = state.history.at(told.revision, witness.filter);
            let there = there
                .iter()
                .map(|(key, (_, object))| (key.to_string(), *object));
            !copy.synced()
                || witness.told.refused.is_some()
                || there.eq(copy.iter().map(|(key, object)| (key.path(), *object)))
        })
}

pub(super) fn servers_differ<S: Stores, C: Caches, R: Reflectors>(
    world: &Checked<MachinesWorld<S, C, R>>,
    state: &State<S, C, R>,
) -> bool {
    let servers = &state.accepted.state.servers;
    let revisions = || servers.iter().map(|server| server.cache.revision);
    world.world.watch.servers < 2 || revisions().min() != revisions().max()
}

pub(super) fn told_gone<S: Stores, C: Caches, R: Reflectors>(
    _: &Checked<MachinesWorld<S, C, R>>,
    state: &State<S, C, R>,
) -> bool {
    state.ledger.clients.iter().any(|client| client.told().gone)
}

pub(super) fn object_left<S: Stores, C: Caches, R: Reflectors>(
    world: &Checked<MachinesWorld<S, C, R>>,
    state: &State<S, C, R>,
) -> bool {
    !world.world.watch.filters.contains(&Filter::Marked) || has_left(&state.ledger, &state.history)
}
