//! The watch suite on made-up sessions: silent on a server that tells the truth, loud on each lie.

use std::collections::BTreeMap;

use conformance::suite::observed::{
    Answer, Content, End, Event, EventKind, List, Observed, Read, Start, Watch, Write, WriteKind,
};
use conformance::suite::{Guarantee, Outcome, judge};

/// How many writes a session has; revision `n` is the n-th and is made at `10 n` microseconds.
const WRITES: u64 = 400;

/// An honest server: what was written, by revision.
struct Server {
    history: BTreeMap<u64, (String, Option<Content>)>,
}

impl Server {
    fn new() -> Self {
        let mut history = BTreeMap::new();
        let mut there: BTreeMap<String, Content> = BTreeMap::new();
        for revision in 1..=WRITES {
            let chosen = revision.wrapping_mul(2_654_435_761) >> 7;
            let name = format!("o-{}", chosen % 6);
            let content = Content {
                value: revision,
                selected: chosen % 5 < 2,
            };
            let gone = there.contains_key(&name) && chosen % 7 == 0;
            match gone {
                true => there.remove(&name),
                false => there.insert(name.clone(), content),
            };
            history.insert(revision, (name, (!gone).then_some(content)));
        }
        Server { history }
    }

    fn before(&self, name: &str, revision: u64) -> Option<Content> {
        let mut earlier = self.history.range(..revision).rev();
        earlier
            .find(|(_, (other, _))| other == name)
            .and_then(|(_, (_, content))| *content)
    }

    fn state(&self, revision: u64, selected: bool) -> BTreeMap<String, (u64, Content)> {
        let mut state = BTreeMap::new();
        for (at, (name, content)) in self.history.range(..=revision) {
            match content.filter(|content| !selected || content.selected) {
                Some(content) => state.insert(name.clone(), (*at, content)),
                None => state.remove(name),
            };
        }
        state
    }

    fn events(&self, after: u64, through: u64, selected: bool) -> Vec<Event> {
        let shows = |content: &Content| !selected || content.selected;
        let mut events = Vec::new();
        for (revision, (name, content)) in self.history.range(after + 1..=through) {
            let before = self.before(name, *revision).filter(shows);
            let (kind, content) = match (before, content.filter(shows)) {
                (None, None) => continue,
                (None, Some(now)) => (EventKind::Added, now),
                (Some(_), Some(now)) => (EventKind::Modified, now),
                (Some(before), None) => (EventKind::Deleted, before),
            };
            events.push(Event {
                at_us: revision * 10 + 2,
                kind,
                revision: *revision,
                name: name.clone(),
                content: Some(content),
            });
        }
        events
    }
}

fn bookmark(revision: u64, kind: EventKind) -> Event {
    Event {
        at_us: revision * 10 + 3,
        kind,
        revision,
        name: String::new(),
        content: None,
    }
}

fn watch(client: u32, start: Start, began: u64, selected: bool, events: Vec<Event>) -> Watch {
    Watch {
        client,
        began_us: began * 10 + 1,
        start,
        selected,
        slow: false,
        events,
        end: End::Left,
    }
}

