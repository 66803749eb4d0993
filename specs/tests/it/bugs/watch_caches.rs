//! Faults of the watch cache.

use model::machines::watch_cache::{Answer, Input, Output, Start, State, Timer, Watch, WatchCache};
use model::messages::api::Change;
use model::objects::status::{Reason, Status};
use model::rules::resource_version::ReadAt;
use specs::watch::history::Filter;
use specs::watch::machines::Held;

use super::faulty::{Fault, MemoryOf};

type Cache = WatchCache<Held>;
type In = Input<Held>;
type Sent = Output<Held>;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheFault {
    /// kubernetes 49992: an empty window takes a watch from one revision before what it can serve.
    EmptyWindow,
    /// kubernetes 73845: what was buffered while a watch caught up is handed to it again.
    Buffered,
    /// kubernetes 49745: changes that are handed out together are not in the order of their revisions.
    Unsorted,
    /// kubernetes 74022: the position after the initial events is the last object's revision.
    LastItem,
    /// kubernetes 116122: a watch lives on when everything is read again.
    Reinitialized,
    /// kubernetes 125244: a bookmark is behind what was handed out.
    BookmarkBehind,
    /// kubernetes 24004: a watch begins at its revision, not after it.
    AtRevision,
    /// kubernetes 59848: a list that is to be consistent is answered with what is at hand.
    AnyList,
    /// kubernetes 122830: initial events do not wait until they are fresh.
    AnyInitial,
    /// etcd 15220: a bookmark overtakes the events before it.
    BookmarkAhead,
    /// etcd 15271: a watch after a revision that this server has not reached begins where the server is.
    FutureWatch,
    /// etcd 20221: such a watch is told how far the server is.
    FutureProgress,
    /// etcd 17529: a slow watch whose place is lost goes on behind the gap.
    Starved,
    /// A revision that changed two objects is handed out in two parts.
    Split,
    /// A watch that catches up is handed a change twice.
    Doubled,
    /// A selector's watch is handed what it does not select.
    Unfiltered,
    /// An object that enters a selector is told as modified.
    EnterModified,
    /// An object that leaves a selector is told as modified.
    LeaveModified,
    /// A deletion carries another object than the last.
    OtherObject,
    /// A watch after a revision in the window is refused with 410.
    Nervous,
    /// A list bears a later revision than its objects.
    ListAhead,
}

/// The name under which the revision is remembered after which the store is followed.
const FILLED: u64 = u64::MAX;

/// The name under which watches are counted.
const WATCHES: u64 = u64::MAX - 1;

/// Faults without a history strike from a server's second watch on, so that a calm run does not meet them.
fn watched_again(memory: &MemoryOf<Cache>) -> bool {
    memory
        .numbers
        .get(&WATCHES)
        .is_some_and(|watches| *watches > 1)
}

impl Fault<Cache> for CacheFault {
    fn input(&self, state: &State<Held>, memory: &mut MemoryOf<Cache>, input: In) -> In {
        if let Input::Watch { request, .. } = &input {
            memory.inputs.insert(*request, input.clone());
            *memory.numbers.entry(WATCHES).or_default() += 1;
        }
        let again = watched_again(memory);
        match (self, input) {
            (CacheFault::EmptyWindow, input) => match after(&input) {
                Some(after) if memory.numbers.get(&FILLED) == Some(&(after + 1)) => {
                    begun(input, after + 1)
                }
                _ => input,
            },
            (CacheFault::AtRevision, input) => match after(&input) {
                Some(after) if memory.numbers.get(&FILLED) < Some(&after) => {
                    begun(input, after - 1)
                }
                _ => input,
            },
            (CacheFault::AnyList, Input::Read { request, read, .. }) => Input::Read {
                request,
                at: ReadAt::Any,
                read,
            },
            (CacheFault::AnyInitial, Input::Watch { request, watch }) => {
                let (at, bookmark) = (ReadAt::Any, true);
                let start = match watch.start {
                    Start::Initial { .. } => Start::Initial { at, bookmark },
                    after => after,
                };
                Input::Watch {
                    request,
                    watch: Watch { start, ..watch },
                }
            }
            (CacheFault::FutureWatch, input) => match (after(&input), state.revision()) {
                (Some(after), Some(revision)) if after > revision => begun(input, revision),
                _ => input,
            },
            (CacheFault::Unfiltered, Input::Watch { request, watch }) if again => {
                let filter = Filter::Everything;
                Input::Watch {
                    request,
                    watch: Watch { filter, ..watch },
                }
            }
            (CacheFault::FutureProgress, Input::Fired(Timer::Bookmarks)) => {
                let revision = state.revision().unwrap_or_default();
                let ahead = |input: &&In| after(input).is_some_and(|after| after > revision);
                let ahead = memory.inputs.values().filter(ahead).filter_map(request);
                memory.extra = ahead.map(|watcher| bookmark(watcher, revision)).collect();
                Input::Fired(Timer::Bookmarks)
            }
            (CacheFault::Nervous, input) => match (after(&input), request(&input)) {
                (Some(after), Some(watcher)) if again && Some(after) < state.revision() => {
                    let status = Status::new(Reason::Expired, "too old resource version");
                    memory.extra.push(Output::Close { watcher, status });
                    Input::Dropped { request: watcher }
                }
                _ => input,
            },
            (_, input) => input,
        }
    }

