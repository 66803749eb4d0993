//! What a reflector does.

use std::fmt::Debug;
use std::hash::Hash;

use crate::actions::reflector::ReflectorAction;
use crate::machine::{Machine, Now, Out, Step};
use crate::machines::reflector::input::{Event, Input, Item, WatchEnd};
use crate::machines::reflector::output::{Delivery, Output};
use crate::machines::reflector::state::{Phase, Reflector, State, Timer};

impl<V: Clone + Debug + Eq + Hash> Machine for Reflector<V> {
    type Durable = ();
    type State = State;
    type Input = Input<V>;
    type Output = Output<V>;
    type Timer = Timer;
    type Action = ReflectorAction;

    fn start(&self, _found: Option<()>, _now: Now, out: &mut Out<Self>) -> State {
        out.push(Output::List);
        State {
            phase: Phase::Listing,
            revision: 0,
            failures: 0,
        }
    }

    fn step(
        &self,
        state: &mut State,
        _now: Now,
        input: Input<V>,
        out: &mut Out<Self>,
    ) -> Step<ReflectorAction> {
        match (state.phase, input) {
            // Steps 4, 6 and 8 begin with a list.
            (Phase::Listing, Input::Listed { revision, items }) => {
                self.listed(state, revision, items, out)
            }
            (Phase::Listing, Input::ListFailed) => {
                self.wait(state, Phase::WaitingToList, out);
                Step::moved(ReflectorAction::Interrupted)
            }
            // Guarantees 1, 2 and 3: each event once, in order.
            (Phase::Watching, Input::Events(events)) => self.events(state, events, out),
            // Guarantee 6: a bookmark at r says that every event up to r has been delivered.
            (Phase::Watching, Input::Bookmark(revision)) => {
                if revision < state.revision || (revision == state.revision && state.failures == 0)
                {
                    return Step::Nothing;
                }
                state.revision = revision;
                state.failures = 0;
                Step::moved(ReflectorAction::Advanced { revision })
            }
            // Guarantee 11: the revision is gone, so only a list can tell what happened since.
            (Phase::Watching, Input::WatchEnded(WatchEnd::Gone | WatchEnd::Lagging)) => {
                if state.failures > 0 {
                    self.wait(state, Phase::WaitingToList, out);
                    return Step::moved(ReflectorAction::Interrupted);
                }
                state.failures = 1;
                self.list(state, out);
                Step::Moved(vec![ReflectorAction::Interrupted, ReflectorAction::Listing])
            }
            // Guarantee 5: resumed after the last revision received.
            (Phase::Watching, Input::WatchEnded(WatchEnd::Disconnected | WatchEnd::Closed)) => {
                if state.failures > 0 {
                    self.wait(state, Phase::WaitingToWatch, out);
                    return Step::moved(ReflectorAction::Interrupted);
                }
                state.failures = 1;
                let watching = self.watch(state, out);
                Step::Moved(vec![ReflectorAction::Interrupted, watching])
            }
            (Phase::WaitingToList, Input::Retry) => {
                self.list(state, out);
                Step::moved(ReflectorAction::Listing)
            }
            (Phase::WaitingToWatch, Input::Retry) => Step::moved(self.watch(state, out)),
            // A timer that was already firing when the phase changed.
            (Phase::Listing | Phase::Watching, Input::Retry) => Step::Nothing,
            (_, Input::Listed { .. } | Input::ListFailed) => Step::Refused("no list is under way"),
            (_, Input::Events(_) | Input::Bookmark(_) | Input::WatchEnded(_)) => {
                Step::Refused("no watch is under way")
            }
        }
    }

    fn fired(&self, _timer: Timer) -> Input<V> {
        Input::Retry
    }
}

impl<V: Clone + Debug + Eq + Hash> Reflector<V> {
    fn listed(
        &self,
        state: &mut State,
        revision: u64,
        items: Vec<Item<V>>,
        out: &mut Out<Self>,
    ) -> Step<ReflectorAction> {
        // Guarantee 14, and kubernetes 59848: a server that lags answers with the past.
        if revision < state.revision {
            let seen = state.revision;
            self.wait(state, Phase::WaitingToList, out);
            return Step::moved(ReflectorAction::StaleList { revision, seen });
        }
        let replaced = ReflectorAction::Replaced {
            revision,
            count: items.len() as u64,
        };
        state.revision = revision;
        out.push(Output::Deliver(Delivery::Replace { revision, items }));
        // Guarantees 10 and 13: the watch starts strictly after the list.
        let watching = self.watch(state, out);
        Step::Moved(vec![replaced, watching])
    }

    fn events(
        &self,
        state: &mut State,
        events: Vec<Event<V>>,
        out: &mut Out<Self>,
    ) -> Step<ReflectorAction> {
        if events.is_empty() {
            return Step::Nothing;
        }
        // A batch may hold several events of one revision (guarantee 4), so all are compared with what was
        // seen before the batch.
        let seen = state.revision;
        let mut actions = Vec::with_capacity(events.len());
        for event in events {
            let (deleted, item) = match event {
                Event::Applied(item) => (false, item),
                Event::Deleted(item) => (true, item),
            };
            let (key, revision) = (item.key.clone(), item.revision);
            if revision <= seen {
                actions.push(ReflectorAction::Repeated { key, revision });
                continue;
            }
            state.revision = state.revision.max(revision);
            state.failures = 0;
            if deleted {
                actions.push(ReflectorAction::Deleted { key, revision });
                out.push(Output::Deliver(Delivery::Delete(item)));
            } else {
                actions.push(ReflectorAction::Applied { key, revision });
                out.push(Output::Deliver(Delivery::Apply(item)));
            }
        }
        Step::Moved(actions)
    }

    fn list(&self, state: &mut State, out: &mut Out<Self>) {
        state.phase = Phase::Listing;
        out.push(Output::List);
    }

    fn watch(&self, state: &mut State, out: &mut Out<Self>) -> ReflectorAction {
        let after = state.revision;
        state.phase = Phase::Watching;
        out.push(Output::Watch { after });
        ReflectorAction::Watching { after }
    }

    fn wait(&self, state: &mut State, phase: Phase, out: &mut Out<Self>) {
        out.timer(Timer::Retry, self.backoff_ms(state.failures));
        state.phase = phase;
        // Capped, so that a long outage does not make ever new states.
        state.failures = (state.failures + 1).min(16);
    }
}
