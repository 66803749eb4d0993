//! The watch cache against a store that forgets nothing: under arbitrary histories, breaks, compactions and
//! paces, what each watch and each read was given is what the history says.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use model::actions::watch_cache::WatchCacheAction as Action;
use model::machine::{Machine, Now, Out, Request, Step};
use model::machines::watch_cache::{
    Answer, Cached, Fed, Input, Key, Limits, Listed, Output, Read, Refusal, Start, State, Timer,
    Watch, WatchCache,
};
use model::messages::api::Change;
use model::objects::status::Reason;
use model::rules::resource_version::ReadAt;
use proptest::prelude::*;

use crate::watch_cache::{Pick, Thing};

const PREFIXES: [&str; 4] = ["/r/a/", "/r/a/1/", "/r/a/2/", "/r/a/1/x"];
const KEYS: [&str; 5] = ["/r/a/1/x", "/r/a/1/xx", "/r/a/1/y", "/r/a/2/x", "/r/b/1/x"];

fn limits() -> Limits {
    Limits {
        window_changes: 6,
        window_bytes: 100,
        untaken: 3,
        waiting: 100,
        ..Limits::default()
    }
}

#[derive(Clone, Debug)]
enum Happening {
    /// A transaction of one or two keys.
    Write(Vec<(usize, Option<u8>)>),
    Compact,
    /// The store feeds so many revisions at once.
    Feed(usize),
    /// The list under way goes on by so many objects.
    ListOn(usize),
    Break,
    /// Timers fire: the pause, the bookmarks, the oldest stall.
    Rest,
    Bookmarks,
    Stall,
    Watch(usize, Pick, Begin, bool),
    Take(usize, u32),
    Drop(usize),
    TellRevision,
    LoseQuestion,
    Read(usize, Pick, Begin, u64),
    Overdue,
}

/// Where a watch or read begins, relative to what is.
#[derive(Clone, Copy, Debug)]
enum Begin {
    /// After (or at exactly) a revision so far back.
    Back(u64),
    Any,
    /// At least the store's newest.
    Newest,
    Consistent,
}

fn pick() -> impl Strategy<Value = Pick> {
    prop_oneof![
        Just(Pick::Every),
        (0..20u8).prop_map(Pick::Least),
        (0..4u8).prop_map(Pick::Of)
    ]
}

fn begin() -> impl Strategy<Value = Begin> {
    prop_oneof![
        (0..8u64).prop_map(Begin::Back),
        Just(Begin::Any),
        Just(Begin::Newest),
        Just(Begin::Consistent)
    ]
}

fn happening() -> impl Strategy<Value = Happening> {
    let write = (0..KEYS.len(), prop::option::weighted(0.7, 0..20u8));
    prop_oneof![
        6 => prop::collection::vec(write, 1..3).prop_map(Happening::Write),
        6 => (1..4usize).prop_map(Happening::Feed),
        2 => (1..4usize).prop_map(Happening::ListOn),
        2 => (0..PREFIXES.len(), pick(), begin(), any::<bool>())
            .prop_map(|(prefix, pick, begin, mark)| Happening::Watch(prefix, pick, begin, mark)),
        2 => (0..PREFIXES.len(), pick(), begin(), 0..3u64)
            .prop_map(|(prefix, pick, begin, limit)| Happening::Read(prefix, pick, begin, limit)),
        4 => (0..8usize, 1..4u32).prop_map(|(watch, count)| Happening::Take(watch, count)),
        2 => Just(Happening::TellRevision),
        1 => Just(Happening::Compact),
        1 => Just(Happening::Break),
        1 => Just(Happening::Rest),
        1 => Just(Happening::Bookmarks),
        1 => Just(Happening::Stall),
        1 => Just(Happening::LoseQuestion),
        1 => Just(Happening::Overdue),
        1 => (0..8usize).prop_map(Happening::Drop),
    ]
}

type Change1 = (Key, Option<Thing>);

/// Everything that was ever written.
#[derive(Default)]
struct History {
    revisions: Vec<(u64, Vec<Change1>)>,
    compacted: u64,
}

impl History {
    fn newest(&self) -> u64 {
        self.revisions.last().map_or(1, |(revision, _)| *revision)
    }

    fn at(&self, revision: u64) -> BTreeMap<Key, (u64, Thing)> {
        let mut objects = BTreeMap::new();
        for (at, changes) in self.revisions.iter().filter(|(at, _)| *at <= revision) {
            for (key, value) in changes {
                match value {
                    Some(value) => objects.insert(key.clone(), (*at, *value)),
                    None => objects.remove(key),
                };
            }
        }
        objects
    }

