//! What can happen in the world of machines.

use std::fmt;

use model::objects::key::ObjectKey;

use crate::world::{Happens, Word};

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The client creates the next pod (steps 1 to 3).
    Create,
    /// The client deletes the pod of this UID.
    Delete(String),
    /// The API server's cache has everything that the store has.
    CacheCatchesUp,
    /// The API server's cache stands still until whoever crashes has listed.
    CacheStands,
    /// The scheduler sees what has changed (step 4), and decides (step 5).
    SchedulerSees(usize),
    /// The API server takes the binding of a pod (steps 6 and 7), and the scheduler hears what became of it.
    Bind(usize, ObjectKey),
    /// The scheduler does not hear what became of the binding; it was carried out or not.
    BindLost(usize, ObjectKey, bool),
    /// A wait of the scheduler is over.
    SchedulerFires(usize, model::machines::scheduler::Timer),
    /// The scheduler's process ends and a new one begins.
    SchedulerCrash(usize),
    /// A new process of the kubelet lists the runtime and registers its node.
    KubeletStarts(usize),
    /// The kubelet lists its pods, from the store or from the cache.
    KubeletLists(usize, bool),
    /// The kubelet sees what has changed (step 8).
    KubeletSees(usize),
    /// The pod's container runs (step 9).
    Started(usize, String),
    /// It cannot be started.
    FailedStart(usize, String),
    /// It ends by itself.
    End(usize, String),
    /// The pod's containers are stopped.
    Stopped(usize, String),
    /// The API server takes the pod's status (steps 10 and 11).
    Persist(usize, String),
    /// The API server takes the kubelet's final deletion of the pod.
    Removed(usize, String),
    /// A wait of the kubelet is over.
    KubeletFires(usize, model::machines::kubelet::Timer),
    /// The kubelet's process ends; what it had asked for is carried out, or not.
    KubeletCrash(usize, bool),
    /// The machine loses its power, and with it everything that runs there.
    PowerOff(usize),
    /// The machine is switched on again.
    PowerOn(usize),
    /// Somebody who knows that the machine is off removes the node's object.
    RemoveNode(usize),
    /// The collector sees what has changed.
    GcSees,
    /// A wait of the collector is over.
    GcFires(model::machines::controller::Timer),
    /// The API server answers the collector's oldest request.
    GcAsks,
    /// A new process of the ReplicaSet's controller lists, from the store or from the cache.
    SetLists(bool),
    /// The ReplicaSet's controller sees what has changed.
    SetSees,
    /// The API server takes a request of the ReplicaSet's controller, and answers.
    SetAsks(u32),
    /// A wait of the ReplicaSet's controller is over.
    SetFires(model::machines::controller::Timer),
    /// The controller's process ends, with what it had asked for, and a new one begins.
    SetCrash,
}

pub(super) const WORDS: [Word; 31] = {
    const fn word(name: &'static str, kind: Happens) -> Word {
        Word { name, kind }
    }
    [
        word("create", Happens::Surely),
        word("delete", Happens::Perhaps),
        word("cache catches up", Happens::Surely),
        word("scheduler sees", Happens::Surely),
        word("bind", Happens::Surely),
        word("lose a binding's answer", Happens::Fault),
        word("scheduler's wait ends", Happens::Surely),
        word("scheduler crash", Happens::Fault),
        word("kubelet starts", Happens::Surely),
        word("kubelet lists", Happens::Surely),
        word("kubelet sees", Happens::Surely),
        word("started", Happens::Surely),
        word("fail to start", Happens::Fault),
        word("end", Happens::Fault),
        word("stopped", Happens::Surely),
        word("persist", Happens::Surely),
        word("removed", Happens::Surely),
        word("kubelet's wait ends", Happens::Surely),
        word("kubelet crash", Happens::Fault),
        word("power off", Happens::Fault),
        word("power on", Happens::Surely),
        word("remove node", Happens::Perhaps),
        word("gc sees", Happens::Surely),
        word("gc's wait ends", Happens::Surely),
        word("gc asks", Happens::Surely),
        word("cache stands", Happens::Fault),
        word("set lists", Happens::Surely),
        word("set sees", Happens::Surely),
        word("set asks", Happens::Surely),
        word("set's wait ends", Happens::Surely),
        word("set crash", Happens::Fault),
    ]
};

