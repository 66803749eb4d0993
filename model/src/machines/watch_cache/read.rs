//! Reads: now, or when the cache is fresh enough for them.

use std::collections::BTreeMap;

use crate::actions::watch_cache::WatchCacheAction as Action;
use crate::rules::resource_version::ReadAt;

use super::input::{Cached, Key, Read, RequestId};
use super::output::{Answer, Output, Refusal};
use super::state::{Feed, Request, State, Waiting, covers};
use super::step::{Handled, Timer, Turn};
use super::{feed, watch};

/// What a request waits for before it can be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    Nothing,
    /// That the cache is at this revision.
    Revision(u64),
    /// The store's revision, asked after the request came.
    Query,
}

impl Need {
    /// Something at all.
    pub(super) fn filled<V: Cached>(state: &State<V>) -> Self {
        if state.filled {
            Need::Nothing
        } else {
            Need::Revision(0)
        }
    }

    pub(super) fn of<V: Cached>(state: &State<V>, at: ReadAt) -> Self {
        match at {
            ReadAt::Any => Need::filled(state),
            ReadAt::AtLeast(revision) | ReadAt::Exact(revision) => {
                if state.filled && revision <= state.revision {
                    Need::Nothing
                } else {
                    Need::Revision(revision)
                }
            }
            ReadAt::Consistent => Need::Query,
        }
    }
}

/// A read: served, or kept until the cache is fresh enough.
pub(super) fn read<V: Cached>(
    turn: &mut Turn<'_, V>,
    request: RequestId,
    at: ReadAt,
    read: Read<V::Filter>,
) -> Handled {
    if turn.state.watchers.contains_key(&request) || turn.state.waiting.contains_key(&request) {
        return Handled::Refused("a request has a name of its own");
    }
    let need = Need::of(turn.state, at);
    let wanted = match at {
        ReadAt::Exact(revision) => Request::ReadExact(read, revision),
        _ => Request::Read(read),
    };
    match need {
        Need::Nothing => serve(turn, request, wanted),
        need => wait(turn, request, wanted, need),
    }
    Handled::Moved
}

/// Keeps a request until the cache is fresh enough or its time is up.
pub(super) fn wait<V: Cached>(
    turn: &mut Turn<'_, V>,
    id: RequestId,
    request: Request<V>,
    need: Need,
) {
    if turn.state.waiting.len() >= turn.limits.waiting {
        decline(turn, id, &request, Refusal::TooMany);
        return;
    }
    let revision = match need {
        Need::Revision(revision) => Some(revision),
        Need::Nothing | Need::Query => None,
    };
    let state = &mut *turn.state;
    match revision {
        Some(revision) => {
            state.due.insert((revision, id));
        }
        None => {
            state.queries.next.insert(id);
        }
    }
    state.waiting.insert(id, Waiting { request, revision });
    turn.out.timer(Timer::Fresh(id), turn.limits.fresh_ms);
    turn.act(Action::Waits {
        request: id,
        revision,
    });
    ask(turn);
}

/// Asks the store for its revision, if someone waits for that and no question is under way. One answer is for
/// all who waited when the question was sent (guarantee 16: it is asked after their reads began).
pub(super) fn ask<V: Cached>(turn: &mut Turn<'_, V>) {
    let queries = &mut turn.state.queries;
    let following = matches!(turn.state.feed, Feed::Following);
    if !following || queries.asked.is_some() || queries.next.is_empty() {
        return;
    }
    queries.last += 1;
    queries.asked = Some(std::mem::take(&mut queries.next));
    let query = queries.last;
    turn.act(Action::Queried { query });
    turn.push(Output::Query { query });
}

/// The store told its revision.
pub(super) fn progressed<V: Cached>(turn: &mut Turn<'_, V>, query: u64, revision: u64) -> Handled {
    let state = &mut *turn.state;
    if query != state.queries.last {
        return Handled::Nothing;
    }
    let Some(asked) = state.queries.asked.take() else {
        return Handled::Nothing;
    };
    for id in asked {
        if let Some(waiting) = state.waiting.get_mut(&id) {
            waiting.revision = Some(revision);
            state.due.insert((revision, id));
        }
    }
    turn.act(Action::Answered { query, revision });
    advanced(turn);
    ask(turn);
    Handled::Moved
}

/// The question was lost. It is asked again once the store is followed anew: what could not be asked over a
/// connection will not be fed over it either.
pub(super) fn query_lost<V: Cached>(turn: &mut Turn<'_, V>, query: u64) -> Handled {
    let state = &mut *turn.state;
    if query != state.queries.last {
        return Handled::Nothing;
    }
    let Some(asked) = state.queries.asked.take() else {
        return Handled::Nothing;
    };
    state.queries.next.extend(asked);
    let epoch = state.epoch;
    if feed::ended(turn, epoch, false) == Handled::Nothing {
        ask(turn);
    }
    Handled::Moved
}

/// Serves those who waited for a revision that the cache has reached.
pub(super) fn advanced<V: Cached>(turn: &mut Turn<'_, V>) {
    while let Some((revision, id)) = turn.state.due.first().copied()
        && turn.state.filled
        && revision <= turn.state.revision
    {
        turn.state.due.remove(&(revision, id));
        let Some(waiting) = turn.state.waiting.remove(&id) else {
            continue;
        };
        turn.out.cancel(Timer::Fresh(id));
        serve(turn, id, waiting.request);
    }
}

