//! One function a promise: what of a session could have shown it broken, and what did.

use std::collections::{BTreeMap, BTreeSet};

use super::history::History;
use super::observed::{Event, Observed, Start, Watch};
use super::{Promise, linear, past};
use crate::suite::{Breach, Found, Verdict};

/// Judges a session: a verdict for each promise, by number.
pub fn judge(observed: &Observed) -> Vec<Verdict<Promise>> {
    let session = Session {
        observed,
        history: History::of(observed),
        compacted: observed
            .compactions
            .iter()
            .map(|compaction| compaction.revision)
            .max()
            .unwrap_or(0),
    };
    Promise::ALL
        .iter()
        .map(|promise| session.verdict(*promise))
        .collect()
}

struct Session<'a> {
    observed: &'a Observed,
    history: History<'a>,
    /// The newest revision to which a compaction was asked for.
    compacted: u64,
}

impl Session<'_> {
    fn verdict(&self, promise: Promise) -> Verdict<Promise> {
        let mut found = Found::default();
        match promise {
            Promise::Ordered => self.ordered(&mut found),
            Promise::Unique => self.unique(&mut found),
            Promise::Reliable => self.reliable(&mut found),
            Promise::Atomic => self.atomic(&mut found),
            Promise::Resumable => self.resumable(&mut found),
            Promise::Bookmarkable => self.bookmarkable(&mut found),
            Promise::Filter => self.filter(&mut found),
            Promise::IsCreate => self.is_create(&mut found),
            Promise::PrevKv => self.previous(&mut found),
            Promise::Transactions => linear::transactions(self.observed, &self.history, &mut found),
            Promise::Ranges => linear::ranges(self.observed, &self.history, &mut found),
            Promise::Compaction => past::compaction(self.observed, &mut found),
            Promise::Leases => past::leases(self.observed, &mut found),
        }
        Verdict { promise, found }
    }

    fn breach(&self, watch: &Watch, revision: u64, what: String) -> Breach {
        let watches = self.observed.watches.iter();
        let own = watches.filter(|other| other.client == watch.client);
        let before = own.take_while(|other| !std::ptr::eq(*other, watch)).count();
        Breach {
            who: format!("watch {} of client {}", before + 1, watch.client),
            revision,
            what,
        }
    }

    fn ordered(&self, found: &mut Found) {
        for watch in &self.observed.watches {
            let events: Vec<&Event> = events(watch).collect();
            for pair in events.windows(2) {
                let [one, next] = pair else { continue };
                let in_order = match one.revision.cmp(&next.revision) {
                    std::cmp::Ordering::Less => true,
                    std::cmp::Ordering::Greater => false,
                    std::cmp::Ordering::Equal => self.follows(one, next),
                };
                found.look(in_order, || {
                    let what = format!("{} came after {} at {}", next.key, one.key, one.revision);
                    self.breach(watch, next.revision, what)
                });
            }
        }
    }

    /// Whether two events of one revision stand as in its transaction; the same one twice is another promise.
    fn follows(&self, one: &Event, next: &Event) -> bool {
        let changes = self.history.changes(one.revision);
        let place = |event: &Event| changes.iter().position(|(key, _)| *key == event.key);
        match (place(one), place(next)) {
            (Some(one), Some(next)) => one <= next,
            _ => true,
        }
    }

    fn unique(&self, found: &mut Found) {
        for watch in &self.observed.watches {
            let mut seen = BTreeSet::new();
            for event in events(watch) {
                found.look(seen.insert((event.revision, &event.key)), || {
                    self.breach(watch, event.revision, format!("{} came twice", event.key))
                });
            }
        }
    }

    fn reliable(&self, found: &mut Found) {
        for watch in &self.observed.watches {
            let told: BTreeSet<(u64, &str)> = events(watch)
                .map(|event| (event.revision, event.key.as_str()))
                .collect();
            // How far a watch must have come its last event says; a message that says more is another promise.
            let through = told.last().map_or(0, |(revision, _)| *revision);
            let due = self.due(watch, through);
            for (revision, key) in due {
                found.look(told.contains(&(revision, key)), || {
                    self.breach(watch, revision, format!("the event of {key} never came"))
                });
            }
            for event in events(watch) {
                let Some(write) = self.history.acknowledged.get(&event.revision) else {
                    continue;
                };
                let value = event.now.map(|state| state.value);
                let written = write.changes.contains(&(event.key.clone(), value));
                found.look(written, || {
                    let what = format!(
                        "{} became {value:?}, written was {:?}",
                        event.key, write.changes
                    );
                    self.breach(watch, event.revision, what)
                });
            }
        }
    }

    /// What a watch was to be sent up to a revision.
    fn due(&self, watch: &Watch, through: u64) -> Vec<(u64, &str)> {
        let after = watch.start.revision();
        self.history.due(after, through, watch.key.as_deref())
    }

    fn atomic(&self, found: &mut Found) {
        for watch in &self.observed.watches {
            let mut carried: BTreeMap<u64, usize> = BTreeMap::new();
            for (nth, message) in watch.messages.iter().enumerate() {
                for event in &message.events {
                    let first = *carried.entry(event.revision).or_insert(nth);
                    if self.history.changes(event.revision).len() < 2 || watch.key.is_some() {
                        continue;
                    }
                    found.look(first == nth, || {
                        let what = format!("{} came in another message", event.key);
                        self.breach(watch, event.revision, what)
                    });
                }
            }
        }
    }

    /// Nothing from before, and what is due first comes.
    fn resumable(&self, found: &mut Found) {
        for watch in &self.observed.watches {
            let after = watch.start.revision();
            for event in events(watch) {
                found.look(event.revision > after, || {
                    let what = format!("{} came, the watch was from {after}", event.key);
                    self.breach(watch, event.revision, what)
                });
            }
            let Start::Resumed(_) = watch.start else {
                continue;
            };
            let Some(first) = events(watch).map(|event| event.revision).min() else {
                continue;
            };
            let missing = self.due(watch, first).into_iter().find(|due| {
                !events(watch).any(|event| (event.revision, event.key.as_str()) == *due)
            });
            found.look(missing.is_none(), || {
                let what = format!("resumed after {after}, began at {first} without {missing:?}");
                self.breach(watch, first, what)
            });
        }
    }

    fn bookmarkable(&self, found: &mut Found) {
        for watch in &self.observed.watches {
            let (mut told, mut reached) = (BTreeSet::new(), watch.start.revision());
            for message in &watch.messages {
                for event in &message.events {
                    told.insert((event.revision, event.key.as_str()));
                    found.look(event.revision > reached, || {
                        let what = format!("{} came after a message at {reached}", event.key);
                        self.breach(watch, event.revision, what)
                    });
                }
                let due = self
                    .history
                    .due(reached, message.revision, watch.key.as_deref());
                let missing = due.into_iter().find(|due| !told.contains(due));
                found.look(missing.is_none(), || {
                    let what = format!(
                        "a message at {}, and {missing:?} had not come",
                        message.revision
                    );
                    self.breach(watch, message.revision, what)
                });
                reached = reached.max(message.revision);
            }
        }
    }

    fn filter(&self, found: &mut Found) {
        for watch in &self.observed.watches {
            let Some(key) = &watch.key else { continue };
            for event in events(watch) {
                found.look(event.key == *key, || {
                    let what = format!("{} came, {key} was asked for", event.key);
                    self.breach(watch, event.revision, what)
                });
            }
        }
    }

    fn is_create(&self, found: &mut Found) {
        for (watch, event) in self.sure_events() {
            let Some(now) = event.now else { continue };
            let due = self.history.state(&event.key, event.revision);
            let agrees = due.is_some_and(|due| {
                (due.created, due.modified, due.version) == (now.created, now.modified, now.version)
            });
            found.look(agrees, || {
                self.breach(
                    watch,
                    event.revision,
                    format!("{} was {due:?}, told {now:?}", event.key),
                )
            });
        }
    }

    fn previous(&self, found: &mut Found) {
        let asked = |(watch, _): &(&Watch, &Event)| watch.previous;
        for (watch, event) in self.sure_events().filter(asked) {
            // etcd begins to send before it has noted that previous states were asked for: what comes first, and only
            // that, may lack them. One that is told is never wrong.
            let mut first = watch
                .messages
                .iter()
                .find(|one| !one.events.is_empty())
                .into_iter();
            if event.previous.is_none() && first.any(|one| one.events.contains(event)) {
                continue;
            }
            let before = event.revision.saturating_sub(1);
            let due = self.history.state(&event.key, before);
            // etcd: "if the previous KV is already compacted, nothing will be returned".
            if event.previous.is_none() && before < self.compacted {
                continue;
            }
            found.look(due == event.previous, || {
                let what = format!("{} was {due:?}, told {:?}", event.key, event.previous);
                self.breach(watch, event.revision, what)
            });
        }
    }

    /// Events of keys that are known, at revisions that are.
    fn sure_events(&self) -> impl Iterator<Item = (&Watch, &Event)> {
        self.observed
            .watches
            .iter()
            .flat_map(|watch| events(watch).map(move |event| (watch, event)))
            .filter(|(_, event)| self.history.is_sure_of(&event.key))
            .filter(|(_, event)| {
                let changes = self.history.changes(event.revision);
                changes.iter().any(|(key, _)| *key == event.key)
            })
    }
}

fn events(watch: &Watch) -> impl Iterator<Item = &Event> {
    watch.messages.iter().flat_map(|message| &message.events)
}
