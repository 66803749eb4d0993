//! What every controller does.

use crate::actions::controller::ControllerAction;
use crate::machine::{Machine, Now, Out, Step};
use crate::machines::controller::expectations::Expectations;
use crate::machines::controller::input::{Answer, Input};
use crate::machines::controller::output::Output;
use crate::machines::controller::reconcile::{Context, Next, Reconcile, Wakes};
use crate::machines::controller::state::{Controller, Round, State, Timer};
use crate::machines::reflector::Delivery;
use crate::machines::workqueue::{Added, Queue};
use crate::objects::key::{GroupResource, ObjectKey};

/// How many rounds a step begins: most end at once, and a step does a bounded amount of work.
const ROUNDS_MAX: usize = 256;

impl<R: Reconcile> Machine for Controller<R> {
    type Durable = ();
    type State = State<R>;
    type Input = Input<R>;
    type Output = Output;
    type Timer = Timer;
    type Action = ControllerAction;

    fn start(&self, _found: Option<()>, _now: Now, _out: &mut Out<Self>) -> State<R> {
        State {
            view: R::View::default(),
            expectations: Expectations::default(),
            listed: Default::default(),
            queue: Queue::default(),
            rounds: Default::default(),
        }
    }

    fn step(
        &self,
        state: &mut State<R>,
        now: Now,
        input: Input<R>,
        out: &mut Out<Self>,
    ) -> Step<ControllerAction> {
        let mut actions = Vec::new();
        match input {
            Input::Seen(resource, delivery) => {
                self.seen(state, resource, delivery, &mut actions, out);
            }
            Input::Answered(key, index, answer) => {
                if !state
                    .rounds
                    .get(&key)
                    .is_some_and(|round| round.open.contains(&index))
                {
                    return Step::Refused("no such request is under way");
                }
                self.answered(state, now, key, index, answer, &mut actions, out);
            }
            Input::More => {}
            Input::Due(key) => match state.queue.add(key) {
                Added::Already => return Step::Nothing,
                Added::Queued | Added::Marked => {}
            },
            Input::Expired(key) => {
                if state.expectations.satisfied(&key) {
                    return Step::Nothing;
                }
                state.expectations.forget(&key);
                actions.push(ControllerAction::Expired(key.clone()));
                state.queue.add(key);
            }
        }
        self.begin(state, now, &mut actions, out);
        Step::Moved(actions)
    }

    fn fired(&self, timer: Timer) -> Input<R> {
        match timer {
            Timer::Backoff(key) | Timer::Later(key) => Input::Due(key),
            Timer::Expectations(key) => Input::Expired(key),
            Timer::More => Input::More,
        }
    }
}

impl<R: Reconcile> Controller<R> {
    /// The seed's step 8 for controllers: what changed wakes who is concerned.
    fn seen(
        &self,
        state: &mut State<R>,
        resource: GroupResource,
        delivery: Delivery<R::Seen>,
        actions: &mut Vec<ControllerAction>,
        out: &mut Out<Self>,
    ) {
        let (revision, list) = match &delivery {
            Delivery::Replace { revision, .. } => (*revision, true),
            Delivery::Apply(item) | Delivery::Delete(item) => (item.revision, false),
        };
        let mut wakes = Wakes {
            keys: Default::default(),
            later: Vec::new(),
            expectations: &mut state.expectations,
        };
        self.reconcile
            .observe(&mut state.view, &resource, delivery, &mut wakes);
        let (keys, later) = (wakes.keys, wakes.later);
        for key in keys {
            state.queue.add(key);
        }
        for (key, after_ms) in later {
            out.timer(Timer::Later(key), after_ms);
        }
        if list {
            let rounds = &state.rounds;
            state
                .expectations
                .listed(revision, |key| rounds.contains_key(key));
            state.listed.insert(resource.clone());
        }
        actions.push(ControllerAction::Saw { resource, revision });
    }

