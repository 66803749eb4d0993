//! What a store may do, in the words of its own actions: the specification that the machine is held against in every
//! state of its world, and a running store by its trace.

use std::collections::BTreeMap;

use model::actions::store::{Changed, StoreAction};
use model::messages::store::{Key, KeyRange, LeaseId, StoreError};

use super::leases::Leases;
use crate::specification::{Refused, Specification, guard, present};

/// A revisioned store: writes make revisions one after another, a commit makes them durable, only what is durable is
/// told, and every watch is told everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct StoreSpecification;

/// What can be known of a store from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Known {
    /// Whether it has started, now or before a crash.
    pub(super) started: bool,
    /// The newest revision.
    pub(super) revision: u64,
    /// The newest durable one.
    pub(super) durable: u64,
    /// The commit under way: its newest revision, and the compaction that it makes durable.
    pub(super) committing: Option<(u64, u64)>,
    /// History before this revision is forgotten.
    pub(super) compacted: u64,
    /// The same, as far as it is durable.
    pub(super) compacted_durably: u64,
    /// Nothing is known of revisions up to this one: the trace begins after it.
    pub(super) unknown: u64,
    /// The revisions that are known, with what each key was before.
    pub(super) history: BTreeMap<u64, Vec<Past>>,
    /// The last known write of each key.
    pub(super) keys: BTreeMap<Key, Written>,
    pub(super) watches: BTreeMap<u64, Watched>,
    pub(super) leases: Leases,
    pub(super) failed: bool,
    /// Whether the revisions are those of an engine to which others write too: they grow, but not by one, and
    /// an answer may tell of one whose events have not come yet.
    pub(super) attached: bool,
}

/// One change of a revision.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Past {
    pub(super) key: Key,
    pub(super) version: u64,
    /// What the key was before; `None` if that is not known.
    pub(super) before: Option<Written>,
}

/// A key's last write; version 0 is a key that does not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Written {
    pub(super) version: u64,
    pub(super) revision: u64,
    /// The lease it goes with, or 0.
    pub(super) lease: LeaseId,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Watched {
    pub(super) range: KeyRange,
    /// It has every event up to this revision.
    pub(super) position: u64,
    /// Events that it had not been sent were compacted away: it may only be ended.
    pub(super) missed: bool,
}

impl Specification for StoreSpecification {
    type State = Known;
    type Action = StoreAction;

    fn begin(&self) -> Known {
        Known::default()
    }

    fn apply(&self, known: &mut Known, action: &StoreAction) -> Result<(), Refused> {
        match action {
            StoreAction::Started {
                revision,
                compacted,
                leases,
            } => known.start(*revision, *compacted, leases),
            StoreAction::Attached { revision, after } => known.attach(*revision, *after),
            StoreAction::Detached { .. } => known.detach(),
            _ => {
                guard(known.started, "a store starts first", || {
                    format!("{action:?} before its start")
                })?;
                known.runs(action)
            }
        }
    }
}

