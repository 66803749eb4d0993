//! Watches: opened, handed their changes at their own pace, closed with a reason.
//!
//! A watch has no queue. It is up to date and handed every change as it comes, or it is *behind*: then it has
//! a place in the window, and is handed more as it takes what it has. One whose place leaves the window, or
//! that takes nothing for too long, is closed (guarantee 15); none ever loses a change in the middle.

use std::collections::VecDeque;

use crate::actions::watch_cache::WatchCacheAction as Action;
use crate::messages::api::Change;
use crate::objects::status::{Reason, Status};

use super::follow::seen;
use super::input::{Cached, Key, RequestId, Start, Watch};
use super::output::{Delivery, Output, Refusal};
use super::read;
use super::state::State;
use super::state::{Held, Request, Watcher, covers};
use super::step::{Handled, Timer, Turn};

/// 410 in Kubernetes' words: the window begins later than where the watch wants to begin.
pub(super) fn expired(after: u64, floor: u64) -> Status {
    Status::new(
        Reason::Expired,
        format!("too old resource version: {after} ({floor})"),
    )
}

/// A watch is asked for: now, or when the cache is fresh enough for it (guarantee 12).
pub(super) fn open<V: Cached>(
    turn: &mut Turn<'_, V>,
    request: RequestId,
    watch: Watch<V::Filter>,
) -> Handled {
    if turn.state.watchers.contains_key(&request) || turn.state.waiting.contains_key(&request) {
        return Handled::Refused("a request has a name of its own");
    }
    let need = match watch.start {
        Start::After(_) => read::Need::filled(turn.state),
        Start::Initial { at, .. } => read::Need::of(turn.state, at),
    };
    match need {
        read::Need::Nothing => begin(turn, request, watch),
        need => read::wait(turn, request, Request::Watch(watch), need),
    }
    Handled::Moved
}

/// The cache is fresh enough: the watch begins strictly after its revision (guarantee 13), or with the
/// present objects.
pub(super) fn begin<V: Cached>(
    turn: &mut Turn<'_, V>,
    request: RequestId,
    watch: Watch<V::Filter>,
) {
    let state = &mut *turn.state;
    let mut watcher = Watcher {
        prefix: watch.prefix,
        filter: watch.filter,
        bookmarks: watch.bookmarks,
        initial: Default::default(),
        initial_bookmark: false,
        sent: state.revision,
        untaken: Default::default(),
    };
    match watch.start {
        Start::After(after) if after < state.window.floor => {
            // Guarantee 11: only because the revision left the window.
            let status = expired(after, state.window.floor);
            turn.act(Action::Declined {
                request,
                code: status.reason.code(),
            });
            turn.push(Output::Close {
                watcher: request,
                status,
            });
            return;
        }
        Start::After(after) => watcher.sent = after,
        Start::Initial { bookmark, .. } => {
            watcher.initial_bookmark = bookmark;
            watcher.initial = state
                .under(&watcher.prefix, None)
                .filter(|(_, held)| held.value.matches(&watcher.filter))
                .map(|(key, held)| (key.clone(), held.clone()))
                .collect();
        }
    }
    let behind =
        watcher.sent < state.revision || watcher.initial_bookmark || !watcher.initial.is_empty();
    turn.actions.push(Action::Opened {
        watcher: request,
        prefix: watcher.prefix.clone(),
        everything: V::is_everything(&watcher.filter),
        after: watcher.sent,
        initial: watcher.initial.len() as u64,
    });
    let group = V::group_of(&watcher.filter);
    state.scopes.insert(&watcher.prefix, group, request);
    state.watchers.insert(request, watcher);
    if behind {
        state.behind.insert(request);
        catch_up(turn, request);
    }
}

/// Hands changes of this step to a watch that was up to date before it.
pub(super) fn deliver<V: Cached>(turn: &mut Turn<'_, V>, id: RequestId, changes: Vec<Delivery<V>>) {
    let revision = turn.state.revision;
    hand(turn, id, changes);
    let Some(watcher) = turn.state.watchers.get_mut(&id) else {
        return;
    };
    let (changes, bytes) = watcher.untaken.room(turn.limits);
    if changes == 0 || bytes == 0 {
        watcher.sent = watcher.sent.max(revision);
        turn.state.behind.insert(id);
        turn.out.timer(Timer::Stall(id), turn.limits.stall_ms);
    }
}

