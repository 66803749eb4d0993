//! The shape of every component's decisions.
//!
//! A machine is deterministic: the same state, time and input give the same state and outputs, wherever it
//! runs. What it does to the world are outputs; what the world does to it, the completion of its own disk
//! writes and the firing of its own timers included, are inputs.

use std::fmt::Debug;
use std::hash::Hash;

use bincode::{Decode, Encode};

/// Wall-clock time in milliseconds since the Unix epoch, as the shell read it before the step.
///
/// Only stamps (`creationTimestamp`, `renewTime`, …) are made of it. Whatever has to happen later is a
/// [timer](Out::timer), so that a machine's state holds no absolute deadline and states repeat under checking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Now(pub u64);

/// What a step did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<A> {
    /// The state may have changed; the actions say how, in the specification's words.
    Moved(Vec<A>),
    /// The input is legal and changes nothing. The state is untouched and no output was made.
    Nothing,
    /// The input is not allowed in this state; the guard that refused it. The state is untouched.
    Refused(&'static str),
}

impl<A> Step<A> {
    /// A move described by a single action.
    pub fn moved(action: A) -> Self {
        Step::Moved(vec![action])
    }
}

/// A deterministic component.
pub trait Machine {
    /// What survives a crash. Everything else is lost with the process.
    type Durable;
    /// What the machine knows.
    type State: Clone + Debug + Eq + Hash;
    /// What can happen to it.
    type Input: Clone + Debug + Eq + Hash;
    /// What it does to the world.
    type Output: Clone + Debug + Eq + Hash;
    /// Names a pending timer; setting a timer again under the same name replaces it.
    type Timer: Clone + Debug + Ord + Hash;
    /// What happened, in the specification's words: letter of the specification, trace record, word of a
    /// counterexample and line of `explain`, all at once.
    type Action: Clone + Debug + Eq;

    /// The state after a start or a restart, from what was found on disk.
    fn start(&self, found: Option<Self::Durable>, now: Now, out: &mut Out<Self>) -> Self::State;

    /// What the start says has happened, in the specification's words: the first record of a trace.
    fn began(&self, _state: &Self::State) -> Vec<Self::Action> {
        Vec::new()
    }

    /// Takes one input. On [`Step::Nothing`] and [`Step::Refused`] the state is left as it was.
    fn step(
        &self,
        state: &mut Self::State,
        now: Now,
        input: Self::Input,
        out: &mut Out<Self>,
    ) -> Step<Self::Action>;

    /// The input that says a timer has fired.
    fn fired(&self, timer: Self::Timer) -> Self::Input;
}

/// What a step asks of its driver, in the order in which it was asked.
pub struct Out<M: Machine + ?Sized> {
    requests: Vec<Request<M>>,
}

/// One thing asked of the driver.
pub enum Request<M: Machine + ?Sized> {
    /// Carry out an output.
    Output(M::Output),
    /// Feed [`Machine::fired`] after so many milliseconds, instead of any timer pending under this name.
    Timer(M::Timer, u64),
    /// Forget the timer pending under this name, if any.
    Cancel(M::Timer),
}

impl<M: Machine + ?Sized> Out<M> {
    /// Nothing asked yet.
    pub fn new() -> Self {
        Out {
            requests: Vec::new(),
        }
    }

    /// Asks for an output to be carried out.
    pub fn push(&mut self, output: M::Output) {
        self.requests.push(Request::Output(output));
    }

    /// Asks to be woken once, `after_ms` milliseconds from this step.
    pub fn timer(&mut self, timer: M::Timer, after_ms: u64) {
        self.requests.push(Request::Timer(timer, after_ms));
    }

    /// Takes back a timer. Its firing may already be under way, so a machine tolerates a late one.
    pub fn cancel(&mut self, timer: M::Timer) {
        self.requests.push(Request::Cancel(timer));
    }

    /// Everything asked so far, in order.
    pub fn requests(&self) -> &[Request<M>] {
        &self.requests
    }

    /// Takes everything asked so far, in order.
    pub fn drain(&mut self) -> std::vec::Drain<'_, Request<M>> {
        self.requests.drain(..)
    }

    /// Whether nothing was asked.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }
}

impl<M: Machine + ?Sized> Default for Out<M> {
    fn default() -> Self {
        Self::new()
    }
}
