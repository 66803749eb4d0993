//! What clients do, and how it ended.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use model::objects::status::Reason;
use shell::CallError;

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// Creates a pod.
    CreatePod,
    /// Creates a pod and binds it to a node, faster than the scheduler or against its judgement.
    BindPod,
    /// Deletes a pod.
    DeletePod,
    /// Changes a label of a pod.
    LabelPod,
    /// Creates a ReplicaSet.
    CreateReplicaSet,
    /// Changes how many replicas a ReplicaSet has.
    Scale,
    /// Deletes a ReplicaSet.
    DeleteReplicaSet,
    /// Increments a number in a ConfigMap if it is still as it was read.
    Count,
    /// Lists the pods of every namespace as of the moment of asking.
    List,
    /// Creates a namespace of its own, and a pod in it.
    CreateNamespace,
    /// Deletes that namespace with all that is in it.
    DeleteNamespace,
}

/// How actions ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// Done.
    pub done: u64,
    /// Refused by the API server, for a reason that it gave.
    pub refused: u64,
    /// It is not known whether it was done.
    pub unknown: u64,
}

/// What all clients did, and what they saw that must not be. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Deeds {
    ends: Rc<RefCell<BTreeMap<Act, Ends>>>,
    faults: Rc<RefCell<Vec<String>>>,
}

impl Deeds {
    /// How the actions ended.
    pub fn ends(&self) -> BTreeMap<Act, Ends> {
        self.ends.borrow().clone()
    }

    /// An action has ended.
    pub(super) fn note(&self, act: Act, end: &End<()>) {
        let mut ends = self.ends.borrow_mut();
        let ends = ends.entry(act).or_default();
        match end {
            End::Done(()) => ends.done += 1,
            End::Refused => ends.refused += 1,
            End::Unknown => ends.unknown += 1,
        }
    }

    /// What was seen that must not be.
    pub fn faults(&self) -> Vec<String> {
        self.faults.borrow().clone()
    }

    /// Something was seen that must not be.
    pub(super) fn fault(&self, fault: String) {
        self.faults.borrow_mut().push(fault);
    }
}

/// How a call ended.
pub(super) enum End<T> {
    /// With this answer.
    Done(T),
    /// It was certainly not carried out.
    Refused,
    /// Nobody knows whether it was.
    Unknown,
}

impl<T> End<T> {
    pub(super) fn of(result: Result<Result<T, CallError>, tokio::time::error::Elapsed>) -> Self {
        match result {
            Ok(Ok(value)) => End::Done(value),
            // 500 and 504 leave open whether the store has carried the write out.
            Ok(Err(CallError::Refused(status)))
                if !matches!(status.reason, Reason::InternalError | Reason::Timeout) =>
            {
                End::Refused
            }
            Ok(Err(CallError::Connection(error))) if error.certainly_not_sent() => End::Refused,
            Ok(Err(_)) | Err(_) => End::Unknown,
        }
    }

    /// Without the answer.
    pub(super) fn word(&self) -> End<()> {
        match self {
            End::Done(_) => End::Done(()),
            End::Refused => End::Refused,
            End::Unknown => End::Unknown,
        }
    }
}
