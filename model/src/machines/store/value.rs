//! What the store asks of a value.

use std::fmt::Debug;
use std::hash::Hash;

use crate::objects::bytes::Bytes;

/// A value that is moved without being looked into: cheap to clone, compared only because a transaction may.
pub trait Value: Clone + Debug + Ord + Hash {
    /// Its size in bytes, for limits.
    fn size(&self) -> u64;
}

impl Value for Bytes {
    fn size(&self) -> u64 {
        self.len() as u64
    }
}

/// The value of a store under checking.
impl Value for u8 {
    fn size(&self) -> u64 {
        1
    }
}
