//! The guarantees of a watch, one function each; the table is in the README beside this file.
//!
//! Each judges an observation of a client before the client has taken it in. None is judged by the words of the
//! parties: what is true stands in the history.

use std::collections::BTreeSet;

use model::messages::api::Change;

use super::history::{Event, Filter, History};
use super::ledger::{Ledger, Seen, What, Witnessed};
use crate::checked::Checked;
use crate::world::Property;

/// One of the seventeen guarantees.
#[derive(Clone, Copy, Debug)]
pub struct Guarantee {
    /// Its name.
    pub name: &'static str,
    /// The function that judges it, by its name in this file.
    pub function: &'static str,
    /// Whether an observation keeps it.
    pub judge: fn(&Seen<'_>) -> bool,
}

macro_rules! guarantees {
    ($($bit:literal $name:literal $judge:ident)*) => {
        /// The guarantees in the order of their numbers, from 1.
        pub const GUARANTEES: [Guarantee; 17] = [$(Guarantee {
            name: $name,
            function: stringify!($judge),
            judge: $judge,
        }),*];

        /// The guarantees as properties of a world.
        pub fn guarantees<W: Witnessed>() -> Vec<Property<W>> {
            vec![$(Property::always($name, kept::<W, $bit>)),*]
        }
    };
}

guarantees! {
    0 "events are ordered by revision" ordered
    1 "no event comes twice" unique
    2 "no event is left out" reliable
    3 "a revision is not split" atomic
    4 "a watch resumes after the last event" resumable
    5 "a bookmark means that everything before it has come" bookmarkable
    6 "an event matches the request" filter
    7 "an event is a creation if nothing was there" is_create
    8 "an event carries the object as it was" previous
    9 "list and watch fit together" seamless
    10 "410 only for what left the window, and then a list" gone
    11 "initial events end as fresh as asked" initial_end
    12 "a watch starts strictly after its revision" strictly_after
    13 "a client never goes back in time" never_back
    14 "a slow watch is closed, not thinned" never_thinned
    15 "a consistent list has all that was acknowledged" consistent
    16 "leaving a selector is a deletion, entering an addition" selector
}

fn kept<W: Witnessed, const N: usize>(_: &Checked<W>, state: &W::State) -> bool {
    W::ledger(state).keeps(N)
}

/// Whether what clients are told is a run of the specification of one watcher.
pub fn clients_accept<W: Witnessed>(_: &Checked<W>, state: &W::State) -> bool {
    W::ledger(state).accepted()
}

/// Whether the last that a client was told is that an object which is there has left its selector.
pub fn has_left(ledger: &Ledger, history: &History) -> bool {
    ledger.clients.iter().any(|client| {
        let told = client.told();
        let all = history.at(told.revision, Filter::Everything);
        told.watch
            .iter()
            .flat_map(|watch| &watch.at_last)
            .any(|key| {
                all.get(key)
                    .is_some_and(|(_, object)| !client.filter.selects(*object))
            })
    })
}

/// The events of a batch, unless they are initial ones.
fn events<'a>(seen: &Seen<'a>) -> &'a [Event] {
    let initial = seen.client.told().watch.as_ref().map(|watch| watch.initial);
    match seen.what {
        What::Events { events, .. } if initial == Some(None) => events,
        _ => &[],
    }
}

/// What the history has for an event: of the same object at the same revision, as the client's selector sees it.
fn happened(seen: &Seen<'_>, event: &Event) -> Option<Event> {
    seen.history
        .events_of(event.revision, seen.client.filter)
        .find(|happened| happened.key == event.key)
}

/// What was to come up to the last revision of a batch and is not in it.
fn missed<'a>(seen: &Seen<'a>) -> impl Iterator<Item = Event> + 'a {
    let events = events(seen);
    let last = events.last().map_or(0, |event| event.revision);
    seen.history
        .events(seen.client.filter, seen.client.told().revision, last)
        .filter(move |due| {
            let is = |event: &Event| event.revision == due.revision && event.key == due.key;
            !events.iter().any(is)
        })
}

/// 1, etcd's *Ordered*.
fn ordered(seen: &Seen<'_>) -> bool {
    let first = seen.client.told().revision;
    let revisions = events(seen).iter().map(|event| event.revision);
    [first].into_iter().chain(revisions).is_sorted()
}

/// 2, etcd's *Unique*.
fn unique(seen: &Seen<'_>) -> bool {
    let told = seen.client.told();
    let (after, at_last) = match &told.watch {
        Some(watch) => (watch.after, Some(&watch.at_last)),
        None => (0, None),
    };
    let mut batch = BTreeSet::new();
    events(seen).iter().all(|event| {
        let came = event.revision > after
            && (event.revision < told.revision
                || event.revision == told.revision
                    && at_last.is_some_and(|keys| keys.contains(&event.key)));
        !came && batch.insert((event.revision, &event.key))
    })
}

/// 3, etcd's *Reliable*: no gap inside the window.
fn reliable(seen: &Seen<'_>) -> bool {
    let last = events(seen).last().map_or(0, |event| event.revision);
    missed(seen).all(|event| event.revision == last)
}