/// What clients of an honest server write down.
fn session() -> Observed {
    let server = Server::new();
    let mut observed = Observed::default();
    for (revision, (name, content)) in &server.history {
        let before = server.before(name, *revision);
        let kind = match (before, content) {
            (None, _) => WriteKind::Create,
            (Some(_), Some(_)) => WriteKind::Update,
            (Some(_), None) => WriteKind::Delete,
        };
        observed.writes.push(Write {
            began_us: revision * 10,
            ended_us: revision * 10 + 1,
            name: name.clone(),
            kind,
            content: content.or(before),
            answer: Answer::Done(content.map(|_| *revision)),
        });
    }
    let list = |client, revision: u64, read, selected| List {
        client,
        began_us: revision * 10 + 4,
        ended_us: revision * 10 + 5,
        read,
        selected,
        revision,
        items: server.state(revision, selected),
    };
    for (client, selected) in [(1, false), (2, true)] {
        observed
            .lists
            .push(list(client, 20, Read::Consistent, selected));
        let mut events = server.events(20, 150, selected);
        events.push(bookmark(150, EventKind::Bookmark));
        observed
            .watches
            .push(watch(client, Start::AfterList(20), 20, selected, events));
        let events = server.events(150, 260, selected);
        let last = events.last().map_or(150, |event| event.revision);
        observed
            .watches
            .push(watch(client, Start::Resumed(150), 151, selected, events));
        let mut events = server.events(last, WRITES, selected);
        events.push(bookmark(WRITES, EventKind::Bookmark));
        observed
            .watches
            .push(watch(client, Start::Resumed(last), 262, selected, events));
        observed
            .lists
            .push(list(client, WRITES, Read::Consistent, selected));
    }
    let mut events: Vec<Event> = server
        .state(60, false)
        .into_iter()
        .map(|(name, (revision, content))| Event {
            at_us: 603,
            kind: EventKind::Added,
            revision,
            name,
            content: Some(content),
        })
        .collect();
    events.push(bookmark(60, EventKind::InitialEventsEnd));
    events.extend(server.events(60, WRITES, false));
    observed
        .watches
        .push(watch(3, Start::InitialEvents, 60, false, events));
    let mut slow = watch(
        4,
        Start::AfterList(20),
        20,
        false,
        server.events(20, 300, false),
    );
    slow.slow = true;
    slow.end = End::Failed(429);
    observed
        .lists
        .push(list(4, 20, Read::NotOlderThan(15), false));
    observed.watches.push(slow);
    // From here on what is older than 100 has left the window.
    let mut gone = watch(5, Start::Resumed(5), 200, false, Vec::new());
    gone.end = End::Gone;
    observed.watches.push(gone);
    observed.lists.push(list(5, 201, Read::Consistent, false));
    observed
}

fn broken(observed: &Observed) -> Vec<Guarantee> {
    judge(observed)
        .into_iter()
        .filter(|verdict| verdict.outcome() == Outcome::Broken)
        .map(|verdict| verdict.promise)
        .collect()
}

#[test]
fn an_honest_server_is_not_accused_and_every_guarantee_is_seen() {
    for verdict in judge(&session()) {
        assert_eq!(verdict.outcome(), Outcome::Kept, "{verdict:#?}");
    }
}

#[test]
fn where_nothing_is_seen_nothing_is_claimed() {
    for verdict in judge(&Observed::default()) {
        assert_eq!(verdict.outcome(), Outcome::Inconclusive, "{verdict:?}");
    }
}

