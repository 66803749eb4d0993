//! A machine with a fault: the shipped one, with something altered on the way in, on the way out, or in what it knows.

use model::machine::{Machine, Now, Out, Request, Step};

/// How a fault alters a machine. What it does not alter stays as it ships.
pub trait Fault<M: Machine>: Clone {
    /// What the machine finds on its disk instead of what is there.
    fn found(&self, found: M::Durable) -> M::Durable {
        found
    }

    /// What reaches the machine instead of an input; nothing if the input is lost.
    fn input(&self, _state: &M::State, input: M::Input) -> Option<M::Input> {
        Some(input)
    }

    /// What leaves the machine instead of an output; nothing if the output is lost.
    fn output(&self, _state: &M::State, output: M::Output) -> Option<M::Output> {
        Some(output)
    }

    /// What the machine is given besides when it has made an output, without the world's knowing.
    fn again(&self, _output: &M::Output) -> Option<M::Input> {
        None
    }

    /// What the machine believes before a step.
    fn before(&self, _state: &mut M::State, _input: &M::Input) {}

    /// What the machine believes after a step.
    fn after(&self, _state: &mut M::State) {}
}

/// No fault.
#[derive(Clone, Copy, Debug)]
pub struct AsItShips;

impl<M: Machine> Fault<M> for AsItShips {}

/// A fault: which of the machines it is in is told by the traits that it has.
macro_rules! fault {
    ($(#[$doc:meta])* $name:ident of $machine:ty { $($method:item)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl $crate::bugs::altered::Fault<$machine> for $name { $($method)* }
    };
}

pub(crate) use fault;

/// A machine and its fault.
#[derive(Clone, Debug)]
pub struct Faulty<M, F> {
    pub machine: M,
    pub fault: F,
}

impl<M: Machine, F: Fault<M>> Faulty<M, F> {
    /// Passes on what the machine asked for. Answers what it is given again.
    fn pass(&self, state: &M::State, mut inner: Out<M>, out: &mut Out<Self>) -> Vec<M::Input> {
        let mut again = Vec::new();
        for request in inner.drain() {
            match request {
                Request::Output(output) => {
                    again.extend(self.fault.again(&output));
                    if let Some(output) = self.fault.output(state, output) {
                        out.push(output);
                    }
                }
                Request::Timer(timer, after_ms) => out.timer(timer, after_ms),
                Request::Cancel(timer) => out.cancel(timer),
            }
        }
        again
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
        let found = found.map(|found| self.fault.found(found));
        let state = self.machine.start(found, now, &mut inner);
        self.pass(&state, inner, out);
        state
    }

    fn began(&self, state: &M::State) -> Vec<M::Action> {
        self.machine.began(state)
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
        let mut step = self.machine.step(state, now, input, &mut inner);
        for input in self.pass(state, inner, out) {
            let mut inner = Out::new();
            let after = self.machine.step(state, now, input, &mut inner);
            self.pass(state, inner, out);
            if let (Step::Moved(actions), Step::Moved(more)) = (&mut step, after) {
                actions.extend(more);
            }
        }
        self.fault.after(state);
        step
    }

    fn fired(&self, timer: M::Timer) -> M::Input {
        self.machine.fired(timer)
    }
}