    /// What a watch sees after a revision.
    fn seen(&self, after: u64, prefix: &str, filter: &Pick) -> Vec<(Change, Key, u64, Thing)> {
        let mut objects = self.at(after);
        let mut seen = Vec::new();
        for (revision, changes) in self.revisions.iter().filter(|(at, _)| *at > after) {
            for (key, value) in changes {
                let before = match value {
                    Some(value) => objects.insert(key.clone(), (*revision, *value)),
                    None => objects.remove(key),
                };
                let before = before
                    .map(|(_, value)| value)
                    .filter(|value| value.matches(filter));
                let now = value.filter(|value| value.matches(filter));
                let told = match (before, now) {
                    _ if !covers(prefix, key) => continue,
                    (None, None) => continue,
                    (None, Some(now)) => (Change::Added, now),
                    (Some(_), Some(now)) => (Change::Modified, now),
                    (Some(before), None) => (Change::Deleted, before),
                };
                seen.push((told.0, key.clone(), *revision, told.1));
            }
        }
        seen
    }

    fn selected(&self, at: u64, prefix: &str, filter: &Pick) -> Vec<(Key, u64, Thing)> {
        let objects = self.at(at).into_iter();
        objects
            .filter(|(key, (_, value))| covers(prefix, key) && value.matches(filter))
            .map(|(key, (revision, value))| (key, revision, value))
            .collect()
    }
}

fn covers(prefix: &str, key: &str) -> bool {
    if prefix.ends_with('/') {
        key.starts_with(prefix)
    } else {
        key == prefix
    }
}

/// One watch, and what it was given.
struct Client {
    prefix: &'static str,
    filter: Pick,
    /// The revision that the present objects must have at least; `None` for a watch without them.
    initial: Option<u64>,
    marked: bool,
    after: Option<u64>,
    objects: Vec<(Key, u64, Thing)>,
    objects_due: usize,
    changes: Vec<(Change, Key, u64, Thing)>,
    untaken: u32,
    ended: bool,
}

/// One read that waits.
struct Reader {
    prefix: &'static str,
    filter: Pick,
    limit: u64,
    at: ReadAt,
    least: u64,
}

struct World {
    machine: WatchCache<Thing>,
    state: State<Thing>,
    history: History,
    /// The revision of the list under way, and what of it is still to come.
    listing: Option<(u64, u64, VecDeque<(Key, u64, Thing)>)>,
    /// The feed: its attempt, and the revision that was fed last.
    feed: Option<(u64, u64)>,
    questions: VecDeque<u64>,
    timers: BTreeSet<Timer>,
    clients: BTreeMap<u64, Client>,
    readers: BTreeMap<u64, Reader>,
    requests: u64,
}

impl World {
    fn new() -> Self {
        let machine = WatchCache::new(limits());
        let mut out = Out::new();
        let state = machine.start(None, Now(0), &mut out);
        let mut world = World {
            machine,
            state,
            history: History::default(),
            listing: None,
            feed: None,
            questions: VecDeque::new(),
            timers: BTreeSet::new(),
            clients: BTreeMap::new(),
            readers: BTreeMap::new(),
            requests: 0,
        };
        world.carry_out(&mut out);
        world
    }

    fn step(&mut self, input: Input<Thing>) {
        let mut out = Out::new();
        let step = self.machine.step(&mut self.state, Now(0), input, &mut out);
        match step {
            Step::Moved(actions) => actions.into_iter().for_each(|action| self.note(action)),
            Step::Nothing => assert!(out.is_empty(), "nothing has no outputs"),
            Step::Refused(guard) => panic!("refused: {guard}"),
        }
        self.carry_out(&mut out);
    }

    fn note(&mut self, action: Action) {
        if let Action::Opened {
            watcher,
            after,
            initial,
            ..
        } = action
        {
            let client = self
                .clients
                .get_mut(&watcher)
                .expect("an opened watch was asked for");
            client.after = Some(after);
            client.objects_due = initial as usize;
            if let Some(least) = client.initial {
                assert!(after >= least, "as fresh as asked: {after} for {least}");
            }
        }
    }

