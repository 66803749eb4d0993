//! What a workqueue asks for.

/// What a workqueue asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Output<K> {
    /// Work on this key; answered by `Done`.
    Work(K),
}
