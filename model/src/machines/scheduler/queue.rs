//! The scheduler's queue: active, backing off, unschedulable.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::objects::key::ObjectKey;

/// The wait after the first failure, in milliseconds (`podInitialBackoffSeconds`).
pub const BACKOFF_FIRST_MS: u64 = 1_000;

/// The longest wait after failures, in milliseconds (`podMaxBackoffSeconds`).
pub const BACKOFF_CAP_MS: u64 = 10_000;

/// After this time an unschedulable pod is tried anyway, in milliseconds.
pub const UNSCHEDULABLE_MS: u64 = 300_000;

/// Where a waiting pod is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// Will be tried as soon as its turn comes.
    Active,
    /// Was taken: it is being tried, or bound.
    Taken,
    /// Will be active when its back-off is over.
    BackingOff,
    /// Waits for a change that lets it fit. `cooling`: its back-off is not over either.
    Unschedulable {
        /// Whether its back-off is not over.
        cooling: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Waiting {
    place: Place,
    priority: i64,
    attempts: u32,
}

/// The pods that have no node and are not being bound.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Queue {
    active: BTreeMap<Reverse<i64>, VecDeque<ObjectKey>>,
    waiting: BTreeMap<ObjectKey, Waiting>,
    unschedulable: BTreeSet<ObjectKey>,
}

impl Queue {
    /// A pod without a node.
    pub fn add(&mut self, pod: &ObjectKey, priority: i64) {
        self.remove(pod);
        let waiting = Waiting {
            place: Place::Active,
            priority,
            attempts: 0,
        };
        self.waiting.insert(pod.clone(), waiting);
        self.active
            .entry(Reverse(priority))
            .or_default()
            .push_back(pod.clone());
    }

    /// The next pod to try: the first of the highest priority. It stays known, with its attempts.
    pub fn take(&mut self) -> Option<ObjectKey> {
        loop {
            let mut first = self.active.first_entry()?;
            let pod = first.get_mut().pop_front();
            if first.get().is_empty() {
                first.remove();
            }
            // What was removed since is left where it was, for to look for it would cost more.
            let waiting = pod.as_ref().and_then(|pod| self.waiting.get_mut(pod));
            if let Some(waiting) = waiting.filter(|it| it.place == Place::Active) {
                waiting.place = Place::Taken;
                return pod;
            }
        }
    }

    /// The pod that was taken fits nowhere. Tells how long it has to wait at least, in milliseconds.
    pub fn park(&mut self, pod: &ObjectKey) -> u64 {
        self.unschedulable.insert(pod.clone());
        self.fail(pod, Place::Unschedulable { cooling: true })
    }

    /// The pod that was taken could not be bound. Tells how long it has to wait, in milliseconds.
    pub fn back_off(&mut self, pod: &ObjectKey) -> u64 {
        self.fail(pod, Place::BackingOff)
    }

    fn fail(&mut self, pod: &ObjectKey, place: Place) -> u64 {
        let Some(waiting) = self.waiting.get_mut(pod) else {
            return BACKOFF_FIRST_MS;
        };
        waiting.place = place;
        let wait = (BACKOFF_FIRST_MS << waiting.attempts.min(8)).min(BACKOFF_CAP_MS);
        // Counted only as far as it lengthens the wait, so that states repeat.
        if wait < BACKOFF_CAP_MS {
            waiting.attempts += 1;
        }
        wait
    }

    /// The back-off of a pod is over. `true` if the pod is active for that.
    pub fn cooled(&mut self, pod: &ObjectKey) -> bool {
        match self.place(pod) {
            Some(Place::BackingOff) => {
                self.activate(pod);
                true
            }
            Some(Place::Unschedulable { cooling: true }) => {
                self.set(pod, Place::Unschedulable { cooling: false });
                false
            }
            _ => false,
        }
    }

    /// Something changed that may let a pod fit: it is active, or will be after its back-off. `false` if the
    /// pod was not waiting for that.
    pub fn wake(&mut self, pod: &ObjectKey) -> bool {
        match self.place(pod) {
            Some(Place::Unschedulable { cooling: false }) => self.activate(pod),
            Some(Place::Unschedulable { cooling: true }) => {
                self.unschedulable.remove(pod);
                self.set(pod, Place::BackingOff);
            }
            _ => return false,
        }
        true
    }

    /// The pod no longer waits.
    pub fn remove(&mut self, pod: &ObjectKey) {
        if self.waiting.remove(pod).is_some() {
            self.unschedulable.remove(pod);
        }
    }

    /// Where a pod is.
    pub fn place(&self, pod: &ObjectKey) -> Option<Place> {
        self.waiting.get(pod).map(|waiting| waiting.place)
    }

    /// The pods that wait for a change.
    pub fn unschedulable(&self) -> impl Iterator<Item = &ObjectKey> {
        self.unschedulable.iter()
    }

    fn activate(&mut self, pod: &ObjectKey) {
        self.unschedulable.remove(pod);
        if let Some(waiting) = self.waiting.get_mut(pod) {
            waiting.place = Place::Active;
            let pods = self.active.entry(Reverse(waiting.priority)).or_default();
            pods.push_back(pod.clone());
        }
    }

    fn set(&mut self, pod: &ObjectKey, place: Place) {
        if let Some(waiting) = self.waiting.get_mut(pod) {
            waiting.place = place;
        }
    }
}