fn hand<V: Cached>(turn: &mut Turn<'_, V>, id: RequestId, changes: Vec<Delivery<V>>) {
    let Some(watcher) = turn.state.watchers.get_mut(&id) else {
        return;
    };
    for change in &changes {
        watcher.untaken.push(change.value.size());
    }
    let words = changes
        .iter()
        .map(|one| (one.change, one.key.clone(), one.revision))
        .collect();
    turn.act(Action::Delivered {
        watcher: id,
        changes: words,
    });
    turn.push(Output::Deliver {
        watcher: id,
        changes,
    });
}

fn bookmark<V: Cached>(turn: &mut Turn<'_, V>, id: RequestId, revision: u64, ends_initial: bool) {
    if let Some(watcher) = turn.state.watchers.get_mut(&id) {
        watcher.untaken.push(0);
    }
    turn.act(Action::Bookmarked {
        watcher: id,
        revision,
        initial_events_end: ends_initial,
    });
    turn.push(Output::Bookmark {
        watcher: id,
        revision,
        initial_events_end: ends_initial,
    });
}

/// Hands a watch that is behind as much as it may have on its way.
fn catch_up<V: Cached>(turn: &mut Turn<'_, V>, id: RequestId) {
    loop {
        let Some(watcher) = turn.state.watchers.get_mut(&id) else {
            return;
        };
        let room = watcher.untaken.room(turn.limits);
        if room.0 == 0 || room.1 == 0 {
            turn.out.timer(Timer::Stall(id), turn.limits.stall_ms);
            return;
        }
        if !watcher.initial.is_empty() {
            let objects = next_initial(&mut watcher.initial, room);
            hand(turn, id, objects);
        } else if watcher.initial_bookmark {
            watcher.initial_bookmark = false;
            let revision = watcher.sent;
            bookmark(turn, id, revision, true);
        } else if !next_changes(turn, id, room) {
            turn.state.behind.remove(&id);
            turn.out.cancel(Timer::Stall(id));
            return;
        }
    }
}

/// Takes the next of the initial objects until the room for changes and bytes is used.
fn next_initial<V: Cached>(
    initial: &mut VecDeque<(Key, Held<V>)>,
    (changes_max, bytes_max): (usize, usize),
) -> Vec<Delivery<V>> {
    let (mut objects, mut bytes) = (Vec::new(), 0);
    while objects.len() < changes_max
        && bytes < bytes_max
        && let Some((key, held)) = initial.pop_front()
    {
        bytes += held.value.size();
        objects.push(Delivery {
            change: Change::Added,
            key,
            revision: held.revision,
            value: held.value,
        });
    }
    objects
}

/// Hands out whole revisions (guarantee 4) until the room is used; `false` when the window has no more.
fn next_changes<V: Cached>(
    turn: &mut Turn<'_, V>,
    id: RequestId,
    (changes_max, bytes_max): (usize, usize),
) -> bool {
    let state = &mut *turn.state;
    let Some(watcher) = state.watchers.get_mut(&id) else {
        return false;
    };
    let (mut sent, mut changes, mut bytes, mut more) = (watcher.sent, Vec::new(), 0, false);
    for kept in state.window.after(watcher.sent) {
        if kept.revision != sent && (changes.len() >= changes_max || bytes >= bytes_max) {
            more = true;
            break;
        }
        sent = kept.revision;
        if covers(&watcher.prefix, &kept.key)
            && let Some(change) = seen(kept, &watcher.filter)
        {
            bytes += change.value.size();
            changes.push(change);
        }
    }
    watcher.sent = if more { sent } else { sent.max(state.revision) };
    if !changes.is_empty() {
        hand(turn, id, changes);
    }
    more
}

/// A client took what it was handed.
pub(super) fn taken<V: Cached>(turn: &mut Turn<'_, V>, id: RequestId, changes: u32) -> Handled {
    let Some(watcher) = turn.state.watchers.get_mut(&id) else {
        return Handled::Nothing;
    };
    if changes == 0 {
        return Handled::Nothing;
    }
    if !watcher.untaken.take(changes) {
        return Handled::Refused("no more is taken than was handed out");
    }
    let half = watcher.untaken.is_half(turn.limits);
    turn.act(Action::Taken {
        watcher: id,
        changes,
    });
    if turn.state.behind.contains(&id) {
        if half {
            catch_up(turn, id);
        } else {
            turn.out.timer(Timer::Stall(id), turn.limits.stall_ms);
        }
    }
    Handled::Moved
}

