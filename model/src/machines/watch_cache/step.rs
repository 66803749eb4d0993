//! One input at a time.

use std::marker::PhantomData;

use bincode::{Decode, Encode};

use crate::actions::watch_cache::WatchCacheAction as Action;
use crate::machine::{Machine, Now, Out, Step};

use super::input::{Cached, Input, RequestId};
use super::output::Output;
use super::state::{Feed, Queries, Scopes, State, Window};
use super::{feed, follow, read, watch};

/// How much a watch cache keeps and how long it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Limits {
    /// Changes that the window keeps at most.
    pub window_changes: usize,
    /// Bytes of objects that the window keeps at most, as [`Cached::size`] counts them.
    pub window_bytes: usize,
    /// Changes that may be on their way to one watch.
    pub untaken: u32,
    /// Bytes of objects that may be on their way to one watch, as [`Cached::size`] counts them; the change that
    /// reaches the limit still goes. They stay in memory though the window and the objects may have let them go.
    pub untaken_bytes: usize,
    /// How long a watch may stay behind, in milliseconds.
    pub stall_ms: u64,
    /// How long a request waits for the cache to become fresh enough, in milliseconds.
    pub fresh_ms: u64,
    /// Requests that may wait.
    pub waiting: usize,
    /// Milliseconds between bookmarks.
    pub bookmark_ms: u64,
    /// The first pause before the store is followed again, in milliseconds; it doubles up to 32 times this.
    pub rest_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            window_changes: 16_384,
            window_bytes: 24 << 20,
            untaken: 1024,
            untaken_bytes: 4 << 20,
            stall_ms: 30_000,
            fresh_ms: 3_000,
            waiting: 16_384,
            bookmark_ms: 60_000,
            rest_ms: 50,
        }
    }
}

/// The machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct WatchCache<V> {
    /// How much it keeps.
    pub limits: Limits,
    value: PhantomData<V>,
}

impl<V> WatchCache<V> {
    /// A watch cache with these limits.
    pub fn new(limits: Limits) -> Self {
        WatchCache {
            limits,
            value: PhantomData,
        }
    }
}

/// What a watch cache waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Timer {
    /// The next attempt to follow the store.
    Rest,
    /// A request has waited long enough.
    Fresh(RequestId),
    /// A watch has been behind long enough.
    Stall(RequestId),
    /// The next bookmarks.
    Bookmarks,
}

impl<V: Cached> Machine for WatchCache<V> {
    /// Nothing: the cache is filled from the store.
    type Durable = ();
    type State = State<V>;
    type Input = Input<V>;
    type Output = Output<V>;
    type Timer = Timer;
    type Action = Action;

    fn start(&self, _: Option<()>, _: Now, out: &mut Out<Self>) -> State<V> {
        let mut state = State {
            epoch: 0,
            feed: Feed::Resting { list: true },
            attempts: 0,
            filled: false,
            revision: 0,
            objects: Default::default(),
            window: Window::empty(0),
            watchers: Default::default(),
            scopes: Scopes::default(),
            behind: Default::default(),
            waiting: Default::default(),
            due: Default::default(),
            queries: Queries::default(),
        };
        out.timer(Timer::Bookmarks, self.limits.bookmark_ms);
        feed::attempt(&mut state, true, out);
        state
    }

    fn step(
        &self,
        state: &mut State<V>,
        _: Now,
        input: Input<V>,
        out: &mut Out<Self>,
    ) -> Step<Action> {
        let mut turn = Turn {
            limits: &self.limits,
            state,
            out,
            actions: Vec::new(),
        };
        let handled = match input {
            Input::Listed {
                epoch,
                revision,
                items,
                more,
            } => feed::listed(&mut turn, epoch, revision, items, more),
            Input::Fed {
                epoch,
                revision,
                changes,
            } => follow::fed(&mut turn, epoch, revision, changes),
            Input::Expired { epoch } => feed::ended(&mut turn, epoch, true),
            Input::Lost { epoch } => feed::ended(&mut turn, epoch, false),
            Input::Progressed { query, revision } => read::progressed(&mut turn, query, revision),
            Input::QueryLost { query } => read::query_lost(&mut turn, query),
            Input::Read { request, at, read } => read::read(&mut turn, request, at, read),
            Input::Watch { request, watch } => watch::open(&mut turn, request, watch),
            Input::Taken { watcher, changes } => watch::taken(&mut turn, watcher, changes),
            Input::Ending { watcher } => watch::ending(&mut turn, watcher),
            Input::Dropped { request } => watch::dropped(&mut turn, request),
            Input::Fired(Timer::Rest) => feed::rested(&mut turn),
            Input::Fired(Timer::Fresh(request)) => read::overdue(&mut turn, request),
            Input::Fired(Timer::Stall(watcher)) => watch::stalled(&mut turn, watcher),
            Input::Fired(Timer::Bookmarks) => watch::bookmarks(&mut turn),
        };
        match handled {
            Handled::Refused(guard) => Step::Refused(guard),
            Handled::Nothing => Step::Nothing,
            Handled::Moved => Step::Moved(turn.actions),
        }
    }

    fn fired(&self, timer: Timer) -> Input<V> {
        Input::Fired(timer)
    }
}

/// What became of an input, for the handlers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handled {
    Moved,
    Nothing,
    Refused(&'static str),
}

/// A step while it is taken.
pub(super) struct Turn<'a, V: Cached> {
    pub(super) limits: &'a Limits,
    pub(super) state: &'a mut State<V>,
    pub(super) out: &'a mut Out<WatchCache<V>>,
    pub(super) actions: Vec<Action>,
}

impl<V: Cached> Turn<'_, V> {
    pub(super) fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    pub(super) fn push(&mut self, output: Output<V>) {
        self.out.push(output);
    }
}