    fn carry_out(&mut self, out: &mut Out<WatchCache<Thing>>) {
        let requests: Vec<_> = out.drain().collect();
        for request in requests {
            match request {
                Request::Timer(timer, _) => {
                    self.timers.insert(timer);
                }
                Request::Cancel(timer) => {
                    self.timers.remove(&timer);
                }
                Request::Output(output) => self.perform(output),
            }
        }
    }

    fn perform(&mut self, output: Output<Thing>) {
        match output {
            Output::List {
                epoch,
                revision: None,
                ..
            } => {
                let revision = self.history.newest();
                let objects = self.history.at(revision).into_iter();
                let objects = objects.map(|(key, (at, value))| (key, at, value)).collect();
                self.listing = Some((epoch, revision, objects));
            }
            Output::List { .. } => {}
            Output::Follow { epoch, after } => {
                self.listing = None;
                self.feed = Some((epoch, after));
            }
            Output::Unfollow { .. } => {
                self.listing = None;
                self.feed = None;
            }
            Output::Query { query } => self.questions.push_back(query),
            Output::Answer { request, answer } => self.answered(request, answer),
            Output::Deliver { watcher, changes } => {
                let client = self
                    .clients
                    .get_mut(&watcher)
                    .expect("only open watches are handed changes");
                assert!(!client.ended, "nothing follows the end");
                client.untaken += changes.len() as u32;
                for one in changes {
                    if client.objects_due > 0 {
                        client.objects_due -= 1;
                        assert_eq!(one.change, Change::Added);
                        client.objects.push((one.key, one.revision, one.value));
                    } else {
                        client
                            .changes
                            .push((one.change, one.key, one.revision, one.value));
                    }
                }
                self.check_client(watcher);
            }
            Output::Bookmark {
                watcher,
                revision,
                initial_events_end,
            } => {
                let client = self
                    .clients
                    .get_mut(&watcher)
                    .expect("only open watches get bookmarks");
                client.untaken += 1;
                assert_eq!(client.objects_due, 0, "after the initial objects");
                if initial_events_end {
                    assert!(
                        client.marked && client.changes.is_empty(),
                        "before any change"
                    );
                    assert_eq!(Some(revision), client.after);
                }
                let due =
                    self.history
                        .seen(client.after.expect("open"), client.prefix, &client.filter);
                let due = due.into_iter().filter(|one| one.2 <= revision).count();
                assert!(
                    client.changes.len() >= due,
                    "a bookmark at {revision} is behind every change up to it"
                );
            }
            Output::Close { watcher, status } => {
                let client = self
                    .clients
                    .get_mut(&watcher)
                    .expect("only open watches are closed");
                client.ended = true;
                assert!(matches!(
                    status.reason,
                    Reason::Expired | Reason::TooManyRequests | Reason::Timeout
                ));
            }
        }
    }

    /// Guarantees 1, 2, 3, 4, 7, 10, 13, 15 and 17: what was given is the beginning of what the history says,
    /// cut between revisions.
    fn check_client(&self, id: u64) {
        let client = &self.clients[&id];
        let after = client.after.expect("opened before anything is handed out");
        if client.initial.is_some() {
            let due = self.history.selected(after, client.prefix, &client.filter);
            assert_eq!(
                client.objects,
                due[..client.objects.len()],
                "the objects as of {after}"
            );
            assert_eq!(client.objects.len() + client.objects_due, due.len());
        }
        let due = self.history.seen(after, client.prefix, &client.filter);
        let given = client.changes.len();
        assert!(given <= due.len(), "no change that was not made");
        assert_eq!(client.changes, due[..given], "after {after}");
        if let (Some(last), Some(next)) = (client.changes.last(), due.get(given)) {
            assert_ne!(last.2, next.2, "a revision is whole");
        }
    }