impl Known {
    /// What a store says that has started.
    fn runs(&mut self, action: &StoreAction) -> Result<(), Refused> {
        if let StoreAction::Wrote { revision, changes } = action {
            self.leased(changes)?;
            return self.write(*revision, changes);
        }
        let nothing_owed = self.leases.owed.is_empty();
        guard(nothing_owed, "the keys of a lease go with it", || {
            format!("{action:?} before the end of {:?}", self.leases.owed)
        })?;
        match action {
            StoreAction::Started { .. }
            | StoreAction::Attached { .. }
            | StoreAction::Detached { .. }
            | StoreAction::Wrote { .. } => Ok(()),
            StoreAction::LeaseGranted { lease, .. } => self.grant(*lease),
            StoreAction::LeaseKeptAlive { lease } => self.keep_alive(*lease),
            StoreAction::LeaseEnded { lease, .. } => self.end(*lease),
            StoreAction::Compared { revision, .. } => guard(
                self.attached || *revision == self.revision,
                "a compare sees the newest revision",
                || format!("saw {revision}, the newest is {}", self.revision),
            ),
            StoreAction::Ranged {
                range,
                revision,
                count,
            } => self.read(range, *revision, *count),
            StoreAction::CommitBegan { through } => self.begin_commit(*through),
            StoreAction::Persisted { through } => self.persist(*through),
            StoreAction::PersistFailed { .. } => {
                self.failed = true;
                self.watches.clear();
                Ok(())
            }
            StoreAction::Compacted { through } => self.compact(*through),
            StoreAction::Answered { revision, .. } => guard(
                self.attached || *revision <= self.durable,
                "only what is durable is told",
                || format!("told of {revision}, durable is {}", self.durable),
            ),
            StoreAction::Failed { error, .. } => self.refuse(error),
            StoreAction::WatchBegan {
                watch,
                range,
                after,
            } => self.watch(*watch, range, *after),
            StoreAction::Delivered {
                watch,
                revision,
                events,
            } => self.deliver(*watch, *revision, events),
            StoreAction::Progressed { watch, revision } => self.deliver(*watch, *revision, &[]),
            StoreAction::WatchEnded { watch, .. } => {
                let ended = self.watches.remove(watch);
                let open = ended.is_some() || self.failed;
                guard(open, "a watch that is open", || format!("watch {watch}"))
            }
            StoreAction::Taken { watch } => guard(
                self.watches.contains_key(watch),
                "a watch that is open",
                || format!("watch {watch}"),
            ),
            StoreAction::Waiting { .. }
            | StoreAction::Marked { .. }
            | StoreAction::Resumed { .. } => Ok(()),
        }
    }

    fn start(&mut self, revision: u64, compacted: u64, leases: &[LeaseId]) -> Result<(), Refused> {
        if !self.started {
            *self = Known {
                started: true,
                revision,
                durable: revision,
                compacted,
                compacted_durably: compacted,
                // A new store is at revision 1 and has no keys.
                unknown: if revision == 1 { 0 } else { revision },
                leases: Leases::found(leases),
                ..Known::default()
            };
            return Ok(());
        }
        guard(
            revision == self.durable || Some(revision) == self.committing.map(|commit| commit.0),
            "a crash loses nothing durable and halves no commit",
            || {
                format!(
                    "starts at {revision}, durable was {}, under way {:?}",
                    self.durable, self.committing
                )
            },
        )?;
        let was = self.compacted_durably;
        let detail = || format!("starts compacted to {compacted}, was {was}");
        guard(was <= compacted, "compaction is monotone", detail)?;
        let asked = compacted <= self.compacted;
        guard(asked, "a start compacts nothing", detail)?;
        let whole = self.committing.take().map(|commit| commit.0) == Some(revision);
        let lost = revision == self.durable;
        self.leases.restart(leases, lost, whole)?;
        for (_, changes) in self.history.split_off(&(revision + 1)).into_iter().rev() {
            for past in changes.into_iter().rev() {
                match past.before {
                    Some(before) => self.keys.insert(past.key, before),
                    None => self.keys.remove(&past.key),
                };
            }
        }
        (self.revision, self.durable) = (revision, revision);
        (self.compacted, self.compacted_durably) = (compacted, compacted);
        self.watches.clear();
        self.failed = false;
        Ok(())
    }

    /// What a key is; `None` if its last write is older than what is known.
    fn written(&self, key: &Key) -> Option<Written> {
        let known = self.keys.get(key).copied();
        known.or_else(|| (self.unknown == 0).then(Written::default))
    }

    fn write(&mut self, revision: u64, changes: &[Changed]) -> Result<(), Refused> {
        guard(
            revision == self.revision + 1 || self.attached && revision > self.revision,
            "revisions grow by one",
            || format!("{revision} after {}", self.revision),
        )?;
        guard(!self.failed, "a failed store writes nothing", || {
            format!("revision {revision}")
        })?;
        for changed in changes {
            let expected = self.written(&changed.key).map(|before| before.version);
            let follows = match (changed.version, expected) {
                (_, None) => true,
                (0, Some(before)) => before > 0,
                (version, Some(before)) => version == before + 1,
            };
            guard(follows, "versions count a key's writes", || {
                format!("{}: {} after {expected:?}", changed.key, changed.version)
            })?;
        }
        let pasts = changes
            .iter()
            .map(|changed| {
                let before = self.written(&changed.key);
                let version = changed.version;
                let now = Written {
                    version,
                    revision,
                    lease: changed.lease,
                };
                self.keys.insert(changed.key.clone(), now);
                Past {
                    key: changed.key.clone(),
                    version,
                    before,
                }
            })
            .collect();
        self.history.insert(revision, pasts);
        self.revision = revision;
        Ok(())
    }

