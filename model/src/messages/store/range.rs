//! Half-open ranges of keys.

use std::ops::Bound;
use std::sync::Arc;

use bincode::{Decode, Encode};

use super::Key;

/// Keys from `start` on, up to but without `end`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct KeyRange {
    /// The first key.
    pub start: Key,
    /// The first key that is too far; `None` if none is.
    pub end: Option<Key>,
}

impl KeyRange {
    /// Exactly this key.
    pub fn one(key: &str) -> Self {
        KeyRange {
            start: Arc::from(key),
            end: Some(Arc::from(format!("{key}\0"))),
        }
    }

    /// Every key that begins with `prefix`; every key at all if it is empty.
    pub fn prefix(prefix: &str) -> Self {
        let mut end: Vec<char> = prefix.chars().collect();
        let end = loop {
            // UTF-8 orders as code points do, so the next code point gives the first string beyond the prefix.
            match end.pop() {
                None => break None,
                Some(char::MAX) => {}
                Some(last) => {
                    let next =
                        (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32);
                    break Some(end.into_iter().chain(next).collect::<String>().into());
                }
            }
        };
        KeyRange {
            start: Arc::from(prefix),
            end,
        }
    }

    /// The part of this range that follows `key`, for reading on.
    pub fn after(&self, key: &str) -> Self {
        KeyRange {
            start: Arc::from(format!("{key}\0")),
            end: self.end.clone(),
        }
    }

    /// Whether `key` is in it.
    pub fn contains(&self, key: &str) -> bool {
        key >= &*self.start && self.end.as_ref().is_none_or(|end| key < &**end)
    }

    /// Whether no key can be in it.
    pub fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }

    /// The only key in it, if it is as [`one`](Self::one) makes it.
    pub fn single(&self) -> Option<&Key> {
        let end = self.end.as_ref()?;
        (end.strip_prefix(&*self.start) == Some("\0")).then_some(&self.start)
    }

    /// As the standard library's ordered maps take it. The range must not be [empty](Self::is_empty).
    pub fn bounds(&self) -> (Bound<&str>, Bound<&str>) {
        let end = match &self.end {
            Some(end) => Bound::Excluded(&**end),
            None => Bound::Unbounded,
        };
        (Bound::Included(&*self.start), end)
    }
}
