//! What a workqueue does.

use std::fmt::Debug;
use std::hash::Hash;
use std::marker::PhantomData;

use crate::actions::workqueue::WorkqueueAction;
use crate::machine::{Machine, Now, Out, Step};
use crate::machines::workqueue::input::{Input, Outcome};
use crate::machines::workqueue::output::Output;
use crate::machines::workqueue::state::{Added, Backoff, Queue, State, Timer};

/// The machine: a queue with so many workers.
#[derive(Clone, Debug)]
pub struct Workqueue<K> {
    /// How many keys are worked on at a time.
    pub workers: usize,
    /// How long failures wait.
    pub backoff: Backoff,
    /// What a key is.
    pub key: PhantomData<fn() -> K>,
}

impl<K: Clone + Debug + Ord + Hash> Machine for Workqueue<K> {
    type Durable = ();
    type State = State<K>;
    type Input = Input<K>;
    type Output = Output<K>;
    type Timer = Timer<K>;
    type Action = WorkqueueAction<K>;

    fn start(&self, _found: Option<()>, _now: Now, _out: &mut Out<Self>) -> State<K> {
        Queue::default()
    }

    fn step(
        &self,
        state: &mut State<K>,
        _now: Now,
        input: Input<K>,
        out: &mut Out<Self>,
    ) -> Step<WorkqueueAction<K>> {
        let mut actions = Vec::new();
        match input {
            Input::Add(key) | Input::Due(key) => match state.add(key.clone()) {
                // A key waits at most once.
                Added::Already => return Step::Nothing,
                Added::Marked => actions.push(WorkqueueAction::Marked(key)),
                Added::Queued => actions.push(WorkqueueAction::Queued(key)),
            },
            Input::AddAfter(key, after_ms) => {
                out.timer(Timer::Later(key.clone()), after_ms);
                return Step::moved(WorkqueueAction::Delayed(key, after_ms));
            }
            Input::Done(key, _) if !state.is_working(&key) => {
                return Step::Refused("the key is not being worked on");
            }
            Input::Done(key, outcome) => self.done(state, key, outcome, &mut actions, out),
        }
        while state.working() < self.workers {
            let Some(key) = state.take() else { break };
            actions.push(WorkqueueAction::Began(key.clone()));
            out.push(Output::Work(key));
        }
        Step::Moved(actions)
    }

    fn fired(&self, timer: Timer<K>) -> Input<K> {
        match timer {
            Timer::Backoff(key) | Timer::Later(key) => Input::Due(key),
        }
    }
}

impl<K: Clone + Debug + Ord + Hash> Workqueue<K> {
    fn done(
        &self,
        state: &mut State<K>,
        key: K,
        outcome: Outcome,
        actions: &mut Vec<WorkqueueAction<K>>,
        out: &mut Out<Self>,
    ) {
        match outcome {
            Outcome::Succeeded => {
                state.forget(&key);
                actions.push(WorkqueueAction::Finished(key.clone()));
            }
            Outcome::Failed => {
                let wait = state.failed(&key, &self.backoff);
                out.timer(Timer::Backoff(key.clone()), wait);
                actions.push(WorkqueueAction::Delayed(key.clone(), wait));
            }
            Outcome::Again(after_ms) => {
                state.forget(&key);
                out.timer(Timer::Later(key.clone()), after_ms);
                actions.push(WorkqueueAction::Delayed(key.clone(), after_ms));
            }
        }
        // No lost wake-up: what was added while the worker had the key comes again.
        if state.done(&key) {
            actions.push(WorkqueueAction::Queued(key));
        }
    }
}
