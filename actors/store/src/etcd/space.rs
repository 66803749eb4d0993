//! Our keys among those of an etcd that others use too.
//!
//! A key `/registry/pods/a` of the store is `/plimsoll/store/registry/pods/a` there; the mark is `/plimsoll/mark`.

use std::sync::Arc;

use bytes::Bytes;
use model::messages::store::{Event, Key, KeyRange, KeyValue};
use model::objects;

use super::wire;

/// The part of an etcd's keys that is ours.
#[derive(Clone, Debug)]
pub(super) struct Space {
    /// What the store's keys begin with.
    store: String,
    /// Everything of ours, the mark too.
    all: String,
}

/// Something in our part of the keys is not ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("etcd's key {key:?} is none of Plimsoll's: remove it, or choose another prefix")]
pub(super) struct Foreign {
    key: String,
}

impl Space {
    pub(super) fn new(prefix: &str) -> Self {
        Space {
            store: format!("{prefix}/store"),
            all: format!("{prefix}/"),
        }
    }

    /// The mark's key.
    pub(super) fn mark(&self) -> Bytes {
        Bytes::from(format!("{}mark", self.all))
    }

    /// A key of the store as etcd has it.
    pub(super) fn key(&self, key: &str) -> Bytes {
        Bytes::from(format!("{}{key}", self.store))
    }

    /// A range of the store's keys: its first key, and the first that is too far.
    pub(super) fn range(&self, range: &KeyRange) -> (Bytes, Bytes) {
        let end = match &range.end {
            Some(end) => self.key(end),
            None => Self::beyond(&self.store),
        };
        (self.key(&range.start), end)
    }

    /// Everything of ours.
    pub(super) fn everything(&self) -> (Bytes, Bytes) {
        (Bytes::from(self.all.clone()), Self::beyond(&self.all))
    }

    /// The first key beyond a prefix.
    fn beyond(prefix: &str) -> Bytes {
        let end = KeyRange::prefix(prefix).end;
        // A prefix is never all of the largest characters; if it were, everything behind it would be meant.
        Bytes::from(end.map_or_else(|| "\0".to_owned(), |end| end.to_string()))
    }

    /// The store's key for one of etcd's; `None` for what is ours and not the store's.
    fn own(&self, key: &[u8]) -> Result<Option<Key>, Foreign> {
        let foreign = || Foreign {
            key: String::from_utf8_lossy(key).into_owned(),
        };
        let text = std::str::from_utf8(key).map_err(|_| foreign())?;
        match text.strip_prefix(&*self.store) {
            Some(key) => Ok(Some(Arc::from(key))),
            None if text.starts_with(&*self.all) => Ok(None),
            None => Err(foreign()),
        }
    }

    /// A state of a key; the value is left out where it was not asked for.
    pub(super) fn state(
        &self,
        found: wire::KeyValue,
        keys_only: bool,
    ) -> Result<KeyValue<objects::bytes::Bytes>, Foreign> {
        let key = self.own(&found.key)?.ok_or_else(|| Foreign {
            key: String::from_utf8_lossy(&found.key).into_owned(),
        })?;
        Ok(KeyValue {
            key,
            create_revision: wire::unsigned(found.create_revision),
            mod_revision: wire::unsigned(found.mod_revision),
            version: wire::unsigned(found.version),
            // Leases are named by 64 bits, which etcd reads with a sign.
            lease: found.lease as u64,
            value: (!keys_only).then(|| objects::bytes::Bytes::from(&*found.value)),
        })
    }

    /// An event with its revision; none of the store's if the key is the mark or another of ours.
    pub(super) fn event(
        &self,
        event: wire::Event,
    ) -> Result<(u64, Option<Event<objects::bytes::Bytes>>), Foreign> {
        let now = event.kv.unwrap_or_default();
        let revision = wire::unsigned(now.mod_revision);
        let Some(key) = self.own(&now.key)? else {
            return Ok((revision, None));
        };
        let previous = event
            .prev_kv
            .map(|before| self.state(before, false))
            .transpose()?;
        let event = match event.kind {
            0 => Event::Put {
                now: self.state(now, false)?,
                previous,
            },
            _ => Event::Deleted {
                key,
                revision,
                previous,
            },
        };
        Ok((revision, Some(event)))
    }
}
