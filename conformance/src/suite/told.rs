//! How a list reads in a breach.

use std::collections::{BTreeMap, BTreeSet};

use super::observed::{Content, Event, List};

/// An event, in short.
pub(super) fn told(event: &Event) -> String {
    format!("{:?} of {} as {:?}", event.kind, event.name, event.content)
}

/// Whose list it is.
pub(super) fn who(list: &List) -> String {
    format!("a list of client {} ({:?})", list.client, list.read)
}

/// The first object in which two states differ.
pub(super) fn difference(
    due: &BTreeMap<String, (u64, Content)>,
    told: &BTreeMap<String, (u64, Content)>,
) -> String {
    let names: BTreeSet<&String> = due.keys().chain(told.keys()).collect();
    names
        .into_iter()
        .find(|name| due.get(*name) != told.get(*name))
        .map(|name| format!("{name} was {:?}, told {:?}", due.get(name), told.get(name)))
        .unwrap_or_default()
}
