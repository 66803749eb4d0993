//! A machine inside a world: its state while it runs, its pending timers, what it has sent and nobody took yet.

use std::collections::{BTreeSet, VecDeque};

use model::machine::{Machine, Now, Out, Request, Step};

/// A process that runs a machine, with everything a driver holds for it. The clock stands still: timers fire in any
/// order, so whatever holds here holds for every timing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Process<S, O, T: Ord> {
    /// What the machine knows.
    pub state: S,
    /// The timers that may fire.
    pub timers: BTreeSet<T>,
    /// Outputs in the order in which they were made.
    pub outbox: VecDeque<O>,
}

/// The process of a machine. A faulty variant that knows, says and waits for the same runs in the same process.
pub type Node<M> = Process<<M as Machine>::State, <M as Machine>::Output, <M as Machine>::Timer>;

impl<S, O, T: Ord> Process<S, O, T> {
    /// Starts the machine with what it left on disk.
    pub fn start<M>(machine: &M, found: Option<M::Durable>) -> Self
    where
        M: Machine<State = S, Output = O, Timer = T>,
    {
        let mut out = Out::new();
        let state = machine.start(found, Now::default(), &mut out);
        let mut process = Process {
            state,
            timers: BTreeSet::new(),
            outbox: VecDeque::new(),
        };
        process.collect(&mut out);
        process
    }

    /// Gives the machine an input.
    pub fn step<M>(&mut self, machine: &M, input: M::Input) -> Step<M::Action>
    where
        M: Machine<State = S, Output = O, Timer = T>,
    {
        let mut out = Out::new();
        let step = machine.step(&mut self.state, Now::default(), input, &mut out);
        self.collect(&mut out);
        step
    }

    /// Gives the machine an input. Answers what has happened; nothing, if it was refused.
    pub fn tell<M>(&mut self, machine: &M, input: M::Input) -> Vec<M::Action>
    where
        M: Machine<State = S, Output = O, Timer = T>,
    {
        match self.step(machine, input) {
            Step::Moved(actions) => actions,
            Step::Nothing | Step::Refused(_) => Vec::new(),
        }
    }

    /// Lets a pending timer fire.
    pub fn fire<M>(&mut self, machine: &M, timer: &T) -> Step<M::Action>
    where
        M: Machine<State = S, Output = O, Timer = T>,
        T: Clone,
    {
        self.timers.remove(timer);
        self.step(machine, machine.fired(timer.clone()))
    }

    fn collect<M>(&mut self, out: &mut Out<M>)
    where
        M: Machine<State = S, Output = O, Timer = T>,
    {
        for request in out.drain() {
            match request {
                Request::Output(output) => self.outbox.push_back(output),
                Request::Timer(timer, _) => {
                    self.timers.insert(timer);
                }
                Request::Cancel(timer) => {
                    self.timers.remove(&timer);
                }
            }
        }
    }
}