    fn begin_commit(&mut self, through: u64) -> Result<(), Refused> {
        let (newest, under_way) = (self.revision, self.committing);
        let detail =
            || format!("through {through}, the newest is {newest}, under way {under_way:?}");
        guard(under_way.is_none(), "one commit at a time", detail)?;
        guard(through == newest, "a commit is of everything", detail)?;
        self.committing = Some((through, self.compacted));
        self.leases.begin_commit();
        Ok(())
    }

    fn persist(&mut self, through: u64) -> Result<(), Refused> {
        if self.attached {
            return self.follow(through);
        }
        let commit = self.committing.filter(|commit| commit.0 == through);
        let (_, compacted) = present(commit, "what is durable was committed", || {
            format!("{through}, under way {:?}", self.committing)
        })?;
        self.committing = None;
        self.durable = through;
        self.compacted_durably = compacted;
        self.leases.persist();
        // A crash cannot bring back what was before this.
        self.history = self.history.split_off(&(compacted + 1));
        Ok(())
    }

    fn compact(&mut self, through: u64) -> Result<(), Refused> {
        let (was, durable) = (self.compacted, self.durable);
        let detail = || format!("to {through}, was {was}, durable is {durable}");
        guard(was < through, "compaction is monotone", detail)?;
        guard(
            through <= durable,
            "only what is durable is compacted",
            detail,
        )?;
        self.compacted = through;
        for watched in self.watches.values_mut() {
            let gone = self
                .history
                .range(watched.position + 1..through.max(watched.position) + 1);
            let mut missed = gone.flat_map(|(_, pasts)| pasts);
            watched.missed |= missed.any(|past| watched.range.contains(&past.key));
            watched.position = watched.position.max(through);
        }
        Ok(())
    }

    fn refuse(&self, error: &StoreError) -> Result<(), Refused> {
        match error {
            // An engine has a compaction of its own, further back or further on; and a refusal that waited tells what was
            // compacted when it was decided.
            StoreError::Compacted { compacted } => guard(
                self.attached || *compacted <= self.compacted,
                "410 only for what is compacted",
                || format!("compacted is {}, it says {compacted}", self.compacted),
            ),
            _ => Ok(()),
        }
    }

    fn read(&self, range: &KeyRange, revision: u64, count: u64) -> Result<(), Refused> {
        // An engine reads where it has history, which is not the window that is watched.
        if self.attached {
            return Ok(());
        }
        let (compacted, durable) = (self.compacted, self.durable);
        let detail = || format!("at {revision}, compacted {compacted}, durable {durable}");
        let kept = compacted <= revision;
        guard(kept, "a range is read where there is history", detail)?;
        guard(
            revision <= durable,
            "a range is read where it is durable",
            detail,
        )?;
        if self.unknown > 0 || revision < self.durable {
            return Ok(());
        }
        let expected = self.count(range);
        guard(
            count == expected,
            "a range has every key that is there",
            || format!("{count} keys at {revision}, there are {expected}"),
        )
    }

    /// How many keys of a range there are at the newest durable revision.
    fn count(&self, range: &KeyRange) -> u64 {
        let mut newest: BTreeMap<&Key, Written> = BTreeMap::new();
        let undurable = self.history.range(self.durable + 1..).rev();
        for past in undurable.flat_map(|(_, pasts)| pasts) {
            newest.insert(&past.key, past.before.unwrap_or_default());
        }
        let there = |(key, written): &(&Key, &Written)| {
            let written = newest.get(*key).unwrap_or(written);
            written.version > 0
        };
        let keys = self.keys.range(range.start.clone()..);
        keys.take_while(|(key, _)| range.contains(key))
            .filter(there)
            .count() as u64
    }
}