    fn answered(&mut self, request: u64, answer: Result<Answer<Thing>, Refusal>) {
        let reader = self.readers.remove(&request).expect("one answer a read");
        match answer {
            Ok(Answer::List {
                revision,
                items,
                next,
                remaining,
            }) => {
                assert!(revision >= reader.least, "guarantee 16");
                if let ReadAt::Exact(exactly) = reader.at {
                    assert_eq!(revision, exactly);
                }
                let due = self
                    .history
                    .selected(revision, reader.prefix, &reader.filter);
                let count = if reader.limit == 0 {
                    due.len()
                } else {
                    due.len().min(reader.limit as usize)
                };
                let values: Vec<Thing> = due.iter().map(|one| one.2).collect();
                assert_eq!(items, values[..count]);
                assert_eq!(next.is_some(), count < due.len());
                if let Some(next) = next {
                    assert_eq!(next, due[count - 1].0);
                    let known = reader.filter == Pick::Every;
                    assert_eq!(remaining, known.then_some((due.len() - count) as u64));
                }
            }
            Ok(Answer::Object(_)) => panic!("a list is answered with a list"),
            Err(Refusal::Expired { asked, oldest }) => assert!(asked < oldest),
            Err(Refusal::TooLarge { .. }) => {}
            Err(Refusal::TooMany) => panic!("not so many wait"),
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Write(changes) => {
                let revision = self.history.newest() + 1;
                let mut written = BTreeMap::new();
                let before = self.history.at(revision);
                for (key, value) in changes {
                    let key = Key::from(KEYS[key]);
                    if value.is_some() || before.contains_key(&key) {
                        written.insert(key, value.map(Thing));
                    }
                }
                if !written.is_empty() {
                    self.history
                        .revisions
                        .push((revision, written.into_iter().collect()));
                }
            }
            Happening::Compact => self.history.compacted = self.history.newest(),
            Happening::Feed(count) => self.feed(count),
            Happening::ListOn(count) => self.list_on(count),
            Happening::Break => {
                let epoch = self
                    .feed
                    .map(|(epoch, _)| epoch)
                    .or(self.listing.as_ref().map(|one| one.0));
                if let Some(epoch) = epoch {
                    self.step(Input::Lost { epoch });
                }
            }
            Happening::Rest => self.fire(|timer| matches!(timer, Timer::Rest)),
            Happening::Bookmarks => self.fire(|timer| matches!(timer, Timer::Bookmarks)),
            Happening::Stall => self.fire(|timer| matches!(timer, Timer::Stall(_))),
            Happening::Overdue => self.fire(|timer| matches!(timer, Timer::Fresh(_))),
            Happening::Watch(prefix, filter, begin, bookmarks) => {
                self.watch(PREFIXES[prefix], filter, begin, bookmarks)
            }
            Happening::Read(prefix, filter, begin, limit) => {
                self.read(PREFIXES[prefix], filter, begin, limit)
            }
            Happening::Take(nth, count) => self.take(nth, count),
            Happening::Drop(nth) => {
                if let Some(id) = self.open(nth) {
                    self.clients.get_mut(&id).expect("it is open").ended = true;
                    self.step(Input::Dropped { request: id });
                }
            }
            Happening::TellRevision => {
                if let Some(query) = self.questions.pop_front() {
                    let revision = self.history.newest();
                    self.step(Input::Progressed { query, revision });
                }
            }
            Happening::LoseQuestion => {
                if let Some(query) = self.questions.pop_front() {
                    self.step(Input::QueryLost { query });
                }
            }
        }
    }

    fn open(&self, nth: usize) -> Option<u64> {
        let open: Vec<u64> = self
            .clients
            .iter()
            .filter(|(_, one)| !one.ended)
            .map(|(id, _)| *id)
            .collect();
        (!open.is_empty()).then(|| open[nth % open.len()])
    }

    fn take(&mut self, nth: usize, count: u32) {
        let Some(id) = self.open(nth) else { return };
        let client = self.clients.get_mut(&id).expect("it is open");
        let changes = count.min(client.untaken);
        client.untaken -= changes;
        if changes > 0 {
            self.step(Input::Taken {
                watcher: id,
                changes,
            });
        }
    }

    fn fire(&mut self, which: impl Fn(&Timer) -> bool) {
        if let Some(timer) = self.timers.iter().copied().find(|timer| which(timer)) {
            self.timers.remove(&timer);
            self.step(self.machine.fired(timer));
        }
    }

    fn feed(&mut self, count: usize) {
        let Some((epoch, fed)) = self.feed else {
            return;
        };
        if fed < self.history.compacted && fed < self.history.newest() {
            return self.step(Input::Expired { epoch });
        }
        let due: Vec<_> = self
            .history
            .revisions
            .iter()
            .filter(|(at, _)| *at > fed)
            .take(count)
            .cloned()
            .collect();
        let revision = due.last().map_or(self.history.newest(), |(at, _)| *at);
        self.feed = Some((epoch, revision));
        let changes = due.into_iter().flat_map(|(revision, changes)| {
            changes.into_iter().map(move |(key, value)| Fed {
                key,
                revision,
                value,
            })
        });
        let changes = changes.collect();
        self.step(Input::Fed {
            epoch,
            revision,
            changes,
        });
    }

