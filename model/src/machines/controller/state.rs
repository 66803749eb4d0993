//! What a controller knows.

use std::collections::{BTreeMap, BTreeSet};

use bincode::{Decode, Encode};

use crate::machines::controller::expectations::Expectations;
use crate::machines::controller::reconcile::Reconcile;
use crate::machines::workqueue::{Backoff, Queue};
use crate::objects::key::{GroupResource, ObjectKey};

/// The machine around a [`Reconcile`].
#[derive(Clone, Debug, Encode, Decode)]
pub struct Controller<R> {
    /// The controller proper.
    pub reconcile: R,
    /// How many keys are worked on at a time.
    pub workers: usize,
    /// How long failures wait.
    pub backoff: Backoff,
    /// How long to wait for what was caused to be seen, in milliseconds.
    pub expectations_ms: u64,
}

impl<R> Controller<R> {
    /// With the numbers of Kubernetes: five workers, 5 ms to 1000 s of back-off, five minutes of expectations.
    pub fn new(reconcile: R) -> Self {
        Controller {
            reconcile,
            workers: 5,
            backoff: Backoff::default(),
            expectations_ms: 300_000,
        }
    }
}

/// One round of work on a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Round<S> {
    pub(super) session: S,
    /// Requests of the present batch that are not answered yet.
    pub(super) open: BTreeSet<u32>,
}

/// A controller's state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State<R: Reconcile> {
    /// What it sees.
    pub view: R::View,
    /// What it has caused and not yet seen.
    pub expectations: Expectations,
    pub(super) listed: BTreeSet<GroupResource>,
    pub(super) queue: Queue<ObjectKey>,
    pub(super) rounds: BTreeMap<ObjectKey, Round<R::Session>>,
}

impl<R: Reconcile> State<R> {
    /// How many keys are being worked on.
    pub fn working(&self) -> usize {
        self.rounds.len()
    }

    /// How many keys wait.
    pub fn waiting(&self) -> usize {
        self.queue.waiting()
    }
}

/// The waits of a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// After a failure.
    Backoff(ObjectKey),
    /// Because the controller asked for it.
    Later(ObjectKey),
    /// Before the keys that a step left over are gone on with: at once.
    More,
    /// For what was caused to be seen.
    Expectations(ObjectKey),
}
