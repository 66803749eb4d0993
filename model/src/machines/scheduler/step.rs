//! What the scheduler does.

use crate::actions::scheduler::SchedulerAction;
use crate::machine::{Machine, Now, Out, Step};
use crate::machines::scheduler::input::Input;
use crate::machines::scheduler::output::Output;
use crate::machines::scheduler::state::{Scheduler, State, Timer};
use crate::machines::scheduler::{binding, nodes, pods};

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
                for delta in state.pods.take(delivery) {
                    pods::changed(state, delta, &mut actions, out);
                }
            }
            // SC2: the cache of nodes.
            Input::Nodes(delivery) => {
                for delta in state.nodes.take(delivery) {
                    nodes::changed(state, delta, &mut actions);
                }
            }
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
        self.decide(state, now, &mut actions, out);
        Step::Moved(actions)
    }

    fn fired(&self, timer: Timer) -> Input {
        match timer {
            Timer::Backoff(key) => Input::Cooled(key),
            Timer::Stale(key) => Input::Stale(key),
            Timer::Rebind(key) => Input::Rebind(key),
            Timer::Assumed(key) => Input::Expired(key),
        }
    }
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
        if !state.pods.synced() || !state.nodes.synced() {
            return;
        }
        while state.binding < self.bindings_max {
            let Some(key) = state.queue.take() else { break };
            binding::place(state, key, now, actions, out);
        }
    }
}