    fn list_on(&mut self, count: usize) {
        let Some((epoch, revision, rest)) = &mut self.listing else {
            return;
        };
        let (epoch, revision) = (*epoch, *revision);
        if revision < self.history.compacted {
            return self.step(Input::Expired { epoch });
        }
        let part: Vec<_> = rest.drain(..count.min(rest.len())).collect();
        let more = !rest.is_empty();
        let items = part.into_iter().map(|(key, revision, value)| Listed {
            key,
            revision,
            value,
        });
        let items = items.collect();
        self.step(Input::Listed {
            epoch,
            revision,
            items,
            more,
        });
    }

    fn watch(&mut self, prefix: &'static str, filter: Pick, begin: Begin, bookmarks: bool) {
        let newest = self.history.newest();
        let (start, initial) = match begin {
            Begin::Back(back) => (Start::After(newest.saturating_sub(back)), None),
            Begin::Any => (
                Start::Initial {
                    at: ReadAt::Any,
                    bookmark: bookmarks,
                },
                Some(0),
            ),
            Begin::Newest => (
                Start::Initial {
                    at: ReadAt::AtLeast(newest),
                    bookmark: bookmarks,
                },
                Some(newest),
            ),
            Begin::Consistent => (
                Start::Initial {
                    at: ReadAt::Consistent,
                    bookmark: bookmarks,
                },
                Some(newest),
            ),
        };
        self.requests += 1;
        let client = Client {
            prefix,
            filter,
            initial,
            marked: bookmarks && initial.is_some(),
            after: None,
            objects: Vec::new(),
            objects_due: 0,
            changes: Vec::new(),
            untaken: 0,
            ended: false,
        };
        self.clients.insert(self.requests, client);
        let watch = Watch {
            prefix: Key::from(prefix),
            filter,
            start,
            bookmarks,
        };
        self.step(Input::Watch {
            request: self.requests,
            watch,
        });
    }

    fn read(&mut self, prefix: &'static str, filter: Pick, begin: Begin, limit: u64) {
        let newest = self.history.newest();
        let (at, least) = match begin {
            Begin::Back(back) => (ReadAt::Exact(newest.saturating_sub(back).max(1)), 0),
            Begin::Any => (ReadAt::Any, 0),
            Begin::Newest => (ReadAt::AtLeast(newest), newest),
            Begin::Consistent => (ReadAt::Consistent, newest),
        };
        self.requests += 1;
        self.readers.insert(
            self.requests,
            Reader {
                prefix,
                filter,
                limit,
                at,
                least,
            },
        );
        let read = Read::List {
            prefix: Key::from(prefix),
            filter,
            limit,
            after: None,
        };
        self.step(Input::Read {
            request: self.requests,
            at,
            read,
        });
    }

    /// The faults are over: everything is fed, asked and taken until nothing is left to do.
    fn settle(&mut self) {
        for _ in 0..1000 {
            let waits = self.timers.contains(&Timer::Rest);
            self.fire(|timer| matches!(timer, Timer::Rest));
            self.list_on(100);
            self.feed(100);
            self.happen(Happening::TellRevision);
            let open: Vec<u64> = self
                .clients
                .iter()
                .filter(|(_, one)| !one.ended)
                .map(|(id, _)| *id)
                .collect();
            let mut took = false;
            for (nth, id) in open.into_iter().enumerate() {
                took |= self.clients[&id].untaken > 0;
                self.take(nth, u32::MAX);
            }
            let fed = self
                .feed
                .is_some_and(|(_, fed)| fed == self.history.newest());
            if fed && !took && !waits && self.questions.is_empty() {
                return;
            }
        }
        panic!("it does not settle");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn watches_and_reads_are_what_the_history_says(happenings in prop::collection::vec(happening(), 0..80)) {
        let mut world = World::new();
        for happening in happenings {
            world.happen(happening);
        }
        world.settle();
        prop_assert!(world.readers.is_empty(), "every read is answered");
        prop_assert_eq!(world.state.revision(), Some(world.history.newest()));
        for (id, client) in world.clients.iter().filter(|(_, client)| !client.ended) {
            world.check_client(*id);
            prop_assert_eq!(client.objects_due, 0);
            let after = client.after.expect("every watch is opened or refused");
            let due = world.history.seen(after, client.prefix, &client.filter);
            prop_assert_eq!(client.changes.len(), due.len(), "guarantee 3: no gap, watch {}", id);
        }
    }
}
