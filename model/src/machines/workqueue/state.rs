//! What a workqueue knows.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bincode::{Decode, Encode};

/// How long a key waits after failures, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Backoff {
    /// After the first failure.
    pub first_ms: u64,
    /// At most.
    pub cap_ms: u64,
}

impl Default for Backoff {
    /// As `DefaultControllerRateLimiter` of client-go: 5 ms, doubled up to 1000 s.
    fn default() -> Self {
        Backoff {
            first_ms: 5,
            cap_ms: 1_000_000,
        }
    }
}

impl Backoff {
    /// The wait after `failures` failures in a row, counted from 1.
    pub fn after(&self, failures: u32) -> u64 {
        let doublings = failures.saturating_sub(1).min(40);
        self.first_ms
            .saturating_mul(1 << doublings)
            .min(self.cap_ms)
    }
}

/// What adding a key did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Added {
    /// It waits for a worker.
    Queued,
    /// It is being worked on, and will wait again after that.
    Marked,
    /// It was waiting, or marked, already.
    Already,
}

/// Keys that wait, keys that are worked on, and how often each failed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Queue<K> {
    waiting: VecDeque<K>,
    dirty: BTreeSet<K>,
    working: BTreeSet<K>,
    failures: BTreeMap<K, u32>,
}

impl<K> Default for Queue<K> {
    fn default() -> Self {
        Queue {
            waiting: VecDeque::new(),
            dirty: BTreeSet::new(),
            working: BTreeSet::new(),
            failures: BTreeMap::new(),
        }
    }
}

impl<K: Ord + Clone> Queue<K> {
    /// Has a key looked at, now or after the worker that has it.
    pub fn add(&mut self, key: K) -> Added {
        if !self.dirty.insert(key.clone()) {
            return Added::Already;
        }
        if self.working.contains(&key) {
            return Added::Marked;
        }
        self.waiting.push_back(key);
        Added::Queued
    }

    /// The next key to work on, if any waits.
    pub fn take(&mut self) -> Option<K> {
        let key = self.waiting.pop_front()?;
        self.dirty.remove(&key);
        self.working.insert(key.clone());
        Some(key)
    }

    /// The worker is done with a key; `true` if the key was marked meanwhile and waits again.
    pub fn done(&mut self, key: &K) -> bool {
        if !self.working.remove(key) || !self.dirty.contains(key) {
            return false;
        }
        self.waiting.push_back(key.clone());
        true
    }

    /// Counts a failure of a key and tells how long it has to wait, in milliseconds.
    pub fn failed(&mut self, key: &K, backoff: &Backoff) -> u64 {
        let failures = self.failures.entry(key.clone()).or_insert(0);
        let wait = backoff.after(failures.saturating_add(1));
        // Counted only as far as it lengthens the wait, so that states repeat.
        if wait < backoff.cap_ms {
            *failures += 1;
        }
        wait
    }

    /// Forgets the failures of a key.
    pub fn forget(&mut self, key: &K) {
        self.failures.remove(key);
    }

    /// Whether a key is being worked on.
    pub fn is_working(&self, key: &K) -> bool {
        self.working.contains(key)
    }

    /// How many keys are being worked on.
    pub fn working(&self) -> usize {
        self.working.len()
    }

    /// How many keys wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

/// A workqueue's state: the queue itself.
pub type State<K> = Queue<K>;

/// The wait of a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer<K> {
    /// After failures.
    Backoff(K),
    /// Because someone asked for it.
    Later(K),
}
