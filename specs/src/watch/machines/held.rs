//! The value that the machines of this world move: an object with what names it, as an API server's shell makes it
//! of the store's bytes.

use model::machines::watch_cache::Cached;

use super::super::history::{Filter, Key, Object};

/// An object with its key and the revision of its last write.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Held {
    /// Its key.
    pub key: Key,
    /// The revision of its last write; for one that went, of that.
    pub revision: u64,
    /// The object.
    pub object: Object,
}

/// The mark is its group, as a pod's node is a pod's.
impl Cached for Held {
    type Filter = Filter;

    fn matches(&self, filter: &Filter) -> bool {
        filter.selects(self.object)
    }

    fn group(&self) -> &str {
        if self.object.marked { "marked" } else { "" }
    }

    fn group_of(filter: &Filter) -> Option<&str> {
        (*filter == Filter::Marked).then_some("marked")
    }

    fn is_everything(filter: &Filter) -> bool {
        *filter == Filter::Everything
    }

    fn restamped(&self, revision: u64) -> Self {
        Held {
            revision,
            ..self.clone()
        }
    }

    fn size(&self) -> usize {
        1
    }
}
