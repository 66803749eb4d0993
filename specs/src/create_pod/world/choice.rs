//! What can happen in the abstract world.

use std::fmt;

use crate::world::{Happens, Word};

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The client creates the pod (steps 1 to 3).
    Create(usize),
    /// The client deletes the pod: at once if it has no node, else its kubelet is to end it.
    Delete(usize),
    /// The scheduler sees what has changed (step 4).
    SchedulerSees(usize),
    /// The scheduler chooses a node for the pod (step 5).
    Assume(usize, usize, u8),
    /// The API server takes the binding (steps 6 and 7), and the scheduler hears what became of it.
    Bind(usize, usize),
    /// The scheduler does not hear what became of the binding; it was carried out or not.
    BindLost(usize, usize, bool),
    /// The scheduler's process ends and a new one begins.
    SchedulerCrash(usize),
    /// The kubelet sees what has changed (step 8).
    KubeletSees(usize),
    /// The kubelet decides whether it takes the pod.
    Admit(usize, usize),
    /// The kubelet has the runtime start the container (step 9).
    Start(usize, usize),
    /// The container runs.
    Started(usize, usize),
    /// The container cannot be started.
    FailedStart(usize, usize),
    /// The container ends by itself.
    End(usize, usize),
    /// The kubelet has the runtime stop the container.
    Stop(usize, usize),
    /// The container is stopped.
    Stopped(usize, usize),
    /// The kubelet reports the pod's phase (step 10).
    Report(usize, usize),
    /// The API server has the phase (step 11).
    Persist(usize, usize),
    /// The kubelet asks for the removal of the pod's object.
    Remove(usize, usize),
    /// The API server removes it.
    Removed(usize, usize),
    /// The kubelet's process ends; what it had asked for is carried out, or not.
    KubeletCrash(usize, bool),
    /// A new process of the kubelet lists the runtime and registers its node.
    KubeletStarts(usize),
    /// The machine loses its power, and with it everything that runs there.
    PowerOff(usize),
    /// The machine is switched on again.
    PowerOn(usize),
    /// Somebody who knows that the machine is off removes the node's object.
    RemoveNode(usize),
    /// The collector asks the API whether the node is there.
    GcLooks(usize),
    /// The collector deletes the pods of a node that is gone, gracefully.
    GcMarks(usize),
    /// The collector removes the pods of a node that is still gone.
    GcRemoves(usize),
}

/// What a choice is called, and whether it is bound to happen.
pub(super) const WORDS: [Word; 27] = {
    const fn sure(name: &'static str) -> Word {
        let kind = Happens::Surely;
        Word { name, kind }
    }
    const fn fault(name: &'static str) -> Word {
        let kind = Happens::Fault;
        Word { name, kind }
    }
    const fn perhaps(name: &'static str) -> Word {
        let kind = Happens::Perhaps;
        Word { name, kind }
    }
    [
        sure("create"),
        perhaps("delete"),
        sure("scheduler sees"),
        sure("assume"),
        sure("bind"),
        fault("lose a binding's answer"),
        fault("scheduler crash"),
        sure("kubelet sees"),
        sure("admit"),
        sure("start"),
        sure("started"),
        fault("fail to start"),
        fault("end"),
        sure("stop"),
        sure("stopped"),
        sure("report"),
        sure("persist"),
        sure("remove"),
        sure("removed"),
        fault("kubelet crash"),
        sure("kubelet starts"),
        fault("power off"),
        sure("power on"),
        perhaps("remove node"),
        sure("gc looks"),
        sure("gc marks"),
        sure("gc removes"),
    ]
};

impl Choice {
    /// Its place in the list of words, whose node or scheduler it is, and which pod it is about.
    pub(super) fn parts(self) -> (usize, usize, usize) {
        match self {
            Choice::Create(pod) => (0, 0, pod),
            Choice::Delete(pod) => (1, 0, pod),
            Choice::SchedulerSees(at) => (2, at, 0),
            Choice::Assume(at, pod, _) => (3, at, pod),
            Choice::Bind(at, pod) => (4, at, pod),
            Choice::BindLost(at, pod, _) => (5, at, pod),
            Choice::SchedulerCrash(at) => (6, at, 0),
            Choice::KubeletSees(at) => (7, at, 0),
            Choice::Admit(at, pod) => (8, at, pod),
            Choice::Start(at, pod) => (9, at, pod),
            Choice::Started(at, pod) => (10, at, pod),
            Choice::FailedStart(at, pod) => (11, at, pod),
            Choice::End(at, pod) => (12, at, pod),
            Choice::Stop(at, pod) => (13, at, pod),
            Choice::Stopped(at, pod) => (14, at, pod),
            Choice::Report(at, pod) => (15, at, pod),
            Choice::Persist(at, pod) => (16, at, pod),
            Choice::Remove(at, pod) => (17, at, pod),
            Choice::Removed(at, pod) => (18, at, pod),
            Choice::KubeletCrash(at, _) => (19, at, 0),
            Choice::KubeletStarts(at) => (20, at, 0),
            Choice::PowerOff(at) => (21, at, 0),
            Choice::PowerOn(at) => (22, at, 0),
            Choice::RemoveNode(at) => (23, at, 0),
            Choice::GcLooks(at) => (24, at, 0),
            Choice::GcMarks(at) => (25, at, 0),
            Choice::GcRemoves(at) => (26, at, 0),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, at, pod) = self.parts();
        let word = WORDS[word].name;
        match self {
            Choice::Create(_) | Choice::Delete(_) => write!(f, "{word}: pod {pod}"),
            Choice::Assume(_, _, node) => {
                write!(f, "{word}: scheduler {at}, pod {pod}, node {node}")
            }
            Choice::Bind(..) => write!(f, "{word}: scheduler {at}, pod {pod}"),
            Choice::BindLost(_, _, done) => {
                let done = if *done {
                    "carried out"
                } else {
                    "not carried out"
                };
                write!(f, "{word}: scheduler {at}, pod {pod}, {done}")
            }
            Choice::SchedulerSees(_) | Choice::SchedulerCrash(_) => {
                write!(f, "{word}: scheduler {at}")
            }
            Choice::KubeletCrash(_, done) => {
                let done = if *done {
                    "carried out"
                } else {
                    "not carried out"
                };
                write!(f, "{word}: node {at}, what it asked for {done}")
            }
            Choice::KubeletSees(_)
            | Choice::KubeletStarts(_)
            | Choice::PowerOff(_)
            | Choice::PowerOn(_)
            | Choice::RemoveNode(_)
            | Choice::GcLooks(_)
            | Choice::GcMarks(_)
            | Choice::GcRemoves(_) => write!(f, "{word}: node {at}"),
            _ => write!(f, "{word}: node {at}, pod {pod}"),
        }
    }
}
