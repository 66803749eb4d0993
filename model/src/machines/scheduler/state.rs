//! What the scheduler knows.

use std::collections::{BTreeMap, VecDeque};

use bincode::{Decode, Encode};

use crate::machines::reflector::{Delta, Store};
use crate::machines::scheduler::cache::Cache;
use crate::machines::scheduler::queue::Queue;
use crate::machines::scheduler::view::{Demand, NodeView, PodView};
use crate::objects::key::ObjectKey;

/// The machine.
#[derive(Clone, Copy, Debug, Encode, Decode)]
pub struct Scheduler {
    /// How many bindings may be under way at once.
    pub bindings_max: usize,
    /// The wait before a binding without an answer is asked for again, in milliseconds.
    pub rebind_ms: u64,
    /// How long room stays taken for a binding that nobody knows about, in milliseconds.
    pub assumed_ms: u64,
}

impl Default for Scheduler {
    fn default() -> Self {
        Scheduler {
            bindings_max: 64,
            rebind_ms: 1_000,
            assumed_ms: 30_000,
        }
    }
}

/// How far the binding of an assumed pod is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Progress {
    /// Asked for. `again`: an earlier request got no answer.
    Asked {
        /// Whether an earlier request got no answer.
        again: bool,
    },
    /// No answer came; it will be asked for again.
    Lost,
    /// Persisted; the informer will show it.
    Done,
    /// Nobody knows; the informer may show it.
    Unknown,
}

/// A pod whose node is chosen and not confirmed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Assumed {
    /// The pod's UID.
    pub uid: String,
    /// The node.
    pub node: String,
    /// What is taken there for it.
    pub demand: Demand,
    /// How far its binding is.
    pub progress: Progress,
}

/// The scheduler's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State {
    /// Every pod.
    pub pods: Store<PodView>,
    /// Every node.
    pub nodes: Store<NodeView>,
    /// What is taken where.
    pub cache: Cache,
    /// Pods that wait.
    pub queue: Queue,
    /// Pods that are being bound.
    pub assumed: BTreeMap<ObjectKey, Assumed>,
    pub(super) binding: usize,
    /// Differences that are not taken in yet: a step does a bounded amount of work.
    pub(super) backlog: VecDeque<Difference>,
}

/// A difference of one of the two resources.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Difference {
    Pod(Box<Delta<PodView>>),
    Node(Box<Delta<NodeView>>),
}

/// The waits of a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// After a failure.
    Backoff(ObjectKey),
    /// Of an unschedulable pod, before it is tried anyway.
    Stale(ObjectKey),
    /// Before a binding is asked for again.
    Rebind(ObjectKey),
    /// Before what a step left over is gone on with: at once.
    More,
    /// Before the room of a binding that nobody knows about is given back.
    Assumed(ObjectKey),
}
