//! The supervisor's steps.

use std::collections::BTreeMap;

use super::{
    BACKOFF_FACTOR, BACKOFF_MS, BACKOFF_MS_MAX, Condition, EARLY_DEATHS_MAX, Ending, HEALTHY_MS,
    HURRIED_STOP_MS, Input, Output, Part, PartState, Phase, State, Supervisor, Timer,
};
use crate::actions::supervisor::SupervisorAction;
use crate::machine::{Machine, Now, Out, Step};

impl Machine for Supervisor {
    /// The last incarnation of each component, from earlier runs.
    type Durable = BTreeMap<String, u64>;
    type State = State;
    type Input = Input;
    type Output = Output;
    type Timer = Timer;
    type Action = SupervisorAction;

    /// Everything is started at once: components find each other by reconnecting, not by being started in order.
    fn start(&self, found: Option<BTreeMap<String, u64>>, _: Now, out: &mut Out<Self>) -> State {
        let found = found.unwrap_or_default();
        let mut parts = BTreeMap::new();
        for part in &self.parts {
            let incarnation = found
                .get(&part.name)
                .copied()
                .unwrap_or(0)
                .saturating_add(1);
            out.push(Output::Start {
                part: part.name.clone(),
                incarnation,
            });
            let state = PartState {
                condition: Condition::Starting,
                incarnation,
                deaths: 0,
                served: false,
            };
            parts.insert(part.name.clone(), state);
        }
        State {
            phase: Phase::Starting,
            parts,
            failure: None,
        }
    }

    fn step(
        &self,
        state: &mut State,
        _: Now,
        input: Input,
        out: &mut Out<Self>,
    ) -> Step<SupervisorAction> {
        match input {
            Input::Ready { part, incarnation } => self.ready(state, part, incarnation, out),
            Input::Exited {
                part,
                incarnation,
                ending,
            } => self.exited(state, part, incarnation, &ending, out),
            Input::Stop => self.stop(state, out),
            Input::Fired(Timer::Restart(part)) => restart(state, part, out),
            Input::Fired(Timer::Healthy(part)) => healthy(state, &part),
            Input::Fired(Timer::Kill(part)) => kill(state, &part, out),
        }
    }

    fn fired(&self, timer: Timer) -> Input {
        Input::Fired(timer)
    }
}

impl Supervisor {
    fn ready(
        &self,
        state: &mut State,
        part: String,
        incarnation: u64,
        out: &mut Out<Self>,
    ) -> Step<SupervisorAction> {
        let Some(known) = state.parts.get_mut(&part) else {
            return Step::Refused("the component is in the plan");
        };
        // A line of a process that has been replaced, or of one that was asked to stop meanwhile.
        if known.incarnation != incarnation || known.condition != Condition::Starting {
            return Step::Nothing;
        }
        known.condition = Condition::Ready;
        known.served = true;
        out.timer(Timer::Healthy(part.clone()), HEALTHY_MS);
        let mut actions = vec![SupervisorAction::BecameReady { part, incarnation }];
        if state.phase == Phase::Starting && state.parts.values().all(|part| part.served) {
            state.phase = Phase::Running;
            out.push(Output::Announce);
            actions.push(SupervisorAction::AllReady);
        }
        Step::Moved(actions)
    }

    fn exited(
        &self,
        state: &mut State,
        part: String,
        incarnation: u64,
        ending: &Ending,
        out: &mut Out<Self>,
    ) -> Step<SupervisorAction> {
        let Some(known) = state.parts.get_mut(&part) else {
            return Step::Refused("the component is in the plan");
        };
        if known.incarnation != incarnation
            || matches!(known.condition, Condition::Waiting | Condition::Down)
        {
            return Step::Nothing;
        }
        out.cancel(Timer::Healthy(part.clone()));
        if matches!(state.phase, Phase::Stopping { .. }) {
            known.condition = Condition::Down;
            out.cancel(Timer::Kill(part.clone()));
            let mut actions = vec![SupervisorAction::Stopped { part }];
            self.stop_next(state, &mut actions, out);
            return Step::Moved(actions);
        }
        known.deaths = known.deaths.saturating_add(1);
        let mut actions = vec![SupervisorAction::Died {
            part: part.clone(),
            incarnation,
        }];
        // What refuses to start the first time will refuse again: a busy port, a damaged file. What served before
        // or was killed from outside is worth another try.
        let refuses =
            !known.served && (*ending != Ending::Left) && !matches!(ending, Ending::Died(_));
        if refuses || (!known.served && known.deaths >= EARLY_DEATHS_MAX) {
            known.condition = Condition::Down;
            state.failure = Some((part.clone(), ending.reason().to_owned()));
            actions.push(SupervisorAction::GaveUp { part });
            self.begin_stop(state, &mut actions, out);
            return Step::Moved(actions);
        }
        known.condition = Condition::Waiting;
        let wait = backoff_ms(known.deaths);
        out.push(Output::Report {
            part: part.clone(),
            reason: ending.reason().to_owned(),
            restart_in_ms: wait,
        });
        out.timer(Timer::Restart(part), wait);
        Step::Moved(actions)
    }