/// A watch took nothing for too long.
pub(super) fn stalled<V: Cached>(turn: &mut Turn<'_, V>, id: RequestId) -> Handled {
    if !turn.state.behind.contains(&id) {
        return Handled::Nothing;
    }
    let status = Status::new(
        Reason::TooManyRequests,
        format!(
            "the watch is closed: its client took nothing for {} ms while {} changes or {} bytes were on their \
             way to it; watch again after the last resourceVersion that was received",
            turn.limits.stall_ms, turn.limits.untaken, turn.limits.untaken_bytes
        ),
    );
    close(turn, id, status);
    Handled::Moved
}

/// Closes watches whose place has left the window.
pub(super) fn close_lost<V: Cached>(turn: &mut Turn<'_, V>, floor: u64) {
    let state = &*turn.state;
    let lost: Vec<RequestId> = state
        .behind
        .iter()
        .copied()
        .filter(|id| state.watchers.get(id).is_some_and(|one| one.sent < floor))
        .collect();
    for id in lost {
        let status = Status::new(
            Reason::TooManyRequests,
            format!(
                "the watch is closed: it stayed behind until its place left the window, which begins at \
                 {floor}; list again"
            ),
        );
        close(turn, id, status);
    }
}

/// The time for bookmarks (guarantee 6): for watches that were handed everything.
pub(super) fn bookmarks<V: Cached>(turn: &mut Turn<'_, V>) -> Handled {
    turn.out.timer(Timer::Bookmarks, turn.limits.bookmark_ms);
    let state = &*turn.state;
    let current: Vec<RequestId> = state
        .watchers
        .keys()
        .copied()
        .filter(|id| may_be_marked(state, *id))
        .collect();
    let revision = state.revision;
    for id in current {
        bookmark(turn, id, revision, false);
    }
    Handled::Moved
}

/// A bookmark shortly before a watch's time is over, as Kubernetes sends one: a client that resumes from it skips what
/// did not concern it.
pub(super) fn ending<V: Cached>(turn: &mut Turn<'_, V>, id: RequestId) -> Handled {
    if !may_be_marked(turn.state, id) {
        return Handled::Nothing;
    }
    let revision = turn.state.revision;
    bookmark(turn, id, revision, false);
    Handled::Moved
}

/// Whether a watch asked for bookmarks and was handed everything that there is.
fn may_be_marked<V: Cached>(state: &State<V>, id: RequestId) -> bool {
    state.watchers.get(&id).is_some_and(|watcher| {
        watcher.bookmarks && watcher.sent <= state.revision && !state.behind.contains(&id)
    })
}

/// Nobody listens any more.
pub(super) fn dropped<V: Cached>(turn: &mut Turn<'_, V>, id: RequestId) -> Handled {
    if read::forget(turn, id) {
        turn.out.cancel(Timer::Fresh(id));
        turn.act(Action::Closed {
            watcher: id,
            code: 0,
        });
        return Handled::Moved;
    }
    if !remove(turn, id) {
        return Handled::Nothing;
    }
    turn.act(Action::Closed {
        watcher: id,
        code: 0,
    });
    Handled::Moved
}

/// Ends a watch with a reason.
pub(super) fn close<V: Cached>(turn: &mut Turn<'_, V>, id: RequestId, status: Status) {
    if remove(turn, id) {
        turn.act(Action::Closed {
            watcher: id,
            code: status.reason.code(),
        });
        turn.push(Output::Close {
            watcher: id,
            status,
        });
    }
}

/// Refuses a watch that has not begun.
pub(super) fn decline<V: Cached>(turn: &mut Turn<'_, V>, id: RequestId, refusal: Refusal) {
    let status = refusal.status();
    turn.act(Action::Declined {
        request: id,
        code: status.reason.code(),
    });
    turn.push(Output::Close {
        watcher: id,
        status,
    });
}

fn remove<V: Cached>(turn: &mut Turn<'_, V>, id: RequestId) -> bool {
    let state = &mut *turn.state;
    let Some(watcher) = state.watchers.remove(&id) else {
        return false;
    };
    let group = V::group_of(&watcher.filter);
    state.scopes.remove(&watcher.prefix, group, id);
    if state.behind.remove(&id) {
        turn.out.cancel(Timer::Stall(id));
    }
    true
}
