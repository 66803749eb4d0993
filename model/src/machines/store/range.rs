//! Reading a range of keys at a revision.

use super::keys::{header_size, key_value};
use super::step::Turn;
use super::value::Value;
use crate::messages::store::{RangeRequest, RangeResponse, StoreError};

/// What is left of an answer, in bytes.
pub(super) struct Room {
    pub(super) values: u64,
    pub(super) header: u64,
}

impl Room {
    /// Takes a place for a key and its value; false if there is none.
    pub(super) fn take(&mut self, header: u64, value: u64) -> bool {
        match (
            self.header.checked_sub(header),
            self.values.checked_sub(value),
        ) {
            (Some(header), Some(values)) => {
                *self = Room { values, header };
                true
            }
            _ => false,
        }
    }
}

impl<V: Value> Turn<'_, V> {
    /// Reads what is durable.
    pub(super) fn range(&self, request: &RangeRequest) -> Result<RangeResponse<V>, StoreError> {
        self.check_range_request(request)?;
        let revision = request.revision.unwrap_or(self.state.durable);
        // The first key always fits, so that reading on makes progress: a value is at most a request's size.
        let mut room = Room {
            values: self.limits.message_bytes.max(self.limits.request_bytes),
            header: self
                .limits
                .header_bytes
                .max(header_size("") + self.limits.key_bytes),
        };
        Ok(self.range_at(request, revision, revision, &mut room))
    }

    /// Checks that a revision can be read and that the keys are not too long.
    pub(super) fn check_range_request(&self, request: &RangeRequest) -> Result<(), StoreError> {
        self.check_range(&request.range)?;
        let (compacted, newest) = (self.state.compacted, self.state.durable);
        match request.revision {
            Some(revision) if revision > newest => {
                Err(StoreError::FutureRevision { revision, newest })
            }
            Some(revision) if revision < compacted => Err(StoreError::Compacted { compacted }),
            _ => Ok(()),
        }
    }

    /// Reads at `revision` and calls it `name`, as far as there is room.
    pub(super) fn range_at(
        &self,
        request: &RangeRequest,
        revision: u64,
        name: u64,
        room: &mut Room,
    ) -> RangeResponse<V> {
        let mut response = RangeResponse {
            revision: name,
            items: Vec::new(),
            more: false,
            count: 0,
        };
        for (key, state) in self.state.keys.range(&request.range, revision) {
            response.count += 1;
            if request.count_only || response.more {
                continue;
            }
            let full =
                request.limit != 0 && response.items.len() as u64 >= u64::from(request.limit);
            let size = state
                .value
                .as_ref()
                .filter(|_| !request.keys_only)
                .map_or(0, Value::size);
            if full || !room.take(header_size(key), size) {
                response.more = true;
                continue;
            }
            response
                .items
                .push(key_value(key, state, request.keys_only));
        }
        response
    }
}
