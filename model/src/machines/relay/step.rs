//! One step: who handles what.

use super::history::History;
use super::state::{Away, State};
use super::{Attachment, Input, Limits, Output, Relay, Timer, Value};
use crate::actions::store::{Changed, StoreAction};
use crate::machine::{Machine, Now, Out, Step};
use crate::messages::store::{Event, StoreError};

/// How long asks wait for an engine that is away, in milliseconds: as long as an etcd takes to be started again.
const GIVE_UP_MS: u64 = 5_000;

impl<V: Value> Machine for Relay<V> {
    /// What was found when the engine was first reached.
    type Durable = Attachment<V>;
    type State = State<V>;
    type Input = Input<V>;
    type Output = Output<V>;
    type Timer = Timer;
    type Action = StoreAction;

    fn start(&self, found: Option<Attachment<V>>, _now: Now, _out: &mut Out<Self>) -> State<V> {
        let away = found.is_none().then(|| Away {
            reason: "it was not reached yet".to_owned(),
            held: None,
        });
        let history = History::of(found.unwrap_or(Attachment {
            after: 0,
            revision: 0,
            events: Vec::new(),
        }));
        State {
            away,
            told: history.position,
            history,
            calls: Default::default(),
            watches: Default::default(),
            rest: Default::default(),
            marking: false,
        }
    }

    fn began(&self, state: &State<V>) -> Vec<StoreAction> {
        match &state.away {
            None => vec![attached(&state.history)],
            Some(away) => vec![StoreAction::Detached {
                reason: away.reason.clone(),
            }],
        }
    }

    fn step(
        &self,
        state: &mut State<V>,
        _now: Now,
        input: Input<V>,
        out: &mut Out<Self>,
    ) -> Step<StoreAction> {
        let mut turn = Turn {
            limits: &self.limits,
            state,
            out,
            actions: Vec::new(),
            sent: 0,
        };
        let refused = match input {
            Input::Ask { from, request } => {
                turn.ask(from, request);
                None
            }
            Input::Called { call, answer } => turn.called(call, answer),
            Input::Attached(attachment) => {
                turn.attached(attachment);
                None
            }
            Input::Fed { revision, events } => turn.fed(revision, events),
            Input::Detached { reason } => {
                turn.detached(reason);
                None
            }
            Input::Watch { watch, request } => turn.watch(watch, request),
            Input::Taken { watch } => turn.taken(watch),
            Input::Unwatch { watch } => {
                turn.unwatch(watch);
                None
            }
            Input::SendRest => {
                turn.send_rest();
                None
            }
            Input::MarkDue => {
                turn.mark_due();
                None
            }
            Input::GiveUp => {
                turn.give_up();
                None
            }
        };
        match (refused, turn.actions) {
            (Some(guard), _) => Step::Refused(guard),
            (None, actions) if actions.is_empty() => Step::Nothing,
            (None, actions) => Step::Moved(actions),
        }
    }

    fn fired(&self, timer: Timer) -> Input<V> {
        match timer {
            Timer::SendRest => Input::SendRest,
            Timer::Mark => Input::MarkDue,
            Timer::GiveUp => Input::GiveUp,
        }
    }
}

/// A step under way.
pub(super) struct Turn<'a, V: Value> {
    pub(super) limits: &'a Limits,
    pub(super) state: &'a mut State<V>,
    pub(super) out: &'a mut Out<Relay<V>>,
    pub(super) actions: Vec<StoreAction>,
    /// What was sent to watches, in bytes beside values.
    pub(super) sent: u64,
}

