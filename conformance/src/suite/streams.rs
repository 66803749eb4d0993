//! One watch against the truth: what was due, what came.

use std::collections::BTreeMap;

use super::observed::{End, Event, EventKind, Start, Watch};
use super::truth::{Due, Truth};

/// A watch, cut where its initial events end.
pub(super) struct Stream<'a> {
    pub(super) watch: &'a Watch,
    /// The initial events; empty if there were none or they did not end.
    pub(super) initial: &'a [Event],
    /// The bookmark that ends them.
    pub(super) initial_end: Option<&'a Event>,
    /// What came after, bookmarks included.
    pub(super) rest: &'a [Event],
    /// The changes of `rest` by revision and object, the first of each.
    pub(super) came: BTreeMap<(u64, &'a str), &'a Event>,
    /// The revision after which `rest` begins; `None` if the initial events did not end.
    pub(super) after: Option<u64>,
}

impl<'a> Stream<'a> {
    pub(super) fn of(watch: &'a Watch) -> Self {
        let cut = |initial, initial_end, rest: &'a [Event], after| Stream {
            watch,
            initial,
            initial_end,
            came: by_revision(rest),
            rest,
            after,
        };
        let whole = |after| cut(&[], None, &watch.events, Some(after));
        match watch.start {
            Start::AfterList(after) | Start::Resumed(after) | Start::Past(after) => whole(after),
            Start::InitialEvents => {
                let end = watch
                    .events
                    .iter()
                    .position(|event| event.kind == EventKind::InitialEventsEnd);
                match end {
                    None => cut(&[], None, &[], None),
                    Some(at) => {
                        let (initial, rest) = watch.events.split_at(at);
                        let end = &rest[0];
                        cut(initial, Some(end), &rest[1..], Some(end.revision))
                    }
                }
            }
        }
    }

    /// The events of objects.
    pub(super) fn changes(&self) -> impl Iterator<Item = &'a Event> + use<'a> {
        self.rest
            .iter()
            .filter(|event| event.kind != EventKind::Bookmark)
    }

    /// Up to which revision the stream has told everything, or had time to.
    pub(super) fn through(&self) -> u64 {
        let told = self.rest.iter().map(|event| event.revision).max();
        let owed = match self.watch.end {
            End::Silent(revision) => revision,
            _ => 0,
        };
        told.unwrap_or(0).max(self.after.unwrap_or(0)).max(owed)
    }

    /// What it had to bring.
    pub(super) fn due(&self, truth: &Truth) -> Vec<Due> {
        match self.after {
            Some(after) => truth.due(after, self.through(), self.watch.selected),
            None => Vec::new(),
        }
    }

    /// The event that brought what was due.
    pub(super) fn event(&self, due: &Due) -> Option<&'a Event> {
        self.came.get(&(due.revision, due.name.as_str())).copied()
    }

    /// What it had to bring and did not.
    pub(super) fn missing(&self, truth: &Truth) -> Vec<Due> {
        let mut due = self.due(truth);
        due.retain(|due| self.event(due).is_none());
        due
    }
}

fn by_revision(events: &[Event]) -> BTreeMap<(u64, &str), &Event> {
    let changes = events
        .iter()
        .filter(|event| event.kind != EventKind::Bookmark);
    changes
        .rev()
        .map(|event| ((event.revision, event.name.as_str()), event))
        .collect()
}
