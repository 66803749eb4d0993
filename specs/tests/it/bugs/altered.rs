//! A machine with a fault: the shipped one, with something altered on the way in, on the way out, or in what it knows.

use model::machine::{Machine, Now, Out, Request, Step};

/// How a fault alters a machine. What it does not alter stays as it ships.
pub trait Fault<M: Machine>: Clone {
    /// What reaches the machine instead of an input; nothing if the input is lost.
    fn input(&self, _state: &M::State, input: M::Input) -> Option<M::Input> {
        Some(input)
    }

    /// What leaves the machine instead of an output; nothing if the output is lost.
    fn output(&self, _state: &M::State, output: M::Output) -> Option<M::Output> {
        Some(output)
    }

    /// What the machine believes before a step.
    fn before(&self, _state: &mut M::State, _input: &M::Input) {}

    /// What the machine believes after a step.
    fn after(&self, _state: &mut M::State) {}
}

/// A machine and its fault.
#[derive(Clone)]
pub struct Faulty<M, F> {
    pub machine: M,
    pub fault: F,
}

impl<M: Machine, F: Fault<M>> Faulty<M, F> {
    fn pass(&self, state: &M::State, mut inner: Out<M>, out: &mut Out<Self>) {
        for request in inner.drain() {
            match request {
                Request::Output(output) => {
                    if let Some(output) = self.fault.output(state, output) {
                        out.push(output);
                    }
                }
                Request::Timer(timer, after_ms) => out.timer(timer, after_ms),
                Request::Cancel(timer) => out.cancel(timer),
            }
        }
    }
}

impl<M: Machine, F: Fault<M>> Machine for Faulty<M, F> {
    type Durable = M::Durable;
    type State = M::State;
    type Input = M::Input;
    type Output = M::Output;
    type Timer = M::Timer;
    type Action = M::Action;

    fn start(&self, found: Option<M::Durable>, now: Now, out: &mut Out<Self>) -> M::State {
        let mut inner = Out::new();
        let state = self.machine.start(found, now, &mut inner);
        self.pass(&state, inner, out);
        state
    }

    fn step(
        &self,
        state: &mut M::State,
        now: Now,
        input: M::Input,
        out: &mut Out<Self>,
    ) -> Step<M::Action> {
        let Some(input) = self.fault.input(state, input) else {
            return Step::Nothing;
        };
        self.fault.before(state, &input);
        let mut inner = Out::new();
        let step = self.machine.step(state, now, input, &mut inner);
        self.pass(state, inner, out);
        self.fault.after(state);
        step
    }

    fn fired(&self, timer: M::Timer) -> M::Input {
        self.machine.fired(timer)
    }
}