    fn stop(&self, state: &mut State, out: &mut Out<Self>) -> Step<SupervisorAction> {
        match state.phase {
            Phase::Starting | Phase::Running => {
                let mut actions = Vec::new();
                self.begin_stop(state, &mut actions, out);
                Step::Moved(actions)
            }
            Phase::Stopping {
                rank,
                hurried: false,
            } => {
                state.phase = Phase::Stopping {
                    rank,
                    hurried: true,
                };
                for part in self
                    .parts
                    .iter()
                    .filter(|part| is(state, part, Condition::Stopping))
                {
                    out.push(Output::Stop {
                        part: part.name.clone(),
                    });
                    out.timer(
                        Timer::Kill(part.name.clone()),
                        HURRIED_STOP_MS.min(part.stop_ms),
                    );
                }
                Step::moved(SupervisorAction::Hurried)
            }
            Phase::Stopping { hurried: true, .. } | Phase::Ended => Step::Nothing,
        }
    }

    fn begin_stop(
        &self,
        state: &mut State,
        actions: &mut Vec<SupervisorAction>,
        out: &mut Out<Self>,
    ) {
        actions.push(SupervisorAction::Stopping);
        for (name, part) in &mut state.parts {
            out.cancel(Timer::Healthy(name.clone()));
            if part.condition == Condition::Waiting {
                part.condition = Condition::Down;
                out.cancel(Timer::Restart(name.clone()));
            }
        }
        state.phase = Phase::Stopping {
            rank: 0,
            hurried: false,
        };
        for part in self.parts.iter().filter(|part| part.stop_rank == 0) {
            ask_to_stop(state, part, false, out);
        }
        self.stop_next(state, actions, out);
    }

    /// Goes on to the next rank while everything of the present one is down.
    fn stop_next(
        &self,
        state: &mut State,
        actions: &mut Vec<SupervisorAction>,
        out: &mut Out<Self>,
    ) {
        while let Phase::Stopping { rank, hurried } = state.phase {
            let down = |part: &&Part| is(state, part, Condition::Down);
            if !self
                .parts
                .iter()
                .filter(|part| part.stop_rank <= rank)
                .all(|part| down(&part))
            {
                return;
            }
            let later = self.parts.iter().filter(|part| !down(part));
            let Some(next) = later.map(|part| part.stop_rank).min() else {
                state.phase = Phase::Ended;
                out.push(Output::End {
                    failure: state.failure.clone(),
                });
                actions.push(SupervisorAction::Ended);
                return;
            };
            state.phase = Phase::Stopping {
                rank: next,
                hurried,
            };
            for part in self.parts.iter().filter(|part| part.stop_rank == next) {
                ask_to_stop(state, part, hurried, out);
            }
        }
    }
}

fn is(state: &State, part: &Part, condition: Condition) -> bool {
    state
        .parts
        .get(&part.name)
        .is_some_and(|known| known.condition == condition)
}

fn ask_to_stop(state: &mut State, part: &Part, hurried: bool, out: &mut Out<Supervisor>) {
    let Some(known) = state.parts.get_mut(&part.name) else {
        return;
    };
    if matches!(known.condition, Condition::Starting | Condition::Ready) {
        known.condition = Condition::Stopping;
        out.push(Output::Stop {
            part: part.name.clone(),
        });
        let time = if hurried {
            HURRIED_STOP_MS.min(part.stop_ms)
        } else {
            part.stop_ms
        };
        out.timer(Timer::Kill(part.name.clone()), time);
    }
}

fn restart(state: &mut State, part: String, out: &mut Out<Supervisor>) -> Step<SupervisorAction> {
    let Some(known) = state.parts.get_mut(&part) else {
        return Step::Refused("the component is in the plan");
    };
    if known.condition != Condition::Waiting {
        return Step::Nothing;
    }
    known.condition = Condition::Starting;
    known.incarnation = known.incarnation.saturating_add(1);
    let incarnation = known.incarnation;
    out.push(Output::Start {
        part: part.clone(),
        incarnation,
    });
    Step::moved(SupervisorAction::Started { part, incarnation })
}

fn healthy(state: &mut State, part: &str) -> Step<SupervisorAction> {
    match state.parts.get_mut(part) {
        None => Step::Refused("the component is in the plan"),
        Some(known) if known.condition == Condition::Ready && known.deaths > 0 => {
            known.deaths = 0;
            Step::moved(SupervisorAction::Recovered {
                part: part.to_owned(),
            })
        }
        Some(_) => Step::Nothing,
    }
}

fn kill(state: &State, part: &str, out: &mut Out<Supervisor>) -> Step<SupervisorAction> {
    match state.parts.get(part) {
        None => Step::Refused("the component is in the plan"),
        Some(known) if known.condition == Condition::Stopping => {
            out.push(Output::Kill {
                part: part.to_owned(),
            });
            Step::moved(SupervisorAction::Killed {
                part: part.to_owned(),
            })
        }
        Some(_) => Step::Nothing,
    }
}

/// The wait before the restart that follows the `deaths`-th death in a row, in milliseconds.
fn backoff_ms(deaths: u32) -> u64 {
    let factor = BACKOFF_FACTOR.saturating_pow(deaths.saturating_sub(1));
    BACKOFF_MS.saturating_mul(factor).min(BACKOFF_MS_MAX)
}
