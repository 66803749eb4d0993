//! What the states of an exploration have in common, kept once.
//!
//! A level of a large world is many states at once, and most of what one is made of is in thousands of others.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// Parts of states, each once.
#[derive(Default)]
pub struct Pool {
    parts: HashMap<u64, Arc<dyn Any + Send + Sync>>,
}

impl Pool {
    /// Has a state share a part with those that have the same.
    pub fn share<T>(&mut self, part: &mut Arc<T>)
    where
        T: Eq + Hash + Send + Sync + 'static,
    {
        let mut hasher = DefaultHasher::new();
        (TypeId::of::<T>(), &**part).hash(&mut hasher);
        let known = self.parts.entry(hasher.finish());
        let known = known.or_insert_with(|| Arc::<T>::clone(part));
        if let Ok(known) = Arc::clone(known).downcast::<T>()
            && known == *part
        {
            *part = known;
        }
    }
}