/// 4, etcd's *Atomic*: a revision is never split over two batches.
fn atomic(seen: &Seen<'_>) -> bool {
    let last = events(seen).last().map_or(0, |event| event.revision);
    missed(seen).all(|event| event.revision < last)
}

/// 5, etcd's *Resumable*.
fn resumable(seen: &Seen<'_>) -> bool {
    match seen.what {
        What::AsksWatch { after } => *after == seen.client.told().revision,
        _ => true,
    }
}

/// 6, etcd's *Bookmarkable*.
fn bookmarkable(seen: &Seen<'_>) -> bool {
    let told = seen.client.told();
    match (seen.what, &told.watch) {
        (What::Bookmark { revision, .. }, Some(watch)) if watch.initial.is_none() => {
            let mut missed = seen
                .history
                .events(seen.client.filter, told.revision, *revision);
            missed.next().is_none() && (told.revision..=seen.history.newest()).contains(revision)
        }
        (What::Events { .. }, Some(watch)) => events(seen)
            .iter()
            .all(|event| event.revision > watch.bookmark),
        _ => true,
    }
}

/// 7, *Filter* of etcd's robustness tests.
fn filter(seen: &Seen<'_>) -> bool {
    events(seen)
        .iter()
        .all(|event| happened(seen, event).is_some())
}

/// 8, *IsCreate* of etcd's robustness tests: it agrees with the state before.
fn is_create(seen: &Seen<'_>) -> bool {
    events(seen).iter().all(|event| {
        happened(seen, event).is_none_or(|happened| {
            (happened.change == Change::Added) == (event.change == Change::Added)
        })
    })
}

/// 9, *PrevKV* of etcd's robustness tests: here a deletion carries the last state, any other event the new one.
fn previous(seen: &Seen<'_>) -> bool {
    events(seen)
        .iter()
        .all(|event| happened(seen, event).is_none_or(|happened| happened.object == event.object))
}

/// 10: what a list and the events after it add up to is what was there.
fn seamless(seen: &Seen<'_>) -> bool {
    let told = seen.client.told();
    let initial = told
        .watch
        .as_ref()
        .is_some_and(|watch| watch.initial.is_some());
    let Some(objects) = told.objects.as_ref().filter(|_| !initial) else {
        return true;
    };
    let there = seen.history.at(told.revision, seen.client.filter);
    let there = there.iter().map(|(key, (revision, _))| (key, revision));
    !matches!(seen.what, What::Settled) || objects.iter().eq(there)
}

/// 11.
fn gone(seen: &Seen<'_>) -> bool {
    match seen.what {
        What::Closed {
            code: 410,
            in_window,
        } => !in_window,
        What::AsksWatch { .. } => !seen.client.told().gone,
        _ => true,
    }
}

/// 12.
fn initial_end(seen: &Seen<'_>) -> bool {
    match seen.what {
        What::Bookmark {
            revision,
            initial_events_end: true,
        } => {
            let present = seen.history.at(*revision, seen.client.filter);
            let present = present.iter().map(|(key, (revision, _))| (key, revision));
            let told = seen.client.told().objects.iter().flatten();
            *revision >= seen.client.least && told.eq(present)
        }
        _ => true,
    }
}

/// 13.
fn strictly_after(seen: &Seen<'_>) -> bool {
    let after = seen
        .client
        .told()
        .watch
        .as_ref()
        .map_or(0, |watch| watch.after);
    events(seen).iter().all(|event| event.revision > after)
}

/// 14, across reconnects and restarts too.
fn never_back(seen: &Seen<'_>) -> bool {
    let newest = seen.client.told().newest;
    match seen.what {
        What::Listed { revision, .. }
        | What::Bookmark {
            revision,
            initial_events_end: true,
        } => *revision >= newest,
        _ => events(seen).iter().all(|event| event.revision >= newest),
    }
}

/// 15: nothing is left out because it left the window before it was sent.
fn never_thinned(seen: &Seen<'_>) -> bool {
    match seen.what {
        What::Events { floor, .. } => missed(seen).all(|event| event.revision > *floor),
        _ => true,
    }
}

/// 16.
fn consistent(seen: &Seen<'_>) -> bool {
    match seen.what {
        What::Listed { revision, objects } => {
            *revision >= seen.client.least
                && *objects == seen.history.at(*revision, seen.client.filter)
        }
        _ => true,
    }
}

/// 17.
fn selector(seen: &Seen<'_>) -> bool {
    let told = seen.client.told().revision;
    let last = events(seen).last().map_or(0, |event| event.revision);
    seen.history
        .events(seen.client.filter, told, last)
        .filter(|due| crosses(seen, due))
        .all(|due| {
            events(seen).iter().any(|event| {
                event.revision == due.revision && event.key == due.key && event.change == due.change
            })
        })
}

/// Whether an event tells of an object that entered or left the selector without having come or gone.
fn crosses(seen: &Seen<'_>, due: &Event) -> bool {
    let written = seen.history.written(due.revision);
    let is_there = written
        .iter()
        .any(|written| written.key == due.key && written.object.is_some());
    let was_there = seen.history.before(due.revision, &due.key).is_some();
    is_there && was_there && due.change != Change::Modified
}