    #[allow(clippy::too_many_arguments)]
    fn answered(
        &self,
        state: &mut State<R>,
        now: Now,
        key: ObjectKey,
        index: u32,
        answer: Answer,
        actions: &mut Vec<ControllerAction>,
        out: &mut Out<Self>,
    ) {
        let result = match &answer {
            Answer::Done(revision, _) => Ok(*revision),
            Answer::Failed(status) => Err(Some(status.reason)),
            Answer::Lost => Err(None),
        };
        if let Ok(revision) = result {
            state.expectations.written(&key, revision);
        }
        actions.push(ControllerAction::Answered {
            key: key.clone(),
            index,
            result,
        });
        let Some(round) = state.rounds.get_mut(&key) else {
            return;
        };
        round.open.remove(&index);
        let mut events = Vec::new();
        let mut context = Context {
            now,
            expectations: &mut state.expectations,
            events: &mut events,
        };
        self.reconcile
            .answered(&key, &mut round.session, index, answer, &mut context);
        for event in events {
            out.push(Output::Record(event));
        }
        if round.open.is_empty() {
            self.proceed(state, now, key, actions, out);
        }
    }

    /// Begins as many rounds as there are free workers, once everything has been listed.
    fn begin(
        &self,
        state: &mut State<R>,
        now: Now,
        actions: &mut Vec<ControllerAction>,
        out: &mut Out<Self>,
    ) {
        if state.queue.waiting() == 0 || !self.listed(state) {
            return;
        }
        let mut begun = 0;
        while state.queue.working() < self.workers {
            if begun == ROUNDS_MAX {
                out.timer(Timer::More, 0);
                break;
            }
            begun += 1;
            let Some(key) = state.queue.take() else { break };
            actions.push(ControllerAction::Began(key.clone()));
            let round = Round {
                session: R::Session::default(),
                open: Default::default(),
            };
            state.rounds.insert(key.clone(), round);
            self.proceed(state, now, key, actions, out);
        }
    }

    fn listed(&self, state: &State<R>) -> bool {
        let resources = self.reconcile.resources();
        resources
            .iter()
            .all(|resource| state.listed.contains(resource))
    }

    /// Asks the controller what is next for a key.
    fn proceed(
        &self,
        state: &mut State<R>,
        now: Now,
        key: ObjectKey,
        actions: &mut Vec<ControllerAction>,
        out: &mut Out<Self>,
    ) {
        let Some(round) = state.rounds.get_mut(&key) else {
            return;
        };
        let mut events = Vec::new();
        let mut context = Context {
            now,
            expectations: &mut state.expectations,
            events: &mut events,
        };
        let satisfied = context.expectations.satisfied(&key);
        let next = self
            .reconcile
            .reconcile(&state.view, &key, &mut round.session, &mut context);
        for event in events {
            out.push(Output::Record(event));
        }
        if satisfied && !state.expectations.satisfied(&key) {
            out.timer(Timer::Expectations(key.clone()), self.expectations_ms);
        }
        match next {
            Next::Ask(asks) if !asks.is_empty() => {
                for (index, ask) in (0..).zip(asks) {
                    round.open.insert(index);
                    actions.push(ControllerAction::Asked {
                        key: key.clone(),
                        request: Box::new(ask.request.clone()),
                    });
                    out.push(Output::Ask(key.clone(), index, ask));
                }
                return;
            }
            Next::Ask(_) | Next::Finished => {
                state.queue.forget(&key);
                actions.push(ControllerAction::Finished(key.clone()));
            }
            Next::Again(again_ms) => {
                state.queue.forget(&key);
                out.timer(Timer::Later(key.clone()), again_ms);
                actions.push(ControllerAction::Waits {
                    key: key.clone(),
                    again_ms,
                });
            }
            Next::Failed(why) => {
                let again_ms = state.queue.failed(&key, &self.backoff);
                out.timer(Timer::Backoff(key.clone()), again_ms);
                actions.push(ControllerAction::Failed {
                    key: key.clone(),
                    why,
                    again_ms,
                });
            }
        }
        state.rounds.remove(&key);
        state.queue.done(&key);
    }
}