impl<V: Value> Turn<'_, V> {
    /// The engine is back. What it tells joins on to what is known, or takes its place: after a gap, or if the engine
    /// is not the one that it was.
    fn attached(&mut self, attachment: Attachment<V>) {
        let known = &mut self.state.history;
        let joins = (known.compacted..=known.position).contains(&attachment.after)
            && attachment.revision >= known.position
            && self.state.told <= attachment.revision;
        if joins {
            known.append(attachment.revision, attachment.events);
            known.forget(self.limits);
        } else {
            *known = History::of(attachment);
        }
        self.state.told = self.state.history.position;
        self.actions.push(attached(&self.state.history));
        self.out.cancel(Timer::GiveUp);
        let held = self.state.away.take().and_then(|away| away.held);
        for (from, request) in held.unwrap_or_default() {
            self.ask(from, request);
        }
    }

    /// The engine is away: every watch is told, since nobody knows for how long.
    fn detached(&mut self, reason: String) {
        if let Some(away) = &mut self.state.away {
            if away.reason != reason {
                away.reason = reason.clone();
                self.actions.push(StoreAction::Detached { reason });
            }
            return;
        }
        self.cancel_all(&StoreError::Unavailable {
            reason: reason.clone(),
        });
        self.state.away = Some(Away {
            reason: reason.clone(),
            held: Some(Default::default()),
        });
        self.out.timer(Timer::GiveUp, GIVE_UP_MS);
        self.actions.push(StoreAction::Detached { reason });
    }

    /// Nobody waits any longer for an engine that is away.
    fn give_up(&mut self) {
        let Some(away) = &mut self.state.away else {
            return;
        };
        let reason = away.reason.clone();
        let held = away.held.take();
        self.actions.push(StoreAction::Detached {
            reason: reason.clone(),
        });
        for (from, _) in held.unwrap_or_default() {
            let reason = reason.clone();
            self.fail(from, StoreError::Unavailable { reason });
        }
    }

    fn fed(&mut self, revision: u64, events: Vec<Event<V>>) -> Option<&'static str> {
        if self.state.away.is_some() {
            return Some("the engine is not followed");
        }
        let before = self.state.history.position;
        self.state.history.append(revision, events);
        let position = self.state.history.position;
        if position == before {
            return None;
        }
        self.state.told = self.state.told.max(position);
        let mut fits = true;
        for known in self.state.history.since(before) {
            fits &= self.limits.changes >= known.events.len() as u64;
            self.actions.push(StoreAction::Wrote {
                revision: known.revision,
                changes: known.events.iter().map(changed).collect(),
            });
        }
        if !fits {
            self.begin_anew();
            return None;
        }
        self.actions
            .push(StoreAction::Persisted { through: position });
        self.pump_all();
        if let Some(through) = self.state.history.forget(self.limits) {
            self.actions.push(StoreAction::Compacted { through });
            self.cancel_behind();
        }
        None
    }

    /// Somebody else has changed more keys at once than a message of ours can tell of: as if all before was compacted.
    fn begin_anew(&mut self) {
        let position = self.state.history.position;
        self.state.history = History::of(Attachment {
            after: position,
            revision: position,
            events: Vec::new(),
        });
        self.actions.clear();
        self.cancel_all(&StoreError::Behind {
            compacted: position,
        });
        self.actions.push(attached(&self.state.history));
    }

    /// The engine has forgotten what was before a revision: what is served from here is no more than it has.
    pub(super) fn compact(&mut self, revision: u64) {
        if self.state.history.compact(revision) {
            let through = self.state.history.compacted;
            self.actions.push(StoreAction::Compacted { through });
            self.cancel_behind();
        }
    }

    fn cancel_all(&mut self, error: &StoreError) {
        let watches: Vec<_> = self.state.watches.keys().copied().collect();
        for watch in watches {
            self.cancel(watch, error.clone());
        }
    }

    fn cancel_behind(&mut self) {
        let compacted = self.state.history.compacted;
        let watches = self.state.watches.iter();
        let behind: Vec<_> = watches
            .filter(|(_, watch)| watch.position < compacted)
            .map(|(id, _)| *id)
            .collect();
        for watch in behind {
            self.cancel(watch, StoreError::Behind { compacted });
        }
    }
}

fn attached<V>(history: &History<V>) -> StoreAction {
    StoreAction::Attached {
        revision: history.position,
        after: history.compacted,
    }
}

fn changed<V>(event: &Event<V>) -> Changed {
    let (version, lease) = match event {
        Event::Put { now, .. } => (now.version, now.lease),
        Event::Deleted { .. } => (0, 0),
    };
    Changed {
        key: event.key().clone(),
        version,
        lease,
    }
}