impl Choice {
    /// Whether it answers what a kubelet has asked for.
    pub(super) fn is_answer(&self) -> bool {
        matches!(
            self,
            Choice::Started(..) | Choice::Stopped(..) | Choice::Persist(..) | Choice::Removed(..)
        )
    }

    /// Its place in the list of words, and whose node or scheduler it is.
    pub(super) fn parts(&self) -> (usize, usize) {
        match self {
            Choice::Create => (0, 0),
            Choice::Delete(_) => (1, 0),
            Choice::CacheCatchesUp => (2, 0),
            Choice::SchedulerSees(at) => (3, *at),
            Choice::Bind(at, _) => (4, *at),
            Choice::BindLost(at, ..) => (5, *at),
            Choice::SchedulerFires(at, _) => (6, *at),
            Choice::SchedulerCrash(at) => (7, *at),
            Choice::KubeletStarts(at) => (8, *at),
            Choice::KubeletLists(at, _) => (9, *at),
            Choice::KubeletSees(at) => (10, *at),
            Choice::Started(at, _) => (11, *at),
            Choice::FailedStart(at, _) => (12, *at),
            Choice::End(at, _) => (13, *at),
            Choice::Stopped(at, _) => (14, *at),
            Choice::Persist(at, _) => (15, *at),
            Choice::Removed(at, _) => (16, *at),
            Choice::KubeletFires(at, _) => (17, *at),
            Choice::KubeletCrash(at, _) => (18, *at),
            Choice::PowerOff(at) => (19, *at),
            Choice::PowerOn(at) => (20, *at),
            Choice::RemoveNode(at) => (21, *at),
            Choice::GcSees => (22, 0),
            Choice::GcFires(_) => (23, 0),
            Choice::GcAsks => (24, 0),
            Choice::CacheStands => (25, 0),
            Choice::SetLists(_) => (26, 0),
            Choice::SetSees => (27, 0),
            Choice::SetAsks(_) => (28, 0),
            Choice::SetFires(_) => (29, 0),
            Choice::SetCrash => (30, 0),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, at) = self.parts();
        let word = WORDS[word].name;
        let done = |done: &bool| {
            if *done {
                "carried out"
            } else {
                "not carried out"
            }
        };
        match self {
            Choice::Create
            | Choice::CacheCatchesUp
            | Choice::CacheStands
            | Choice::GcSees
            | Choice::GcAsks
            | Choice::SetSees
            | Choice::SetCrash => f.write_str(word),
            Choice::SetAsks(index) => write!(f, "{word}: request {index}"),
            Choice::SetFires(timer) => write!(f, "{word}: {timer:?}"),
            Choice::SetLists(cached) => write!(f, "{word}: from {}", source(*cached)),
            Choice::Delete(uid) => write!(f, "{word}: {uid}"),
            Choice::GcFires(timer) => write!(f, "{word}: {timer:?}"),
            Choice::Bind(_, pod) => write!(f, "{word}: scheduler {at}, {pod}"),
            Choice::BindLost(_, pod, it) => {
                write!(f, "{word}: scheduler {at}, {pod}, {}", done(it))
            }
            Choice::SchedulerFires(_, timer) => write!(f, "{word}: scheduler {at}, {timer:?}"),
            Choice::SchedulerSees(_) | Choice::SchedulerCrash(_) => {
                write!(f, "{word}: scheduler {at}")
            }
            Choice::KubeletLists(_, cached) => {
                write!(f, "{word}: node {at}, from {}", source(*cached))
            }
            Choice::KubeletFires(_, timer) => write!(f, "{word}: node {at}, {timer:?}"),
            Choice::KubeletCrash(_, it) => {
                write!(f, "{word}: node {at}, what it asked for {}", done(it))
            }
            Choice::Started(_, uid)
            | Choice::FailedStart(_, uid)
            | Choice::End(_, uid)
            | Choice::Stopped(_, uid)
            | Choice::Persist(_, uid)
            | Choice::Removed(_, uid) => write!(f, "{word}: node {at}, {uid}"),
            Choice::KubeletStarts(_)
            | Choice::KubeletSees(_)
            | Choice::PowerOff(_)
            | Choice::PowerOn(_)
            | Choice::RemoveNode(_) => write!(f, "{word}: node {at}"),
        }
    }
}

fn source(cached: bool) -> &'static str {
    if cached { "the cache" } else { "the store" }
}