/// A request has waited long enough: 504, as Kubernetes has it for a `resourceVersion` that is too large.
pub(super) fn overdue<V: Cached>(turn: &mut Turn<'_, V>, id: RequestId) -> Handled {
    let Some(waiting) = turn.state.waiting.get(&id).cloned() else {
        return Handled::Nothing;
    };
    forget(turn, id);
    let refusal = Refusal::TooLarge {
        asked: waiting.revision.filter(|revision| *revision > 0),
        current: turn.state.revision,
    };
    decline(turn, id, &waiting.request, refusal);
    Handled::Moved
}

/// Takes back a waiting request; whether there was one.
pub(super) fn forget<V: Cached>(turn: &mut Turn<'_, V>, id: RequestId) -> bool {
    let state = &mut *turn.state;
    let Some(waiting) = state.waiting.remove(&id) else {
        return false;
    };
    if let Some(revision) = waiting.revision {
        state.due.remove(&(revision, id));
    }
    state.queries.next.remove(&id);
    if let Some(asked) = &mut state.queries.asked {
        asked.remove(&id);
    }
    true
}

fn serve<V: Cached>(turn: &mut Turn<'_, V>, id: RequestId, request: Request<V>) {
    let (read, exact) = match request {
        Request::Watch(watch) => return watch::begin(turn, id, watch),
        Request::ReadExact(read, revision) => (read, Some(revision)),
        Request::Read(read) => (read, None),
    };
    let state = &*turn.state;
    let revision = exact.unwrap_or(state.revision);
    if revision < state.window.floor {
        let refusal = Refusal::Expired {
            asked: revision,
            oldest: state.window.floor,
        };
        return decline(turn, id, &Request::Read(read), refusal);
    }
    let answer = if revision == state.revision {
        match &read {
            Read::Get(key) => Answer::Object(state.objects.get(key).map(|one| one.value.clone())),
            Read::List { prefix, after, .. } => {
                let objects = state.under(prefix, after.as_deref());
                list(revision, objects.map(|(key, one)| (key, &one.value)), &read)
            }
        }
    } else {
        let objects = past(state, prefix_of(&read), revision);
        match &read {
            Read::Get(key) => Answer::Object(objects.get(key).map(|one| (*one).clone())),
            Read::List { after, .. } => {
                let rest = objects
                    .into_iter()
                    .filter(|(key, _)| after.as_ref().is_none_or(|after| *key > after));
                list(revision, rest, &read)
            }
        }
    };
    let objects = match &answer {
        Answer::Object(object) => u64::from(object.is_some()),
        Answer::List { items, .. } => items.len() as u64,
    };
    turn.act(Action::Served {
        request: id,
        revision,
        objects,
    });
    turn.push(Output::Answer {
        request: id,
        answer: Ok(answer),
    });
}

fn prefix_of<F>(read: &Read<F>) -> &Key {
    match read {
        Read::Get(key) => key,
        Read::List { prefix, .. } => prefix,
    }
}

/// The objects under a prefix as of a revision of the window: the present ones with the later changes undone.
fn past<'a, V: Cached>(
    state: &'a State<V>,
    prefix: &'a str,
    revision: u64,
) -> BTreeMap<&'a Key, &'a V> {
    let mut objects: BTreeMap<&Key, &V> = state
        .under(prefix, None)
        .map(|(key, held)| (key, &held.value))
        .collect();
    for kept in state.window.after(revision).rev() {
        if covers(prefix, &kept.key) {
            match &kept.before {
                Some(before) => objects.insert(&kept.key, &before.value),
                None => objects.remove(&kept.key),
            };
        }
    }
    objects
}

fn list<'a, V: Cached + 'a>(
    revision: u64,
    objects: impl Iterator<Item = (&'a Key, &'a V)>,
    read: &Read<V::Filter>,
) -> Answer<V> {
    let Read::List { filter, limit, .. } = read else {
        return Answer::Object(None);
    };
    let (mut items, mut last, mut next, mut rest) = (Vec::new(), None, None, 0);
    for (key, value) in objects.filter(|(_, value)| value.matches(filter)) {
        if *limit == 0 || (items.len() as u64) < *limit {
            items.push(value.clone());
            last = Some(key);
            continue;
        }
        next = last.cloned();
        rest += 1;
        if !V::is_everything(filter) {
            break;
        }
    }
    let remaining = (next.is_some() && V::is_everything(filter)).then_some(rest);
    Answer::List {
        revision,
        items,
        next,
        remaining,
    }
}

fn decline<V: Cached>(turn: &mut Turn<'_, V>, id: RequestId, request: &Request<V>, why: Refusal) {
    match request {
        Request::Watch(_) => watch::decline(turn, id, why),
        Request::Read(_) | Request::ReadExact(..) => {
            turn.act(Action::Declined {
                request: id,
                code: why.status().reason.code(),
            });
            turn.push(Output::Answer {
                request: id,
                answer: Err(why),
            });
        }
    }
}
