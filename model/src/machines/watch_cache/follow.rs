//! Changes of the store: taken into the objects and the window, and handed to whom they concern.

use std::collections::BTreeMap;

use crate::actions::watch_cache::{AppliedChange, WatchCacheAction as Action};
use crate::messages::api::Change;

use super::input::{Cached, Epoch, Fed, RequestId};
use super::output::Delivery;
use super::state::{After, Feed, Held, Kept};
use super::step::{Handled, Turn};
use super::{read, watch};

/// Takes in what the store fed. Guarantees 1 (order), 2 (no change twice) and 4 (a revision whole): an input
/// carries whole revisions, and what is not after the known revision is dropped.
pub(super) fn fed<V: Cached>(
    turn: &mut Turn<'_, V>,
    epoch: Epoch,
    revision: u64,
    changes: Vec<Fed<V>>,
) -> Handled {
    if epoch != turn.state.epoch {
        return Handled::Nothing;
    }
    if turn.state.feed != Feed::Following {
        return Handled::Refused("changes come only while the store is followed");
    }
    turn.state.attempts = 0;
    if revision <= turn.state.revision {
        return Handled::Nothing;
    }
    let known = turn.state.revision;
    let mut applied = Vec::new();
    let mut deliveries: BTreeMap<RequestId, Vec<Delivery<V>>> = BTreeMap::new();
    for change in changes.into_iter().filter(|change| change.revision > known) {
        let Some((kept, word)) = apply(turn, change) else {
            continue;
        };
        applied.push(AppliedChange {
            key: kept.key.clone(),
            revision: kept.revision,
            change: word,
        });
        hand_out(turn, &kept, &mut deliveries);
        turn.state.window.push(kept);
    }
    turn.state.revision = revision;
    turn.act(Action::Applied {
        revision,
        changes: applied,
    });
    for (watcher, changes) in deliveries {
        watch::deliver(turn, watcher, changes);
    }
    let limits = turn.limits;
    if turn
        .state
        .window
        .trim(limits.window_changes, limits.window_bytes)
    {
        let floor = turn.state.window.floor;
        turn.act(Action::Trimmed { floor });
        watch::close_lost(turn, floor);
    }
    read::advanced(turn);
    Handled::Moved
}

/// Puts one change into the objects. `None` for the deletion of what was not there.
fn apply<V: Cached>(turn: &mut Turn<'_, V>, change: Fed<V>) -> Option<(Kept<V>, Change)> {
    let Fed {
        key,
        revision,
        value,
    } = change;
    let objects = &mut turn.state.objects;
    let (before, after, word) = match value {
        Some(value) => {
            let held = Held {
                revision,
                value: value.clone(),
            };
            let before = objects.insert(key.clone(), held);
            let word = if before.is_some() {
                Change::Modified
            } else {
                Change::Added
            };
            (before, After::Present(value), word)
        }
        None => {
            let before = objects.remove(&key)?;
            let last = before.value.restamped(revision);
            (Some(before), After::Gone(last), Change::Deleted)
        }
    };
    let kept = Kept {
        key,
        revision,
        before,
        after,
    };
    Some((kept, word))
}

/// Adds a change to what those watchers get who are up to date and see it.
fn hand_out<V: Cached>(
    turn: &Turn<'_, V>,
    kept: &Kept<V>,
    deliveries: &mut BTreeMap<RequestId, Vec<Delivery<V>>>,
) {
    let state = &*turn.state;
    let before = kept.before.as_ref().map(|held| held.value.group());
    let after = match &kept.after {
        After::Present(value) => Some(value.group()),
        After::Gone(_) => None,
    };
    for id in state.scopes.concerned(&kept.key, [before, after]) {
        if state.behind.contains(&id) {
            continue;
        }
        let Some(watcher) = state.watchers.get(&id) else {
            continue;
        };
        if kept.revision > watcher.sent
            && let Some(delivery) = seen(kept, &watcher.filter)
        {
            deliveries.entry(id).or_default().push(delivery);
        }
    }
}

/// A change as a filter sees it (guarantee 17): an object that comes to match is added, one that ceases to
/// match is deleted, and a deletion carries the last state with its own revision.
pub(super) fn seen<V: Cached>(kept: &Kept<V>, filter: &V::Filter) -> Option<Delivery<V>> {
    let before = kept
        .before
        .as_ref()
        .map(|held| &held.value)
        .filter(|value| value.matches(filter));
    let (change, value) = match (&kept.after, before) {
        (After::Present(value), before) if value.matches(filter) => {
            let change = match before {
                Some(_) => Change::Modified,
                None => Change::Added,
            };
            (change, value.clone())
        }
        (After::Present(_), Some(before)) => (Change::Deleted, before.restamped(kept.revision)),
        (After::Gone(last), Some(_)) => (Change::Deleted, last.clone()),
        _ => return None,
    };
    Some(Delivery {
        change,
        key: kept.key.clone(),
        revision: kept.revision,
        value,
    })
}
