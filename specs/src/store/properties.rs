//! What must hold of the store; the table is in the README beside this file.

use super::{State, StoreWorld, Stores};
use crate::checked::Checked;
use crate::world::Property;

type World<M> = Checked<StoreWorld<M>>;

/// Every property, in the order of the table.
pub fn properties<M: Stores>() -> Vec<Property<StoreWorld<M>>> {
    vec![
        Property::always("acknowledged writes are durable", acknowledged_is_durable),
        Property::always("revisions are made once, without gaps", history_is_whole),
        Property::always(
            "a compare-and-swap saw the value that it replaced",
            swaps_are_linearizable,
        ),
        Property::always(
            "events arrive ordered, once, without gaps",
            watch_is_faithful,
        ),
        Property::always("nothing is shown that is not durable", shown_is_durable),
        Property::always("refines the store's specification", refines),
        Property::sometimes("every client has a write acknowledged", all_write),
        Property::sometimes("a swap is refused", a_swap_fails),
        Property::sometimes("one commit carries two revisions", writes_share_a_commit),
        Property::sometimes(
            "the watcher resumes after a crash and goes on",
            watcher_resumes,
        ),
        Property::sometimes(
            "the watcher is told that its revision is compacted",
            watcher_is_told_compacted,
        ),
    ]
}

fn acknowledged_is_durable<M: Stores>(_: &World<M>, state: &State) -> bool {
    state
        .clients
        .iter()
        .flat_map(|client| &client.acknowledged)
        .all(|(revision, value, _)| {
            state
                .history
                .get(revision)
                .is_some_and(|(written, _)| written == value)
        })
}

fn history_is_whole<M: Stores>(_: &World<M>, state: &State) -> bool {
    let numbered = state
        .history
        .keys()
        .zip(2..)
        .all(|(revision, expected)| *revision == expected);
    numbered && state.disk.check().is_ok()
}

fn swaps_are_linearizable<M: Stores>(_: &World<M>, state: &State) -> bool {
    state
        .clients
        .iter()
        .flat_map(|client| &client.acknowledged)
        .all(|(revision, _, swapped)| {
            state
                .history
                .get(revision)
                .is_some_and(|(_, replaced)| swapped.is_none_or(|swapped| swapped == *replaced))
        })
}

fn watch_is_faithful<M: Stores>(_: &World<M>, state: &State) -> bool {
    let watcher = &state.watcher;
    let passed = state.history.range(..=watcher.position);
    passed
        .map(|(revision, (value, _))| (*revision, *value))
        .eq(watcher.received.iter().copied())
}

fn shown_is_durable<M: Stores>(_: &World<M>, state: &State) -> bool {
    let shown = state
        .clients
        .iter()
        .map(|client| client.seen)
        .chain([state.watcher.position]);
    let newest = state.disk.revision();
    shown.max().unwrap_or(0) <= newest
}

fn refines<M: Stores>(_: &World<M>, state: &State) -> bool {
    state.refinement.refused.is_none()
}

fn all_write<M: Stores>(_: &World<M>, state: &State) -> bool {
    state
        .clients
        .iter()
        .all(|client| !client.acknowledged.is_empty())
}

fn a_swap_fails<M: Stores>(_: &World<M>, state: &State) -> bool {
    state.clients.iter().any(|client| client.refused)
}

fn writes_share_a_commit<M: Stores>(_: &World<M>, state: &State) -> bool {
    state.largest_commit >= 2
}

fn watcher_resumes<M: Stores>(_: &World<M>, state: &State) -> bool {
    state
        .watcher
        .resumed_at
        .is_some_and(|resumed| 1 < resumed && resumed < state.watcher.position)
}

fn watcher_is_told_compacted<M: Stores>(_: &World<M>, state: &State) -> bool {
    state.watcher.told_compacted
}
