//! The cache, its clients and its store; what the clients are given is checked as it comes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use model::actions::watch_cache::WatchCacheAction as Action;
use model::machine::{Machine, Now, Out, Request, Step};
use model::machines::watch_cache::{Answer, Input, Key, Output, Refusal, State, Timer, WatchCache};
use model::messages::api::Change;
use model::objects::status::Reason;
use model::rules::resource_version::ReadAt;

use super::history::History;
use super::limits;
use crate::watch_cache::{Pick, Thing};

/// One watch, and what it was given.
pub(super) struct Client {
    pub(super) prefix: &'static str,
    pub(super) filter: Pick,
    /// The revision that the present objects must have at least; `None` for a watch without them.
    pub(super) initial: Option<u64>,
    pub(super) marked: bool,
    pub(super) after: Option<u64>,
    pub(super) objects: Vec<(Key, u64, Thing)>,
    pub(super) objects_due: usize,
    pub(super) changes: Vec<(Change, Key, u64, Thing)>,
    pub(super) untaken: u32,
    pub(super) ended: bool,
}

/// One read that waits.
pub(super) struct Reader {
    pub(super) prefix: &'static str,
    pub(super) filter: Pick,
    pub(super) limit: u64,
    pub(super) at: ReadAt,
    pub(super) least: u64,
}

pub(super) struct World {
    pub(super) machine: WatchCache<Thing>,
    pub(super) state: State<Thing>,
    pub(super) history: History,
    /// The revision of the list under way, and what of it is still to come.
    pub(super) listing: Option<(u64, u64, VecDeque<(Key, u64, Thing)>)>,
    /// The feed: its attempt, and the revision that was fed last.
    pub(super) feed: Option<(u64, u64)>,
    pub(super) questions: VecDeque<u64>,
    pub(super) timers: BTreeSet<Timer>,
    pub(super) clients: BTreeMap<u64, Client>,
    pub(super) readers: BTreeMap<u64, Reader>,
    pub(super) requests: u64,
}

impl World {
    pub(super) fn new() -> Self {
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

    pub(super) fn step(&mut self, input: Input<Thing>) {
        let mut out = Out::new();
        let step = self.machine.step(&mut self.state, Now(0), input, &mut out);
        match step {
            Step::Moved(actions) => actions.into_iter().for_each(|action| self.note(action)),
            Step::Nothing => assert!(out.is_empty(), "nothing has no outputs"),
            Step::Refused(guard) => panic!("refused: {guard}"),
        }
        self.carry_out(&mut out);
    }

    pub(super) fn note(&mut self, action: Action) {
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

    pub(super) fn carry_out(&mut self, out: &mut Out<WatchCache<Thing>>) {
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

    pub(super) fn perform(&mut self, output: Output<Thing>) {
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
    pub(super) fn check_client(&self, id: u64) {
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

    pub(super) fn answered(&mut self, request: u64, answer: Result<Answer<Thing>, Refusal>) {
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
}
