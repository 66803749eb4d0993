//! A machine with something between it and the world: a fault that alters what comes in or goes out.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::Hash;

use model::machine::{Machine, Now, Out, Request, Step};

/// A shipped machine with a fault.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Faulty<M, F> {
    pub machine: M,
    pub fault: F,
}

/// What a fault remembers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Memory<I, O> {
    pub numbers: BTreeMap<u64, u64>,
    pub inputs: BTreeMap<u64, I>,
    pub outputs: Vec<O>,
    /// What the world gets besides.
    pub extra: Vec<O>,
    /// What the machine is given after this step, without the world's knowing.
    pub again: Vec<I>,
}

impl<I, O> Default for Memory<I, O> {
    fn default() -> Self {
        Memory {
            numbers: BTreeMap::new(),
            inputs: BTreeMap::new(),
            outputs: Vec::new(),
            extra: Vec::new(),
            again: Vec::new(),
        }
    }
}

/// The memory of a fault of a machine.
pub type MemoryOf<M> = Memory<<M as Machine>::Input, <M as Machine>::Output>;

/// How a fault alters a machine.
pub trait Fault<M: Machine>: Clone + Debug + Eq + Hash {
    /// What the machine is given instead of an input.
    fn input(&self, state: &M::State, memory: &mut MemoryOf<M>, input: M::Input) -> M::Input;

    /// What the world gets instead of an output.
    fn output(
        &self,
        state: &M::State,
        memory: &mut MemoryOf<M>,
        output: M::Output,
    ) -> Vec<M::Output>;
}

impl<M, F> Faulty<M, F>
where
    M: Machine,
    F: Fault<M>,
{
    fn pass(&self, state: &mut (M::State, MemoryOf<M>), inner: &mut Out<M>, out: &mut Out<Self>) {
        for request in inner.drain() {
            match request {
                Request::Output(output) => {
                    for output in self.fault.output(&state.0, &mut state.1, output) {
                        out.push(output);
                    }
                }
                Request::Timer(timer, after_ms) => out.timer(timer, after_ms),
                Request::Cancel(timer) => out.cancel(timer),
            }
        }
        for output in std::mem::take(&mut state.1.extra) {
            out.push(output);
        }
    }
}

impl<M, F> Machine for Faulty<M, F>
where
    M: Machine,
    F: Fault<M>,
{
    type Durable = M::Durable;
    type State = (M::State, MemoryOf<M>);
    type Input = M::Input;
    type Output = M::Output;
    type Timer = M::Timer;
    type Action = M::Action;

    fn start(&self, found: Option<M::Durable>, now: Now, out: &mut Out<Self>) -> Self::State {
        let mut inner = Out::new();
        let state = self.machine.start(found, now, &mut inner);
        let mut state = (state, Memory::default());
        self.pass(&mut state, &mut inner, out);
        state
    }

    fn step(
        &self,
        state: &mut Self::State,
        now: Now,
        input: M::Input,
        out: &mut Out<Self>,
    ) -> Step<M::Action> {
        let mut inner = Out::new();
        let input = self.fault.input(&state.0, &mut state.1, input);
        let mut step = self.machine.step(&mut state.0, now, input, &mut inner);
        self.pass(state, &mut inner, out);
        for input in std::mem::take(&mut state.1.again) {
            let after = self.machine.step(&mut state.0, now, input, &mut inner);
            self.pass(state, &mut inner, out);
            if let (Step::Moved(actions), Step::Moved(more)) = (&mut step, after) {
                actions.extend(more);
            }
        }
        step
    }

    fn fired(&self, timer: M::Timer) -> M::Input {
        self.machine.fired(timer)
    }
}
