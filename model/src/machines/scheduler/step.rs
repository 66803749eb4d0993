//! What the scheduler does.

use crate::actions::scheduler::SchedulerAction;
use crate::machine::{Machine, Now, Out, Step};
use crate::machines::scheduler::input::Input;
use crate::machines::scheduler::output::Output;
use crate::machines::scheduler::state::{Difference, Scheduler, State, Timer};
use crate::machines::scheduler::{binding, nodes, pods};

/// How many differences a step takes in: a first list may hold any number of pods.
const DIFFERENCES_MAX: usize = 1024;

/// How many pods a step tries.
const DECISIONS_MAX: usize = 256;

impl Machine for Scheduler {
    type Durable = ();
    type State = State;
    type Input = Input;
    type Output = Output;
    type Timer = Timer;
    type Action = SchedulerAction;

    /// Nothing is kept on disk: the first lists tell what is placed and what is not.
    fn start(&self, _found: Option<()>, _now: Now, _out: &mut Out<Self>) -> State {
        State::default()
    }

    fn step(
        &self,
        state: &mut State,
        now: Now,
        input: Input,
        out: &mut Out<Self>,
    ) -> Step<SchedulerAction> {
        let mut actions = Vec::new();
        match input {
            // Step 4: the API server tells of pods without a node, and of those that come and go on nodes.
            Input::Pods(delivery) => {
                let deltas = state
                    .pods
                    .take(delivery)
                    .into_iter()
                    .map(|delta| Difference::Pod(Box::new(delta)));
                state.backlog.extend(deltas);
            }
            // SC2: the cache of nodes.
            Input::Nodes(delivery) => {
                let deltas = state
                    .nodes
                    .take(delivery)
                    .into_iter()
                    .map(|delta| Difference::Node(Box::new(delta)));
                state.backlog.extend(deltas);
            }
            Input::More => {}
            Input::Bound(key, uid, answer) => {
                if !binding::answered(self, state, &key, uid, answer, &mut actions, out) {
                    return Step::Nothing;
                }
            }
            Input::Rebind(key) => {
                if !binding::again(state, key, out) {
                    return Step::Nothing;
                }
            }
            Input::Expired(key) => {
                if !binding::expired(state, &key, &mut actions, out) {
                    return Step::Nothing;
                }
            }
            Input::Cooled(key) => {
                if state.queue.place(&key).is_none() {
                    return Step::Nothing;
                }
                state.queue.cooled(&key);
            }
            // What was missed, if anything was, is made good for after five minutes.
            Input::Stale(key) => {
                if !state.queue.wake(&key) {
                    return Step::Nothing;
                }
                actions.push(SchedulerAction::Woken { pod: key });
            }
        }
        take_in(state, &mut actions, out);
        self.decide(state, now, &mut actions, out);
        Step::Moved(actions)
    }

    fn fired(&self, timer: Timer) -> Input {
        match timer {
            Timer::Backoff(key) => Input::Cooled(key),
            Timer::Stale(key) => Input::Stale(key),
            Timer::Rebind(key) => Input::Rebind(key),
            Timer::Assumed(key) => Input::Expired(key),
            Timer::More => Input::More,
        }
    }
}

/// Takes in what has changed, as much as one step may.
fn take_in(state: &mut State, actions: &mut Vec<SchedulerAction>, out: &mut Out<Scheduler>) {
    for _ in 0..DIFFERENCES_MAX {
        match state.backlog.pop_front() {
            Some(Difference::Pod(delta)) => pods::changed(state, *delta, actions, out),
            Some(Difference::Node(delta)) => nodes::changed(state, *delta, actions),
            None => return,
        }
    }
    out.timer(Timer::More, 0);
}

impl Scheduler {
    /// Step 5, for as many pods as bindings may be under way; nothing before both lists have arrived, for a
    /// node would look empty without its pods.
    fn decide(
        &self,
        state: &mut State,
        now: Now,
        actions: &mut Vec<SchedulerAction>,
        out: &mut Out<Self>,
    ) {
        if !state.pods.synced() || !state.nodes.synced() || !state.backlog.is_empty() {
            return;
        }
        let mut tried = 0;
        while state.binding < self.bindings_max {
            if tried == DECISIONS_MAX {
                out.timer(Timer::More, 0);
                break;
            }
            let Some(key) = state.queue.take() else { break };
            binding::place(state, key, now, actions, out);
            tried += 1;
        }
    }
}
