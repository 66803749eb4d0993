//! A machine inside a world: its state while it runs, its pending timers, what it has sent and nobody took yet.

use std::collections::{BTreeSet, VecDeque};

use model::machine::{Machine, Now, Out, Request, Step};

/// A machine that runs, with everything a driver holds for it. The clock stands still: timers fire in any
/// order, so whatever holds here holds for every timing.
pub struct Node<M: Machine> {
    /// What the machine knows.
    pub state: M::State,
    /// The timers that may fire.
    pub timers: BTreeSet<M::Timer>,
    /// Outputs in the order in which they were made.
    pub outbox: VecDeque<M::Output>,
}

impl<M: Machine> Clone for Node<M> {
    fn clone(&self) -> Self {
        Node {
            state: self.state.clone(),
            timers: self.timers.clone(),
            outbox: self.outbox.clone(),
        }
    }
}

impl<M: Machine> std::fmt::Debug for Node<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("state", &self.state)
            .field("timers", &self.timers)
            .field("outbox", &self.outbox)
            .finish()
    }
}

impl<M: Machine> PartialEq for Node<M> {
    fn eq(&self, other: &Self) -> bool {
        self.state == other.state && self.timers == other.timers && self.outbox == other.outbox
    }
}

impl<M: Machine> Eq for Node<M> {}

impl<M: Machine> std::hash::Hash for Node<M> {
    fn hash<H: std::hash::Hasher>(&self, hasher: &mut H) {
        // Destructured, so that a field added here cannot be forgotten.
        let Node {
            state,
            timers,
            outbox,
        } = self;
        state.hash(hasher);
        timers.hash(hasher);
        outbox.hash(hasher);
    }
}

impl<M: Machine> Node<M> {
    /// Starts the machine with what it left on disk.
    pub fn start(machine: &M, found: Option<M::Durable>) -> Self {
        let mut out = Out::new();
        let state = machine.start(found, Now::default(), &mut out);
        let mut node = Node {
            state,
            timers: BTreeSet::new(),
            outbox: VecDeque::new(),
        };
        node.collect(&mut out);
        node
    }

    /// Gives the machine an input.
    pub fn step(&mut self, machine: &M, input: M::Input) -> Step<M::Action> {
        let mut out = Out::new();
        let step = machine.step(&mut self.state, Now::default(), input, &mut out);
        self.collect(&mut out);
        step
    }

    /// Lets a pending timer fire.
    pub fn fire(&mut self, machine: &M, timer: &M::Timer) -> Step<M::Action> {
        self.timers.remove(timer);
        self.step(machine, machine.fired(timer.clone()))
    }

    fn collect(&mut self, out: &mut Out<M>) {
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
