//! What an API server's cache may do, with its reads and watches, in the words that it reports.

use std::collections::{BTreeMap, VecDeque};

use model::actions::watch_cache::{AppliedChange, WatchCacheAction};

pub use super::opened::Watch;
use crate::specification::{Refused, Specification, guard, present};

/// The specification of one API server's cache, from its start to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cache;

/// What a cache has told of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct State {
    /// Whether the objects have been read at all.
    pub filled: bool,
    /// Every change up to this revision has been taken in.
    pub revision: u64,
    /// Changes after this revision are still kept.
    pub floor: u64,
    /// The changes that are kept.
    pub applied: VecDeque<AppliedChange>,
    /// The open watches.
    pub watches: BTreeMap<u64, Watch>,
    /// What waits until the cache is fresh enough.
    pub waiting: BTreeMap<u64, Need>,
    /// The question to the store that is under way.
    pub query: Option<u64>,
}

/// What a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Need {
    /// This revision.
    Revision(u64),
    /// A question to the store, not asked yet.
    Question,
    /// The answer to the question that is under way.
    Answer,
}

impl Specification for Cache {
    type State = State;
    type Action = WatchCacheAction;

    fn begin(&self) -> State {
        State::default()
    }

    fn apply(&self, state: &mut State, action: &WatchCacheAction) -> Result<(), Refused> {
        check(state, action)?;
        take(state, action);
        Ok(())
    }
}

/// Whether a cache may do something.
///
/// # Errors
/// The guard that forbids it.
pub fn check(state: &State, action: &WatchCacheAction) -> Result<(), Refused> {
    use WatchCacheAction as Action;
    match action {
        Action::Filled { revision, .. } => state.may_fill(*revision),
        Action::Applied { revision, changes } => state.may_apply(*revision, changes),
        Action::FeedLost => Ok(()),
        Action::Trimmed { floor } => {
            let detail = || format!("to {floor} from {} at {}", state.floor, state.revision);
            guard(state.floor < *floor, "the window moves forward", detail)?;
            guard(
                *floor <= state.revision,
                "the window ends where the cache is",
                detail,
            )
        }
        Action::Served {
            request, revision, ..
        } => state.may_serve(*request, *revision),
        Action::Waits { request, revision } => {
            let detail = || format!("{request}");
            let waits = state.waiting.contains_key(request);
            guard(!waits, "a request has a name of its own", detail)?;
            let watches = state.watches.contains_key(request);
            guard(!watches, "a request has a name of its own", detail)?;
            guard(
                revision.is_none_or(|revision| !state.filled || revision > state.revision),
                "only what is not fresh enough waits",
                || format!("for {revision:?} at {}", state.revision),
            )
        }
        Action::Declined { .. } => Ok(()),
        // One that was lost is asked again under the next number.
        Action::Queried { query } => guard(
            state.query.is_none_or(|asked| asked < *query),
            "questions are numbered upward",
            || format!("{query} after {:?}", state.query),
        ),
        Action::Answered { query, .. } => guard(
            state.query == Some(*query),
            "an answer belongs to the question that is under way",
            || format!("{query}, asked {:?}", state.query),
        ),
        Action::Opened {
            watcher,
            after,
            initial,
            ..
        } => state.may_open(*watcher, *after, *initial),
        Action::Delivered { watcher, changes } => state.open(*watcher)?.may_see(state, changes),
        Action::Bookmarked {
            watcher, revision, ..
        } => state.open(*watcher)?.may_mark(state, *revision),
        Action::Taken { watcher, changes } => {
            let untaken = state.open(*watcher)?.untaken;
            guard(
                u64::from(*changes) <= untaken,
                "no more is taken than was handed out",
                || format!("{changes} of {untaken}"),
            )
        }
        Action::Closed { watcher, .. } => guard(
            state.watches.contains_key(watcher) || state.waiting.contains_key(watcher),
            "only what is open is closed",
            || format!("{watcher}"),
        ),
    }
}

