//! Leases: keys that go when nobody speaks for them.

use std::collections::BTreeSet;

use super::Record;
use super::input::Timer;
use super::state::Lease;
use super::step::Turn;
use super::transaction::ChangeSize;
use super::value::Value;
use crate::actions::store::StoreAction;
use crate::messages::store::{Key, LeaseId, StoreError, StoreResponse};

impl<V: Value> Turn<'_, V> {
    pub(super) fn lease_grant(
        &mut self,
        lease: LeaseId,
        ttl_seconds: u32,
    ) -> Result<StoreResponse<V>, StoreError> {
        if lease == 0 || ttl_seconds == 0 {
            return Err(StoreError::LeaseInvalid);
        }
        if self.state.leases.contains_key(&lease) {
            return Err(StoreError::LeaseExists { lease });
        }
        if self.state.leases.len() as u64 >= self.limits.leases {
            return Err(StoreError::TooManyLeases {
                limit: self.limits.leases,
            });
        }
        let granted = Lease {
            ttl_seconds,
            life: self.state.lives.wrapping_add(1),
            keys: BTreeSet::new(),
        };
        self.out.timer(
            Timer::Lease {
                lease,
                life: granted.life,
            },
            u64::from(ttl_seconds) * 1000,
        );
        self.state.lives = granted.life;
        self.state.leases.insert(lease, granted);
        self.state
            .gathering
            .records
            .push(Record::LeaseGranted { lease, ttl_seconds });
        self.actions
            .push(StoreAction::LeaseGranted { lease, ttl_seconds });
        Ok(StoreResponse::Lease { lease, ttl_seconds })
    }

    pub(super) fn lease_keep_alive(
        &mut self,
        lease: LeaseId,
    ) -> Result<StoreResponse<V>, StoreError> {
        let life = self.state.lives.wrapping_add(1);
        let kept = self
            .state
            .leases
            .get_mut(&lease)
            .ok_or(StoreError::LeaseNotFound { lease })?;
        let ttl_seconds = kept.ttl_seconds;
        self.out.cancel(Timer::Lease {
            lease,
            life: kept.life,
        });
        kept.life = life;
        self.state.lives = life;
        self.out
            .timer(Timer::Lease { lease, life }, u64::from(ttl_seconds) * 1000);
        self.actions.push(StoreAction::LeaseKeptAlive { lease });
        Ok(StoreResponse::Lease { lease, ttl_seconds })
    }

    pub(super) fn lease_revoke(&mut self, lease: LeaseId) -> Result<StoreResponse<V>, StoreError> {
        let life = self
            .state
            .leases
            .get(&lease)
            .ok_or(StoreError::LeaseNotFound { lease })?
            .life;
        self.out.cancel(Timer::Lease { lease, life });
        self.end_lease(lease, false);
        Ok(StoreResponse::Done {
            revision: self.state.revision,
        })
    }

    /// The time to live of a lease is over, unless this is a timer of an earlier life.
    pub(super) fn lease_ran_out(&mut self, lease: LeaseId, life: u8) {
        let current = self
            .state
            .leases
            .get(&lease)
            .is_some_and(|found| found.life == life);
        if current && self.state.failed.is_none() {
            self.end_lease(lease, true);
        }
    }

    /// Ends a lease and deletes its keys, at one revision if they fit into one.
    fn end_lease(&mut self, lease: LeaseId, expired: bool) {
        let Some(ended) = self.state.leases.remove(&lease) else {
            return;
        };
        self.state
            .gathering
            .records
            .push(Record::LeaseEnded { lease });
        self.actions
            .push(StoreAction::LeaseEnded { lease, expired });
        let mut changes = Vec::new();
        let mut size = ChangeSize::default();
        for key in ended.keys {
            let larger = self.grown(size, &key);
            if larger.fits(self.limits) || changes.is_empty() {
                size = larger;
            } else {
                self.make_revision(std::mem::take(&mut changes));
                size = self.grown(ChangeSize::default(), &key);
            }
            changes.push(self.delete(key));
        }
        if !changes.is_empty() {
            self.make_revision(changes);
        }
    }

    fn grown(&self, mut size: ChangeSize, key: &Key) -> ChangeSize {
        let old = self
            .state
            .keys
            .newest(key)
            .and_then(|old| old.value.as_ref());
        size.add(key, old, None);
        size
    }
}
