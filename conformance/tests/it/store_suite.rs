//! The suite for stores, on made-up sessions: an honest store keeps every promise, and each lie is caught by its own.

use std::collections::BTreeMap;

use conformance::suite::Outcome;
use conformance::suite::store::observed::{
    Answer, Compaction, End, Event, LEASED, Lease, Message, Observed, Past, Read, Start, State,
    Watch, Write,
};
use conformance::suite::store::{Promise, judge};

/// A store that tells the truth, and what its clients wrote down.
#[derive(Default)]
struct Honest {
    time_us: u64,
    revision: u64,
    keys: BTreeMap<String, State>,
    events: Vec<Event>,
    observed: Observed,
}

impl Honest {
    fn tick(&mut self) -> u64 {
        self.time_us += 10;
        self.time_us
    }

    fn write(&mut self, compare: Option<(&str, u64)>, changes: &[(&str, Option<u64>)]) {
        let began_us = self.tick();
        let at = |key: &str| self.keys.get(key).map_or(0, |state| state.modified);
        let holds = compare.is_none_or(|(key, expected)| at(key) == expected);
        let answer = if holds {
            self.revision += 1;
            for (key, value) in changes {
                self.change(key, *value);
            }
            Answer::Done(self.revision)
        } else {
            let found = compare.and_then(|(key, _)| self.keys.get(key).copied());
            Answer::Lost {
                revision: self.revision,
                found,
            }
        };
        let ended_us = self.tick();
        self.observed.writes.push(Write {
            client: 1,
            began_us,
            ended_us,
            compare: compare.map(|(key, expected)| (key.to_owned(), expected)),
            changes: changes
                .iter()
                .map(|(key, value)| ((*key).to_owned(), *value))
                .collect(),
            answer,
        });
    }

    fn change(&mut self, key: &str, value: Option<u64>) {
        let previous = self.keys.get(key).copied();
        let now = value.map(|value| State {
            created: previous.map_or(self.revision, |state| state.created),
            modified: self.revision,
            version: previous.map_or(1, |state| state.version + 1),
            value,
        });
        match now {
            Some(now) => drop(self.keys.insert(key.to_owned(), now)),
            None => drop(self.keys.remove(key)),
        }
        self.events.push(Event {
            key: key.to_owned(),
            revision: self.revision,
            now,
            previous,
        });
    }

    fn read(&mut self) {
        let began_us = self.tick();
        let ended_us = self.tick();
        self.observed.reads.push(Read {
            client: 2,
            began_us,
            ended_us,
            past: false,
            revision: self.revision,
            items: self.keys.clone(),
        });
    }

    /// A watch of what has happened between two revisions, a message for every so many revisions.
    fn watch(&mut self, client: u32, start: Start, through: u64, key: Option<&str>, step: u64) {
        let after = start.revision();
        let mut messages = Vec::new();
        let mut from = after;
        while from < through {
            let to = (from + step).min(through);
            let inside = |event: &&Event| event.revision > from && event.revision <= to;
            let events = self.events.iter().filter(inside);
            let asked = |event: &&Event| key.is_none_or(|key| key == event.key);
            let events: Vec<Event> = events.filter(asked).cloned().collect();
            let at_us = self.tick();
            messages.push(Message {
                at_us,
                revision: to,
                events,
            });
            from = to;
        }
        let began_us = self.time_us;
        self.observed.watches.push(Watch {
            client,
            began_us,
            start,
            key: key.map(str::to_owned),
            previous: true,
            messages,
            end: End::Left,
        });
    }

    fn past(&mut self, watch: bool, revision: u64, served: bool) {
        let began_us = self.tick();
        let ended_us = self.tick();
        self.observed.pasts.push(Past {
            began_us,
            ended_us,
            watch,
            revision,
            served,
        });
    }
}