/// A lie, and the guarantee that it breaks. Watches of the session: 0 to 2 are of client 1, 3 to 5 of client 2 (who
/// selects), 6 began with the present objects, 7 is slow, 8 was refused with 410.
type Lie = (&'static str, Guarantee, fn(&mut Observed));

const LIES: &[Lie] = &[
    ("an event is dropped", Guarantee::Reliable, |session| {
        session.watches[0].events.remove(40);
    }),
    (
        "the first event after a list is dropped",
        Guarantee::ListThenWatch,
        |session| {
            session.watches[0].events.remove(0);
        },
    ),
    (
        "the first event after a resume is dropped",
        Guarantee::Resumable,
        |session| {
            session.watches[1].events.remove(0);
        },
    ),
    ("an event is doubled", Guarantee::Unique, |session| {
        let again = session.watches[0].events[40].clone();
        session.watches[0].events.insert(41, again);
    }),
    ("two events are swapped", Guarantee::Ordered, |session| {
        session.watches[0].events.swap(40, 41);
    }),
    (
        "a revision is given to two events",
        Guarantee::Atomic,
        |session| {
            let watch = &mut session.watches[0];
            let at = (0..watch.events.len() - 1)
                .find(|at| watch.events[*at].name != watch.events[at + 1].name)
                .unwrap();
            watch.events[at + 1].revision = watch.events[at].revision;
        },
    ),
    ("a revision is rewritten", Guarantee::Unique, |session| {
        session.watches[0].events[40].revision += 1;
    }),
    (
        "a slow watch is thinned",
        Guarantee::NeverThinned,
        |session| {
            let mut number = 0;
            session.watches[7].events.retain(|_| {
                number += 1;
                number % 10 != 0
            });
        },
    ),
    (
        "a watch resumes from too early",
        Guarantee::StartsAfter,
        |session| {
            let before = session.watches[0].events[session.watches[0].events.len() - 2].clone();
            session.watches[1].events.insert(0, before);
        },
    ),
    (
        "a bookmark goes too far",
        Guarantee::Bookmarkable,
        |session| {
            session.watches[0]
                .events
                .insert(40, bookmark(140, EventKind::Bookmark));
        },
    ),
    (
        "a later watch is served what was gone",
        Guarantee::Gone,
        |session| {
            let server = Server::new();
            let served = watch(
                6,
                Start::Resumed(4),
                210,
                false,
                server.events(4, 30, false),
            );
            session.watches.push(served);
        },
    ),
    (
        "an addition is told as a change",
        Guarantee::IsCreate,
        |session| {
            let events = &mut session.watches[0].events;
            let event = events
                .iter_mut()
                .find(|event| event.kind == EventKind::Added)
                .unwrap();
            event.kind = EventKind::Modified;
        },
    ),
    (
        "a deletion carries another state",
        Guarantee::PreviousState,
        |session| {
            let events = &mut session.watches[3].events;
            let event = events
                .iter_mut()
                .find(|event| event.kind == EventKind::Deleted)
                .unwrap();
            event.content = event.content.map(|content| Content {
                value: content.value + 1,
                ..content
            });
        },
    ),
    (
        "what does not match is delivered",
        Guarantee::Filter,
        |session| {
            let other = session.watches[0]
                .events
                .iter()
                .find(|event| event.content.is_some_and(|content| !content.selected))
                .unwrap()
                .clone();
            session.watches[3].events.insert(0, other);
        },
    ),
    (
        "what leaves a selector is told as a change",
        Guarantee::Selector,
        |session| {
            let server = Server::new();
            let left = |event: &Event| {
                event.kind == EventKind::Deleted && server.history[&event.revision].1.is_some()
            };
            let events = &mut session.watches[3].events;
            let event = events.iter_mut().find(|event| left(event)).unwrap();
            event.kind = EventKind::Modified;
        },
    ),
    (
        "a list misses an object",
        Guarantee::ListThenWatch,
        |session| {
            session.lists[1].items.pop_first();
        },
    ),
    (
        "a consistent list is stale",
        Guarantee::ConsistentList,
        |session| {
            let server = Server::new();
            let list = &mut session.lists[1];
            (list.revision, list.items) = (390, server.state(390, list.selected));
        },
    ),
    (
        "a client goes back in time",
        Guarantee::Monotonic,
        |session| {
            let server = Server::new();
            let list = session
                .lists
                .iter_mut()
                .find(|list| list.client == 4)
                .unwrap();
            (list.revision, list.items) = (10, server.state(10, false));
        },
    ),
    (
        "initial events end too early",
        Guarantee::InitialEvents,
        |session| {
            let events = &mut session.watches[6].events;
            let end = events
                .iter_mut()
                .find(|event| event.kind == EventKind::InitialEventsEnd)
                .unwrap();
            end.revision = 50;
        },
    ),
    (
        "an initial event is missing",
        Guarantee::InitialEvents,
        |session| {
            session.watches[6].events.remove(0);
        },
    ),
];

#[test]
fn every_lie_is_caught_by_the_guarantee_that_it_breaks() {
    for (lie, guarantee, tell) in LIES {
        let mut observed = session();
        tell(&mut observed);
        let broken = broken(&observed);
        assert!(
            broken.contains(guarantee),
            "{lie}: {guarantee:?} stands, broken are {broken:?}"
        );
    }
}

#[test]
fn every_guarantee_has_a_lie() {
    let missing: Vec<_> = Guarantee::ALL
        .iter()
        .filter(|guarantee| LIES.iter().all(|lie| lie.1 != **guarantee))
        .collect();
    assert_eq!(missing, Vec::<&Guarantee>::new());
}

/// A write without an answer may have been done or not: neither is held against the server.
#[test]
fn what_nobody_can_know_is_not_held_against_the_server() {
    let mut observed = session();
    for write in observed.writes.iter_mut().skip(100).step_by(9) {
        write.answer = Answer::Unknown;
    }
    assert_eq!(broken(&observed), []);
}

/// A deletion of which no watch told: what is known of the object before and after it is still held against the server,
/// and so is its silence if somebody saw everything around it.
#[test]
fn a_deletion_of_which_nobody_told_is_missed() {
    let mut observed = session();
    let deleted: Vec<u64> = observed.watches[6]
        .events
        .iter()
        .filter(|event| event.kind == EventKind::Deleted)
        .map(|event| event.revision)
        .collect();
    assert!(deleted.len() > 3, "{deleted:?}");
    for watch in &mut observed.watches {
        watch
            .events
            .retain(|event| !deleted.contains(&event.revision));
    }
    let broken = broken(&observed);
    assert_eq!(broken, [Guarantee::Reliable]);
}
