//! Following the store: list everything, then take in changes; again where that ended.

use std::collections::BTreeMap;

use crate::actions::watch_cache::WatchCacheAction as Action;
use crate::machine::Out;

use super::input::{Cached, Epoch, Key, Listed, RequestId};
use super::output::Output;
use super::state::{Feed, Held, State, Window};
use super::step::{Handled, Timer, Turn, WatchCache};
use super::{read, watch};

/// Begins to follow: from the list of everything, or after what is known.
pub(super) fn attempt<V: Cached>(state: &mut State<V>, list: bool, out: &mut Out<WatchCache<V>>) {
    state.epoch += 1;
    let epoch = state.epoch;
    if list {
        state.feed = Feed::Listing(BTreeMap::new());
        out.push(Output::List {
            epoch,
            revision: None,
            after: None,
        });
    } else {
        state.feed = Feed::Following;
        let after = state.revision;
        out.push(Output::Follow { epoch, after });
    }
}

/// A part of the list of everything (KEP-365: parts of one list are as of one revision).
pub(super) fn listed<V: Cached>(
    turn: &mut Turn<'_, V>,
    epoch: Epoch,
    revision: u64,
    items: Vec<Listed<V>>,
    more: bool,
) -> Handled {
    if epoch != turn.state.epoch {
        return Handled::Nothing;
    }
    let Feed::Listing(objects) = &mut turn.state.feed else {
        return Handled::Refused("a list comes only while one is being read");
    };
    let last = items.last().map(|item| item.key.clone());
    for item in items {
        let held = Held {
            revision: item.revision,
            value: item.value,
        };
        objects.insert(item.key, held);
    }
    match last {
        Some(last) if more => turn.push(Output::List {
            epoch,
            revision: Some(revision),
            after: Some(last),
        }),
        _ => {
            let objects = std::mem::take(objects);
            fill(turn, objects, revision);
        }
    }
    Handled::Moved
}

/// Puts a whole list in the place of what was known.
///
/// The changes between the old state and the list are not known one by one, so watches that would need them
/// end with 410 (guarantee 3: no gap). If the list is as of the revision that was known, nothing is missing.
fn fill<V: Cached>(turn: &mut Turn<'_, V>, objects: BTreeMap<Key, Held<V>>, revision: u64) {
    let state = &mut *turn.state;
    let same = state.filled && state.revision == revision;
    if !same {
        let old = state.revision;
        state.objects = objects;
        state.window = Window::empty(revision);
        state.revision = revision;
        state.filled = true;
        // Guarantee 11: one that is ahead of this server, as another had already served it, misses nothing.
        let misses = state
            .watchers
            .iter()
            .filter(|(_, watcher)| watcher.sent < revision);
        let ended: Vec<RequestId> = misses.map(|(id, _)| *id).collect();
        for watcher in ended {
            watch::close(turn, watcher, watch::expired(old, revision));
        }
    }
    let objects = turn.state.objects.len() as u64;
    turn.act(Action::Filled { revision, objects });
    attempt(turn.state, false, turn.out);
    read::advanced(turn);
    read::ask(turn);
}

/// The feed ended: `expired` if the store no longer has the revision to go on from.
pub(super) fn ended<V: Cached>(turn: &mut Turn<'_, V>, epoch: Epoch, expired: bool) -> Handled {
    let state = &mut *turn.state;
    if epoch != state.epoch || matches!(state.feed, Feed::Resting { .. }) {
        return Handled::Nothing;
    }
    let list = expired || !state.filled || matches!(state.feed, Feed::Listing(_));
    turn.push(Output::Unfollow { epoch });
    turn.act(Action::FeedLost);
    let state = &mut *turn.state;
    state.feed = Feed::Resting { list };
    let pause = turn.limits.rest_ms << state.attempts.min(5);
    state.attempts = state.attempts.saturating_add(1);
    turn.out.timer(Timer::Rest, pause);
    Handled::Moved
}

/// The pause is over.
pub(super) fn rested<V: Cached>(turn: &mut Turn<'_, V>) -> Handled {
    let Feed::Resting { list } = turn.state.feed else {
        return Handled::Nothing;
    };
    attempt(turn.state, list, turn.out);
    read::ask(turn);
    Handled::Moved
}