/// Lets a cache do something that [`check`] allows.
pub fn take(state: &mut State, action: &WatchCacheAction) {
    use WatchCacheAction as Action;
    match action {
        Action::Filled { revision, .. } => {
            if !state.filled || state.revision != *revision {
                state.applied.clear();
                state.floor = *revision;
            }
            state.filled = true;
            state.revision = *revision;
        }
        Action::Applied { revision, changes } => {
            state.applied.extend(changes.iter().cloned());
            state.revision = *revision;
        }
        Action::FeedLost => {}
        Action::Trimmed { floor } => {
            for watch in state.watches.values_mut() {
                let mut pending = watch.pending(&state.applied);
                let lost = pending.any(|change| change.revision <= *floor);
                drop(pending);
                watch.lost |= lost;
            }
            state.applied.retain(|change| change.revision > *floor);
            state.floor = *floor;
        }
        Action::Served { request, .. } | Action::Declined { request, .. } => {
            state.waiting.remove(request);
        }
        Action::Waits { request, revision } => {
            let need = revision.map_or(Need::Question, Need::Revision);
            state.waiting.insert(*request, need);
        }
        Action::Queried { query } => {
            state.query = Some(*query);
            for need in state.waiting.values_mut() {
                if *need == Need::Question {
                    *need = Need::Answer;
                }
            }
        }
        Action::Answered { revision, .. } => {
            state.query = None;
            for need in state.waiting.values_mut() {
                if *need == Need::Answer {
                    *need = Need::Revision(*revision);
                }
            }
        }
        Action::Opened {
            watcher,
            prefix,
            everything,
            after,
            initial,
        } => {
            state.waiting.remove(watcher);
            let watch = Watch {
                prefix: prefix.clone(),
                everything: *everything,
                after: *after,
                initial: *initial,
                sent: *after,
                untaken: 0,
                lost: false,
            };
            state.watches.insert(*watcher, watch);
        }
        Action::Delivered { watcher, changes } => {
            if let Some(watch) = state.watches.get_mut(watcher) {
                watch.untaken += changes.len() as u64;
                if watch.initial > 0 {
                    watch.initial -= (changes.len() as u64).min(watch.initial);
                } else if let Some((_, _, last)) = changes.last() {
                    watch.sent = *last;
                }
            }
        }
        Action::Bookmarked {
            watcher, revision, ..
        } => {
            if let Some(watch) = state.watches.get_mut(watcher) {
                watch.untaken += 1;
                watch.sent = watch.sent.max(*revision);
            }
        }
        Action::Taken { watcher, changes } => {
            if let Some(watch) = state.watches.get_mut(watcher) {
                watch.untaken = watch.untaken.saturating_sub(u64::from(*changes));
            }
        }
        Action::Closed { watcher, .. } => {
            state.watches.remove(watcher);
            state.waiting.remove(watcher);
        }
    }
}

impl State {
    fn open(&self, watcher: u64) -> Result<&Watch, Refused> {
        let watch = self.watches.get(&watcher);
        present(watch, "only an open watch is handed anything", || {
            format!("{watcher}")
        })
    }

    fn may_fill(&self, revision: u64) -> Result<(), Refused> {
        guard(
            !self.filled || revision >= self.revision,
            "a cache never goes back in time",
            || format!("filled as of {revision} at {}", self.revision),
        )?;
        let mut watches = self.watches.values();
        guard(
            !self.filled
                || revision == self.revision
                || watches.all(|watch| watch.sent >= revision),
            "a watch whose changes are not known is closed",
            || {
                format!(
                    "filled as of {revision} at {} with {:?} open",
                    self.revision,
                    self.watches.keys()
                )
            },
        )
    }

    fn may_apply(&self, revision: u64, changes: &[AppliedChange]) -> Result<(), Refused> {
        let detail = || format!("up to {revision} at {}", self.revision);
        guard(self.filled, "changes are taken in after a list", detail)?;
        guard(
            revision > self.revision,
            "changes are taken in once",
            detail,
        )?;
        let mut last = self.revision + 1;
        for change in changes {
            let detail = || format!("{change:?} after {last} in a part up to {revision}");
            let at = change.revision;
            guard(last <= at, "changes are taken in by revision", detail)?;
            guard(
                at <= revision,
                "changes are taken in as far as is said",
                detail,
            )?;
            last = change.revision;
        }
        Ok(())
    }

    fn may_serve(&self, request: u64, revision: u64) -> Result<(), Refused> {
        let detail = || format!("{revision} in {}..={}", self.floor, self.revision);
        guard(self.filled, "a read is as of a list", detail)?;
        let kept = self.floor <= revision;
        guard(kept, "a read is as of a revision that is kept", detail)?;
        let known = revision <= self.revision;
        guard(known, "a read is as of a revision that is known", detail)?;
        self.fresh(request, revision)
    }

    fn fresh(&self, request: u64, revision: u64) -> Result<(), Refused> {
        let need = self.waiting.get(&request);
        let met = match need {
            None => true,
            Some(Need::Revision(needed)) => *needed <= revision,
            Some(Need::Question | Need::Answer) => false,
        };
        guard(met, "what waits is served when it is fresh enough", || {
            format!("{request} as of {revision}, waits for {need:?}")
        })
    }

    fn may_open(&self, watcher: u64, after: u64, initial: u64) -> Result<(), Refused> {
        guard(
            !self.watches.contains_key(&watcher),
            "a request has a name of its own",
            || format!("{watcher}"),
        )?;
        let detail = || format!("after {after}, the window begins at {}", self.floor);
        guard(self.filled, "a watch begins after a list", detail)?;
        guard(
            after >= self.floor,
            "a watch begins inside the window",
            detail,
        )?;
        guard(
            initial == 0 || after == self.revision,
            "initial objects are the present ones",
            || format!("{initial} as of {after} at {}", self.revision),
        )?;
        self.fresh(watcher, after)
    }
}
