//! One function a guarantee: what of a session could have shown it broken, and what did.

use std::collections::BTreeSet;

use super::observed::{End, Event, EventKind, Observed, Read, Start};
use super::streams::Stream;
use super::told::{difference, told, who};
use super::truth::{Due, Truth};
use super::{Breach, Found, Guarantee, Verdict};

/// Judges a session: a verdict for each guarantee, by number.
pub fn judge(observed: &Observed) -> Vec<Verdict<Guarantee>> {
    let session = Session {
        observed,
        truth: Truth::of(observed),
        streams: observed.watches.iter().map(Stream::of).collect(),
    };
    Guarantee::ALL
        .iter()
        .map(|guarantee| session.verdict(*guarantee))
        .collect()
}

pub(super) struct Session<'a> {
    pub(super) observed: &'a Observed,
    pub(super) truth: Truth,
    pub(super) streams: Vec<Stream<'a>>,
}

impl Session<'_> {
    fn verdict(&self, guarantee: Guarantee) -> Verdict<Guarantee> {
        let mut found = Found::default();
        match guarantee {
            Guarantee::Ordered => self.ordered(&mut found),
            Guarantee::Unique => self.unique(&mut found),
            Guarantee::Reliable => {
                self.complete(&mut found, |_, _| true);
                self.untold_deletions(&mut found);
            }
            Guarantee::Atomic => self.atomic(&mut found),
            Guarantee::Resumable => self.complete(&mut found, |stream, due| {
                matches!(stream.watch.start, Start::Resumed(_)) && first(stream, due)
            }),
            Guarantee::Bookmarkable => self.bookmarks(&mut found),
            Guarantee::Filter => self.filter(&mut found),
            Guarantee::IsCreate => self.kinds(&mut found, |due| !due.crossed),
            Guarantee::PreviousState => self.previous(&mut found),
            Guarantee::ListThenWatch => {
                self.complete(&mut found, |stream, due| {
                    let after_list = matches!(
                        stream.watch.start,
                        Start::AfterList(_) | Start::InitialEvents
                    );
                    after_list && first(stream, due)
                });
                self.snapshots(&mut found);
            }
            Guarantee::Gone => self.gone(&mut found),
            Guarantee::InitialEvents => self.initial_events(&mut found),
            Guarantee::StartsAfter => self.starts_after(&mut found),
            Guarantee::Monotonic => self.monotonic(&mut found),
            Guarantee::NeverThinned => self.complete(&mut found, |stream, _| stream.watch.slow),
            Guarantee::ConsistentList => self.consistent_lists(&mut found),
            Guarantee::Selector => {
                self.complete(&mut found, |_, due| due.crossed);
                self.kinds(&mut found, |due| due.crossed);
            }
        }
        Verdict {
            promise: guarantee,
            found,
        }
    }

    /// Name of a stream for people.
    fn who(&self, stream: &Stream<'_>) -> String {
        let client = stream.watch.client;
        let before = self
            .observed
            .watches
            .iter()
            .filter(|watch| watch.client == client)
            .take_while(|watch| !std::ptr::eq(*watch, stream.watch))
            .count();
        format!("watch {} of client {client}", before + 1)
    }

    pub(super) fn breach(&self, stream: &Stream<'_>, revision: u64, what: String) -> Breach {
        Breach {
            who: self.who(stream),
            revision,
            what,
        }
    }

    fn pairs(&self) -> impl Iterator<Item = (&Stream<'_>, &Event, &Event)> {
        self.streams.iter().flat_map(|stream| {
            let later = stream.changes().skip(1);
            stream
                .changes()
                .zip(later)
                .map(move |(one, next)| (stream, one, next))
        })
    }

    fn ordered(&self, found: &mut Found) {
        for (stream, one, next) in self.pairs() {
            found.look(one.revision <= next.revision, || {
                let what = format!(
                    "{} at {} came after {}",
                    next.name, next.revision, one.revision
                );
                self.breach(stream, next.revision, what)
            });
        }
    }

    fn unique(&self, found: &mut Found) {
        for stream in &self.streams {
            let mut seen = BTreeSet::new();
            for event in stream.changes() {
                found.look(seen.insert((event.revision, &event.name)), || {
                    self.breach(stream, event.revision, format!("{} came twice", event.name))
                });
            }
        }
        self.contradictions(found, false);
    }

    fn atomic(&self, found: &mut Found) {
        for (stream, one, next) in self.pairs() {
            let same = one.name == next.name && one.content == next.content;
            found.look(one.revision != next.revision || same, || {
                let what = format!("{} and {} share it", told(one), told(next));
                self.breach(stream, next.revision, what)
            });
        }
        self.contradictions(found, true);
    }

    /// Revisions of which different things were told: two writes under one revision, or parts of one write.
    fn contradictions(&self, found: &mut Found, same_object: bool) {
        let all = self.truth.contradictions.iter();
        for told in all.filter(|told| told.same_object == same_object) {
            found.look(false, || Breach {
                who: "the session".to_owned(),
                revision: told.revision,
                what: format!("different things were told of it: {}", told.what),
            });
        }
    }

    /// Every event that was due, of those that concern a guarantee, came.
    fn complete(&self, found: &mut Found, concerns: impl Fn(&Stream<'_>, &Due) -> bool) {
        for stream in &self.streams {
            let due = stream.due(&self.truth);
            let concerned = due.iter().filter(|due| concerns(stream, due)).count();
            found.instances += concerned as u64;
            for due in stream.missing(&self.truth) {
                if concerns(stream, &due) {
                    let what = format!("{:?} of {} never came", due.kind, due.name);
                    found.breaches.push(self.breach(stream, due.revision, what));
                }
            }
        }
    }

    /// A deletion that was acknowledged came to whoever saw everything around it.
    fn untold_deletions(&self, found: &mut Found) {
        for untold in &self.truth.untold {
            let around = |stream: &&Stream<'_>| {
                let after = stream.after.is_some_and(|after| after <= untold.after);
                after && stream.through() >= untold.before && !stream.watch.selected
            };
            for stream in self.streams.iter().filter(around) {
                let told = stream.changes().any(|event| {
                    event.kind == EventKind::Deleted
                        && event.name == untold.name
                        && (untold.after..untold.before).contains(&event.revision)
                });
                found.look(told, || {
                    let what = format!(
                        "{} was deleted before {}, which never came",
                        untold.name, untold.before
                    );
                    self.breach(stream, untold.after, what)
                });
            }
        }
    }

    fn bookmarks(&self, found: &mut Found) {
        for stream in &self.streams {
            let mut bookmark = None;
            for event in stream.rest {
                if event.kind == EventKind::Bookmark {
                    let after = bookmark.or(stream.after).unwrap_or(0);
                    bookmark = Some(event.revision).max(bookmark);
                    let due = self.truth.due(after, event.revision, stream.watch.selected);
                    let missing = due.iter().find(|due| stream.event(due).is_none());
                    found.look(missing.is_none(), || {
                        let what = format!("a bookmark at {}, and {missing:?}", event.revision);
                        self.breach(stream, event.revision, what)
                    });
                } else if let Some(bookmark) = bookmark {
                    found.look(event.revision > bookmark, || {
                        let what = format!("{} came after a bookmark at {bookmark}", event.name);
                        self.breach(stream, event.revision, what)
                    });
                }
            }
        }
    }

    fn filter(&self, found: &mut Found) {
        for stream in self.streams.iter().filter(|stream| stream.watch.selected) {
            for event in stream.initial.iter().chain(stream.changes()) {
                let matches = event.content.is_none_or(|content| content.selected);
                found.look(matches, || {
                    let what = format!("{:?} of {} does not match", event.kind, event.name);
                    self.breach(stream, event.revision, what)
                });
            }
        }
    }

    /// Events that were due came as what they are.
    fn kinds(&self, found: &mut Found, concerns: impl Fn(&Due) -> bool) {
        for stream in &self.streams {
            for due in stream.due(&self.truth).iter().filter(|due| concerns(due)) {
                let Some(event) = stream.event(due) else {
                    continue;
                };
                found.look(event.kind == due.kind, || {
                    let what = format!("{:?} of {} came as {:?}", due.kind, due.name, event.kind);
                    self.breach(stream, due.revision, what)
                });
            }
        }
    }

    fn previous(&self, found: &mut Found) {
        for stream in &self.streams {
            let deletions = stream.due(&self.truth);
            for due in deletions
                .iter()
                .filter(|due| due.kind == EventKind::Deleted)
            {
                let Some(event) = stream.event(due) else {
                    continue;
                };
                found.look(event.content == due.content, || {
                    let what = format!(
                        "{} was {:?}, told {:?}",
                        due.name, due.content, event.content
                    );
                    self.breach(stream, due.revision, what)
                });
            }
        }
    }

    /// A list is the state at its revision.
    fn snapshots(&self, found: &mut Found) {
        for list in &self.observed.lists {
            let due = self.truth.state(list.revision, list.selected);
            let mut told = list.items.clone();
            told.retain(|name, _| self.truth.is_sure_of(name, list.revision));
            found.look(due == told, || Breach {
                who: who(list),
                revision: list.revision,
                what: difference(&due, &told),
            });
        }
    }

    fn initial_events(&self, found: &mut Found) {
        for stream in &self.streams {
            let Some(end) = stream.initial_end else {
                if let (Start::InitialEvents, End::Silent(revision)) =
                    (stream.watch.start, stream.watch.end)
                {
                    let what = "they never ended".to_owned();
                    found.look(false, || self.breach(stream, revision, what));
                }
                continue;
            };
            let acknowledged = self.truth.acknowledged_before(stream.watch.began_us);
            found.look(end.revision >= acknowledged, || {
                let what = format!("ended at {}, {acknowledged} was acknowledged", end.revision);
                self.breach(stream, end.revision, what)
            });
            let due = self.truth.state(end.revision, stream.watch.selected);
            let told = stream
                .initial
                .iter()
                .filter(|event| self.truth.is_sure_of(&event.name, end.revision))
                .filter_map(|event| Some((event.name.clone(), (event.revision, event.content?))))
                .collect();
            found.look(due == told, || {
                self.breach(stream, end.revision, difference(&due, &told))
            });
        }
    }

    fn starts_after(&self, found: &mut Found) {
        for stream in &self.streams {
            let Some(after) = stream.after else { continue };
            for event in stream.changes() {
                found.look(event.revision > after, || {
                    let what = format!("{} came, the watch was from {after}", event.name);
                    self.breach(stream, event.revision, what)
                });
            }
        }
    }

    fn monotonic(&self, found: &mut Found) {
        for list in &self.observed.lists {
            let least = match list.read {
                Read::Consistent => self.seen_by(list.client, list.began_us),
                Read::NotOlderThan(revision) => revision,
                Read::Any => continue,
            };
            if least == 0 {
                continue;
            }
            found.look(list.revision >= least, || Breach {
                who: who(list),
                revision: list.revision,
                what: format!("older than {least}, which this client had seen or asked for"),
            });
        }
    }

    /// The newest revision that a client had seen before a time.
    fn seen_by(&self, client: u32, before_us: u64) -> u64 {
        let lists = self
            .observed
            .lists
            .iter()
            .filter(|list| list.client == client && list.ended_us < before_us)
            .map(|list| list.revision);
        let events = self
            .observed
            .watches
            .iter()
            .filter(|watch| watch.client == client)
            .flat_map(|watch| &watch.events)
            .filter(|event| event.at_us < before_us)
            .map(|event| event.revision);
        lists.chain(events).max().unwrap_or(0)
    }

    fn consistent_lists(&self, found: &mut Found) {
        let lists = self.observed.lists.iter();
        for list in lists.filter(|list| list.read == Read::Consistent) {
            let acknowledged = self.truth.acknowledged_before(list.began_us);
            if acknowledged == 0 {
                continue;
            }
            found.look(list.revision >= acknowledged, || Breach {
                who: who(list),
                revision: list.revision,
                what: format!("{acknowledged} was acknowledged before it began"),
            });
        }
    }
}

/// Whether something was due before anything else came: the seam between a list or an earlier watch and this one.
pub(super) fn first(stream: &Stream<'_>, due: &Due) -> bool {
    let first = stream.changes().map(|event| event.revision).min();
    first.is_none_or(|first| due.revision <= first)
}
