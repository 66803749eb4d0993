//! Leases: keys that go when nobody speaks for them, and not before.

use std::collections::BTreeSet;

use model::actions::store::Changed;
use model::messages::store::{Key, LeaseId};

use super::specification::Known;
use crate::specification::{Refused, guard};

/// The leases of a store. Which keys go with which one is told by the keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Leases {
    alive: BTreeSet<LeaseId>,
    /// Those in the commit under way.
    committing: BTreeSet<LeaseId>,
    /// Those on disk.
    durable: BTreeSet<LeaseId>,
    /// Keys of a lease that has ended: the next writes delete them, and nothing else happens before.
    pub(super) owed: BTreeSet<Key>,
}

impl Leases {
    /// Those of a store of whose past nothing is known.
    pub(super) fn found(leases: &[LeaseId]) -> Self {
        let found: BTreeSet<LeaseId> = leases.iter().copied().collect();
        Leases {
            alive: found.clone(),
            durable: found,
            ..Leases::default()
        }
    }

    /// After a crash; the newest revision tells whether the commit under way may be `lost` or may be on disk as a
    /// `whole`. It tells neither if that commit has leases only.
    pub(super) fn restart(
        &mut self,
        leases: &[LeaseId],
        lost: bool,
        whole: bool,
    ) -> Result<(), Refused> {
        let found = Leases::found(leases);
        guard(
            lost && found.durable == self.durable
                || whole && found.durable == self.committing
                || !lost && !whole,
            "a crash loses and revives no lease",
            || {
                format!(
                    "starts with {leases:?}, durable was {:?}, under way {:?}",
                    self.durable, self.committing
                )
            },
        )?;
        *self = found;
        Ok(())
    }

    pub(super) fn begin_commit(&mut self) {
        self.committing.clone_from(&self.alive);
    }

    pub(super) fn persist(&mut self) {
        self.durable = std::mem::take(&mut self.committing);
    }
}

impl Known {
    pub(super) fn grant(&mut self, lease: LeaseId) -> Result<(), Refused> {
        let new = self.leases.alive.insert(lease);
        guard(lease != 0, "a lease has a name", || {
            format!("lease {lease}")
        })?;
        guard(new, "a lease has a name of its own", || {
            format!("lease {lease} is alive")
        })
    }

    pub(super) fn keep_alive(&self, lease: LeaseId) -> Result<(), Refused> {
        guard(
            self.leases.alive.contains(&lease),
            "only what lives is kept alive",
            || format!("lease {lease}"),
        )
    }

    pub(super) fn end(&mut self, lease: LeaseId) -> Result<(), Refused> {
        let lived = self.leases.alive.remove(&lease);
        guard(lived, "a lease ends once", || format!("lease {lease}"))?;
        let keys = self.keys.iter();
        self.leases.owed = keys
            .filter(|(_, written)| written.version > 0 && written.lease == lease)
            .map(|(key, _)| key.clone())
            .collect();
        Ok(())
    }

    /// What a write says of leases: what it writes goes with one that lives, and what is owed to an end goes first.
    pub(super) fn leased(&mut self, changes: &[Changed]) -> Result<(), Refused> {
        for changed in changes {
            guard(
                changed.lease == 0 || self.attached || self.leases.alive.contains(&changed.lease),
                "a key goes with a lease that lives",
                || format!("{} with lease {}", changed.key, changed.lease),
            )?;
        }
        if self.leases.owed.is_empty() {
            return Ok(());
        }
        for changed in changes {
            // A key of whose write nothing is known may have gone with the lease too.
            let owed = self.leases.owed.remove(&changed.key)
                || self.unknown > 0 && !self.keys.contains_key(&changed.key);
            let detail = || format!("{} instead of {:?}", changed.key, self.leases.owed);
            guard(owed, "the keys of a lease go first", detail)?;
            let deleted = changed.version == 0;
            guard(deleted, "the keys of a lease are deleted with it", detail)?;
        }
        Ok(())
    }
}