/// A session in which every promise had an occasion to be broken.
fn honest() -> Observed {
    let mut store = Honest {
        revision: 1,
        ..Honest::default()
    };
    for n in 1..=12 {
        let value = n * 10;
        let a = store.keys.get("/k/a").map_or(0, |state| state.modified);
        store.write(Some(("/k/a", a)), &[("/k/a", Some(value))]);
        store.write(Some(("/k/a", a)), &[("/k/a", Some(value + 1))]);
        store.write(
            None,
            &[
                ("/k/c", Some(value + 2)),
                ("/k/b", Some(value + 3)),
                ("/k/d", Some(value + 4)),
            ],
        );
        let d = store.keys.get("/k/d").map_or(0, |state| state.modified);
        store.write(Some(("/k/d", d)), &[("/k/d", None)]);
        store.read();
    }
    let leased = format!("{LEASED}1");
    let kept_us = store.tick();
    store.write(None, &[(&leased, Some(9_999))]);
    let written = store.revision;
    store.time_us += 2_500_000;
    store.revision += 1;
    store.change(&leased, None);
    let end = store.revision;
    store.watch(3, Start::AfterRead(1), end, None, 2);
    store.watch(4, Start::AfterRead(1), 13, None, 3);
    store.watch(4, Start::Resumed(13), end, None, 1);
    store.watch(5, Start::AfterRead(1), end, Some("/k/b"), 4);
    let gone_us = store.observed.watches[0]
        .messages
        .last()
        .map(|last| last.at_us);
    store.read();
    store.observed.leases.push(Lease {
        key: leased,
        written,
        ttl_seconds: 2,
        kept_us,
        revoked: None,
        gone_us,
    });
    store.past(false, 8, true);
    let began_us = store.tick();
    let ended_us = store.tick();
    store.observed.compactions.push(Compaction {
        began_us,
        ended_us,
        revision: 10,
        done: true,
    });
    store.past(false, 9, false);
    store.past(false, 12, true);
    store.past(true, 6, false);
    store.past(true, 10, true);
    store.observed
}

#[test]
fn an_honest_store_keeps_every_promise() {
    for verdict in judge(&honest()) {
        assert_eq!(verdict.outcome(), Outcome::Kept, "{verdict:#?}");
    }
}

#[test]
fn of_what_was_not_seen_nothing_is_said() {
    for verdict in judge(&Observed::default()) {
        assert_eq!(verdict.outcome(), Outcome::Inconclusive, "{verdict:#?}");
    }
}

/// Asserts that a lie is caught by this promise.
#[track_caller]
fn caught(promise: Promise, lie: impl FnOnce(&mut Observed)) {
    let mut observed = honest();
    lie(&mut observed);
    let verdicts = judge(&observed);
    let broken: Vec<Promise> = verdicts
        .iter()
        .filter(|verdict| verdict.outcome() == Outcome::Broken)
        .map(|verdict| verdict.promise)
        .collect();
    assert!(
        broken.contains(&promise),
        "{promise:?} is not in {broken:?}"
    );
}

/// The message of the first watch with the first event of a key, and its place there.
fn find(observed: &Observed, key: &str, nth: usize) -> (usize, usize) {
    let messages = observed.watches[0].messages.iter().enumerate();
    messages
        .flat_map(|(message, one)| {
            let events = one.events.iter().enumerate();
            events.filter_map(move |(at, event)| (event.key == key).then_some((message, at)))
        })
        .nth(nth)
        .expect("an event of the key")
}

#[test]
fn events_out_of_order() {
    caught(Promise::Ordered, |observed| {
        observed.watches[0].messages.swap(2, 4)
    });
    // Inside a revision: /k/c, /k/b, /k/d is the order of the transaction.
    caught(Promise::Ordered, |observed| {
        let (message, at) = find(observed, "/k/c", 0);
        observed.watches[0].messages[message]
            .events
            .swap(at, at + 1);
    });
}

#[test]
fn an_event_twice() {
    caught(Promise::Unique, |observed| {
        let again = observed.watches[0].messages[3].clone();
        observed.watches[0].messages.insert(4, again);
    });
}

#[test]
fn an_event_dropped_or_made_up() {
    caught(Promise::Reliable, |observed| {
        let (message, at) = find(observed, "/k/b", 4);
        observed.watches[0].messages[message].events.remove(at);
    });
    caught(Promise::Reliable, |observed| {
        let (message, at) = find(observed, "/k/a", 4);
        let event = &mut observed.watches[0].messages[message].events[at];
        event.now = event.now.map(|now| State {
            value: 77_777,
            ..now
        });
    });
}

#[test]
fn a_revision_split() {
    caught(Promise::Atomic, |observed| {
        let (message, at) = find(observed, "/k/b", 3);
        let whole = &mut observed.watches[0].messages[message];
        let rest = whole.events.split_off(at);
        let next = Message {
            events: rest,
            ..whole.clone()
        };
        observed.watches[0].messages.insert(message + 1, next);
    });
}

#[test]
fn a_watch_that_resumes_from_the_wrong_place() {
    caught(Promise::Resumable, |observed| {
        drop(observed.watches[2].messages.remove(0))
    });
    caught(Promise::Resumable, |observed| {
        let again = observed.watches[1].messages.last().cloned().expect("one");
        observed.watches[2].messages.insert(0, again);
    });
}

