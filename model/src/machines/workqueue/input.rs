//! What can happen to a workqueue.

/// How the work on a key ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Nothing is left to do; failures are forgotten.
    Succeeded,
    /// It did not work; the key comes again after its back-off.
    Failed,
    /// It worked, and there will be more to do in so many milliseconds; failures are forgotten.
    Again(u64),
}

/// What can happen to a workqueue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Input<K> {
    /// Something about this key has changed.
    Add(K),
    /// Something about this key will have to be looked at in so many milliseconds.
    AddAfter(K, u64),
    /// A worker is done with a key.
    Done(K, Outcome),
    /// The wait of a key is over.
    Due(K),
}