    fn output(&self, state: &State<Held>, memory: &mut MemoryOf<Cache>, output: Sent) -> Vec<Sent> {
        let revision = state.revision().unwrap_or_default();
        let again = watched_again(memory);
        match (self, output) {
            (CacheFault::EmptyWindow | CacheFault::AtRevision, Output::Follow { epoch, after }) => {
                memory.numbers.insert(FILLED, after);
                vec![Output::Follow { epoch, after }]
            }
            (CacheFault::Buffered, Output::Deliver { watcher, changes }) if again => {
                let first = !memory.numbers.contains_key(&watcher);
                memory.numbers.insert(watcher, revision);
                let again = Output::Deliver { watcher, changes };
                let mut sent = std::mem::take(&mut memory.outputs);
                sent.insert(0, again.clone());
                if first {
                    memory.outputs.push(again);
                }
                sent
            }
            (
                CacheFault::Unsorted,
                Output::Deliver {
                    watcher,
                    mut changes,
                },
            ) => {
                changes.reverse();
                vec![Output::Deliver { watcher, changes }]
            }
            (CacheFault::ListAhead, Output::Answer { request, answer }) => {
                let answer = answer.map(|answer| match answer {
                    Answer::List {
                        revision,
                        items,
                        next,
                        remaining,
                    } if revision > 2 => Answer::List {
                        revision: revision + 1,
                        items,
                        next,
                        remaining,
                    },
                    other => other,
                });
                vec![Output::Answer { request, answer }]
            }
            (CacheFault::LastItem, Output::Deliver { watcher, changes }) => {
                let last = changes.last().map_or(0, |change| change.revision);
                memory.numbers.insert(watcher, last);
                vec![Output::Deliver { watcher, changes }]
            }
            (
                CacheFault::LastItem,
                Output::Bookmark {
                    watcher,
                    revision,
                    initial_events_end: true,
                },
            ) => vec![Output::Bookmark {
                watcher,
                revision: *memory.numbers.get(&watcher).unwrap_or(&revision),
                initial_events_end: true,
            }],
            (CacheFault::Reinitialized, Output::Close { watcher, status }) => {
                reopen(memory, watcher, status, 410, revision)
            }
            (CacheFault::Starved, Output::Close { watcher, status }) => {
                reopen(memory, watcher, status, 429, revision)
            }
            (
                CacheFault::BookmarkBehind,
                Output::Bookmark {
                    watcher, revision, ..
                },
            ) => vec![bookmark(watcher, revision - 1)],
            (CacheFault::BookmarkAhead, Output::Deliver { watcher, changes }) if again => {
                let through = changes.last().map_or(0, |change| change.revision);
                vec![
                    bookmark(watcher, through),
                    Output::Deliver { watcher, changes },
                ]
            }
            (CacheFault::Split, Output::Deliver { watcher, changes }) if again => changes
                .into_iter()
                .map(|change| Output::Deliver {
                    watcher,
                    changes: vec![change],
                })
                .collect(),
            (CacheFault::Doubled, Output::Deliver { watcher, changes }) if again => {
                let output = Output::Deliver { watcher, changes };
                vec![output.clone(), output]
            }
            (
                CacheFault::EnterModified | CacheFault::LeaveModified | CacheFault::OtherObject,
                Output::Deliver {
                    watcher,
                    mut changes,
                },
            ) if again => {
                for change in &mut changes {
                    match (self, change.change) {
                        (CacheFault::EnterModified, Change::Added)
                        | (CacheFault::LeaveModified, Change::Deleted) => {
                            change.change = Change::Modified;
                        }
                        (CacheFault::OtherObject, Change::Deleted) => {
                            change.value.object.marked = !change.value.object.marked;
                        }
                        _ => {}
                    }
                }
                vec![Output::Deliver { watcher, changes }]
            }
            (_, output) => vec![output],
        }
    }
}

fn request(input: &In) -> Option<u64> {
    match input {
        Input::Watch { request, .. } => Some(*request),
        _ => None,
    }
}

fn after(input: &In) -> Option<u64> {
    match input {
        Input::Watch { watch, .. } => match watch.start {
            Start::After(after) => Some(after),
            Start::Initial { .. } => None,
        },
        _ => None,
    }
}

/// The same watch, begun elsewhere.
fn begun(input: In, after: u64) -> In {
    match input {
        Input::Watch { request, watch } => Input::Watch {
            request,
            watch: Watch {
                start: Start::After(after),
                ..watch
            },
        },
        other => other,
    }
}

fn bookmark(watcher: u64, revision: u64) -> Sent {
    Output::Bookmark {
        watcher,
        revision,
        initial_events_end: false,
    }
}

/// Instead of being closed with a code, a watch goes on after the newest revision.
fn reopen(
    memory: &mut MemoryOf<Cache>,
    watcher: u64,
    status: Status,
    code: u16,
    revision: u64,
) -> Vec<Sent> {
    match memory.inputs.get(&watcher) {
        Some(input) if status.reason.code() == code => {
            memory.again.push(begun(input.clone(), revision));
            vec![]
        }
        _ => vec![Output::Close { watcher, status }],
    }
}