#[test]
fn a_message_that_says_too_much() {
    caught(Promise::Bookmarkable, |observed| {
        observed.watches[0].messages[2].revision += 4;
    });
}

#[test]
fn an_event_of_another_key() {
    caught(Promise::Filter, |observed| {
        let (message, at) = find(observed, "/k/a", 2);
        let other = observed.watches[0].messages[message].events[at].clone();
        observed.watches[3].messages[1].events.push(other);
    });
}

#[test]
fn a_write_told_as_a_creation() {
    caught(Promise::IsCreate, |observed| {
        let (message, at) = find(observed, "/k/a", 5);
        let event = &mut observed.watches[0].messages[message].events[at];
        event.now = event.now.map(|now| State {
            version: 1,
            created: now.modified,
            ..now
        });
    });
}

#[test]
fn a_previous_state_that_is_not_the_one_before() {
    caught(Promise::PrevKv, |observed| {
        let (message, at) = find(observed, "/k/b", 6);
        let (earlier, place) = find(observed, "/k/b", 2);
        let older = observed.watches[0].messages[earlier].events[place].now;
        observed.watches[0].messages[message].events[at].previous = older;
    });
}

#[test]
fn a_compare_that_saw_what_was_not_there() {
    let cas = |observed: &mut Observed, nth: usize| -> usize {
        let done = |(_, write): &(usize, &Write)| {
            write.compare.is_some() && matches!(write.answer, Answer::Done(_))
        };
        let writes = observed.writes.iter().enumerate();
        writes.filter(done).nth(nth).expect("a swap").0
    };
    caught(Promise::Transactions, |observed| {
        let at = cas(observed, 7);
        if let Some((_, expected)) = &mut observed.writes[at].compare {
            *expected -= 1;
        }
    });
    // Refused, and the key was as it was to be.
    caught(Promise::Transactions, |observed| {
        let lost = observed
            .writes
            .iter_mut()
            .filter_map(|write| match &write.answer {
                Answer::Lost { found, .. } => Some((&mut write.compare, *found)),
                _ => None,
            });
        for (compare, found) in lost {
            if let (Some((_, expected)), Some(found)) = (compare, found) {
                *expected = found.modified;
            }
        }
    });
    // One revision, two transactions.
    caught(Promise::Transactions, |observed| {
        let at = cas(observed, 7);
        observed.writes[at + 1].answer = observed.writes[at].answer.clone();
    });
    // A later transaction that is given an earlier place.
    caught(Promise::Transactions, |observed| {
        let last = observed
            .writes
            .iter()
            .rposition(|write| write.compare.is_none());
        let last = last.expect("a plain write");
        observed.writes[last].answer = Answer::Done(1);
    });
}

#[test]
fn a_range_that_is_stale_or_wrong() {
    caught(Promise::Ranges, |observed| {
        let old = observed.reads[3].clone();
        let read = &mut observed.reads[8];
        (read.revision, read.items) = (old.revision, old.items);
    });
    caught(Promise::Ranges, |observed| {
        observed.reads[8]
            .items
            .remove("/k/b")
            .expect("it was there");
    });
}

#[test]
fn what_was_compacted_and_is_served() {
    caught(Promise::Compaction, |observed| {
        observed.pasts[1].served = true
    });
    caught(Promise::Compaction, |observed| {
        observed.pasts[3].served = true
    });
}

#[test]
fn a_key_that_goes_too_soon_or_not_with_its_lease() {
    caught(Promise::Leases, |observed| {
        let lease = &mut observed.leases[0];
        lease.gone_us = Some(lease.kept_us + 1_000_000);
    });
    caught(Promise::Leases, |observed| {
        let lease = &mut observed.leases[0];
        let revoked = lease.kept_us + 500;
        lease.revoked = Some((revoked, revoked + 10));
        let state = State {
            created: lease.written,
            modified: lease.written,
            version: 1,
            value: 9_999,
        };
        let last = observed.reads.last_mut().expect("a read");
        last.items.insert(lease.key.clone(), state);
    });
}

#[test]
fn a_write_whose_outcome_nobody_knows_accuses_nobody() {
    let mut observed = honest();
    let write = observed.writes[9].clone();
    observed.writes.push(Write {
        began_us: write.ended_us + 1,
        ended_us: write.ended_us + 2,
        compare: None,
        changes: vec![("/k/a".to_owned(), Some(123_456))],
        answer: Answer::Unknown,
        ..write
    });
    for verdict in judge(&observed) {
        assert_ne!(verdict.outcome(), Outcome::Broken, "{verdict:#?}");
    }
}
