//! What became of writes of which nobody was told.
//!
//! A connection that breaks, or a process that is killed, leaves writes open: sent to the store, never answered. The
//! store's own record settles them. A revision of an object that nobody claims was written by the open attempt that
//! expected the revision before it; an open attempt whose revision is never found was not carried out. Where open
//! attempts that would have done different things fit one revision, they stay unknown.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use model::actions::store::{Changed, StoreAction};
use model::actions::transaction::{Effect, TransactionAction};
use model::objects::key::ObjectKey;

use crate::said::Said;
use crate::timeline::Moment;

/// HTTP's status of a write that was not carried out because its server, or the store behind it, was gone.
const GATEWAY_TIMEOUT: u16 = 504;

/// A write: the API server's process, its start, and the write's number.
type Write = (Rc<str>, u64, u64);

/// An attempt to write that was sent to the store.
#[derive(Debug)]
pub(crate) struct Attempt {
    id: u64,
    key: ObjectKey,
    uid: String,
    expected: u64,
    effect: Effect,
}

/// An attempt that was not answered.
#[derive(Debug)]
struct Open {
    attempt: Attempt,
    /// What its API server had heard of before it sent it: it wrote something later, if anything.
    heard: u64,
    ends: Ends,
}

/// Where the record of an open attempt ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    /// At this moment, which says that nobody knows.
    Unknown(usize),
    /// With its process, whose last moment is this.
    Killed(usize),
    /// Nowhere: its process goes on, and the answer may come yet.
    Not,
}

/// One revision of an object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Revision {
    pub(crate) revision: u64,
    /// The revision that whoever wrote it must have expected; `None` if the record does not say.
    expected: Option<u64>,
    deleted: bool,
}

impl Revision {
    /// Whether it is the object's last.
    pub(crate) fn deleted(&self) -> bool {
        self.deleted
    }

    /// A change at a revision of an object that was written last at another, if that is known.
    pub(crate) fn of(change: &Changed, revision: u64, last: Option<u64>) -> Self {
        Revision {
            revision,
            expected: match change.version {
                1 => Some(0),
                _ => last,
            },
            deleted: change.version == 0,
        }
    }
}

/// Settles open writes: says that they were committed where the store has written them, and that they were answered
/// without being carried out where it has not. Moments are in the order of each machine's own record. Returns how many
/// words that nobody knows gave way.
pub fn settle(moments: &mut Vec<Moment>) -> u64 {
    let open = open(moments);
    if open.is_empty() {
        return 0;
    }
    let mut known = 0;
    let mut told = told(&open, moments);
    let mut settled = Vec::with_capacity(moments.len() + told.len());
    for (at, moment) in std::mem::take(moments).into_iter().enumerate() {
        let said = told.remove(&at).unwrap_or_default();
        let place = moment.place.clone();
        let (at_ms, revision) = (moment.at_ms, moment.revision);
        // A word that nobody knows gives way to what is known now.
        let unknown = matches!(
            moment.said,
            Said::Transaction(TransactionAction::Unknown { .. })
        );
        match unknown && !said.is_empty() {
            true => known += 1,
            false => settled.push(moment),
        }
        settled.extend(said.into_iter().map(|action| Moment {
            place: place.clone(),
            revision: match action {
                TransactionAction::Committed { revision, .. } => revision,
                _ => revision,
            },
            at_ms,
            said: Said::Transaction(action),
        }));
    }
    *moments = settled;
    known
}

/// The open attempts, in the order in which they were made.
fn open(moments: &[Moment]) -> Vec<Open> {
    let mut open: BTreeMap<Write, Open> = BTreeMap::new();
    let mut unknown = Vec::new();
    let mut last: BTreeMap<(Rc<str>, u64), usize> = BTreeMap::new();
    for (at, moment) in moments.iter().enumerate() {
        let Said::Transaction(action) = &moment.said else {
            continue;
        };
        let (server, start) = (moment.place.component.clone(), moment.place.incarnation);
        last.insert((server.clone(), start), at);
        match action {
            TransactionAction::Attempted { id, .. } => {
                let attempt = Attempt::of(action).map(|attempt| Open {
                    attempt,
                    heard: moment.revision,
                    ends: Ends::Not,
                });
                open.extend(attempt.map(|attempt| ((server, start, *id), attempt)));
            }
            TransactionAction::Unknown { id } => {
                let attempt = open.remove(&(server, start, *id));
                unknown.extend(attempt.map(|open| Open {
                    ends: Ends::Unknown(at),
                    ..open
                }));
            }
            TransactionAction::LostRace { id }
            | TransactionAction::Committed { id, .. }
            | TransactionAction::Answered { id, .. } => {
                open.remove(&(server, start, *id));
            }
            TransactionAction::Submitted { .. }
            | TransactionAction::Confirmed { .. }
            | TransactionAction::LeaseAsked { .. }
            | TransactionAction::LeaseGranted { .. }
            | TransactionAction::LeaseLeft { .. } => {}
        }
    }
    for ((server, start, _), mut attempt) in open {
        let later = (server.clone(), start + 1)..=(server.clone(), u64::MAX);
        if let Some(at) = last.get(&(server, start))
            && last.range(later).next().is_some()
        {
            attempt.ends = Ends::Killed(*at);
        }
        unknown.push(attempt);
    }
    unknown
}

/// What is to be said of open attempts, and at which moments.
fn told(open: &[Open], moments: &[Moment]) -> BTreeMap<usize, Vec<TransactionAction>> {
    let last = moments
        .iter()
        .rposition(|moment| matches!(moment.said, Said::Transaction(_)));
    let (written, stores) = written(moments);
    let (mut fates, mut doubtful) = (BTreeMap::new(), BTreeSet::new());
    for (key, revision) in unclaimed(written, moments) {
        let fits: Vec<usize> = open
            .iter()
            .enumerate()
            .filter(|(number, open)| {
                !fates.contains_key(number)
                    && revision.revision > open.heard
                    && open.attempt.fits(&key, &revision)
            })
            .map(|(number, _)| number)
            .collect();
        let effects: BTreeSet<_> = fits
            .iter()
            .filter_map(|number| open.get(*number))
            .map(|open| open.attempt.does())
            .collect();
        match fits.first() {
            Some(first) if effects.len() == 1 => {
                fates.insert(*first, revision.revision);
            }
            _ => doubtful.extend(fits),
        }
    }
    let mut told: BTreeMap<usize, Vec<TransactionAction>> = BTreeMap::new();
    for (number, open) in open.iter().enumerate() {
        let fate = fates.get(&number);
        let fate = fate.map(|revision| open.attempt.committed(*revision));
        let id = open.attempt.id;
        let undone = TransactionAction::Answered {
            id,
            code: GATEWAY_TIMEOUT,
        };
        let unknown = TransactionAction::Unknown { id };
        let known = stores && !doubtful.contains(&number);
        let (at, action) = match (open.ends, fate) {
            (Ends::Unknown(at) | Ends::Killed(at), Some(committed)) => (Some(at), committed),
            (Ends::Unknown(at) | Ends::Killed(at), None) if known => (Some(at), undone),
            (Ends::Unknown(_), None) => continue,
            (Ends::Killed(at), None) => (Some(at), unknown),
            (Ends::Not, Some(committed)) => (last, committed),
            (Ends::Not, None) => continue,
        };
        if let Some(at) = at {
            told.entry(at).or_default().push(action);
        }
    }
    told
}

impl Attempt {
    /// The attempt that an action tells.
    pub(crate) fn of(action: &TransactionAction) -> Option<Self> {
        match action {
            TransactionAction::Attempted {
                id,
                key,
                uid,
                expected,
                effect,
            } => Some(Attempt {
                id: *id,
                key: key.clone(),
                uid: uid.clone(),
                expected: *expected,
                effect: effect.clone(),
            }),
            _ => None,
        }
    }

    /// What it would do: attempts that would do the same need not be told apart.
    pub(crate) fn does(&self) -> (&str, &Effect) {
        (&self.uid, &self.effect)
    }

    /// Whether it may have written a revision of an object.
    pub(crate) fn fits(&self, key: &ObjectKey, revision: &Revision) -> bool {
        self.key == *key
            && revision
                .expected
                .is_none_or(|expected| expected == self.expected)
            && revision.deleted == (self.effect == Effect::Deleted)
    }

    /// That it wrote a revision.
    pub(crate) fn committed(&self, revision: u64) -> TransactionAction {
        TransactionAction::Committed {
            id: self.id,
            key: self.key.clone(),
            uid: self.uid.clone(),
            revision,
            effect: self.effect.clone(),
        }
    }
}

/// The history of every object as stores tell it, and whether any does. What a store wrote and had not on its disk when
/// it ended was never written: it begins again with what it has.
fn written(moments: &[Moment]) -> (BTreeMap<ObjectKey, Vec<Revision>>, bool) {
    let mut written: BTreeMap<ObjectKey, Vec<Revision>> = BTreeMap::new();
    let mut stores = false;
    for moment in moments {
        let Said::Store(action) = &moment.said else {
            continue;
        };
        stores = true;
        match action {
            StoreAction::Started { revision, .. } => {
                for revisions in written.values_mut() {
                    revisions.retain(|one| one.revision <= *revision);
                }
            }
            StoreAction::Wrote { revision, changes } => {
                for change in changes {
                    let Some(key) = ObjectKey::parse(&change.key) else {
                        continue;
                    };
                    let revisions = written.entry(key).or_default();
                    let last = revisions.last().map(|last| last.revision);
                    revisions.push(Revision::of(change, *revision, last));
                }
            }
            _ => {}
        }
    }
    (written, stores)
}

/// The revisions that no API server says that it has committed, oldest first.
fn unclaimed(
    written: BTreeMap<ObjectKey, Vec<Revision>>,
    moments: &[Moment],
) -> Vec<(ObjectKey, Revision)> {
    let claimed: BTreeSet<(&ObjectKey, u64)> = moments
        .iter()
        .filter_map(|moment| match &moment.said {
            Said::Transaction(TransactionAction::Committed { key, revision, .. }) => {
                Some((key, *revision))
            }
            _ => None,
        })
        .collect();
    let mut unclaimed: Vec<(ObjectKey, Revision)> = written
        .into_iter()
        .flat_map(|(key, revisions)| revisions.into_iter().map(move |one| (key.clone(), one)))
        .filter(|(key, one)| !claimed.contains(&(key, one.revision)))
        .collect();
    unclaimed.sort_by_key(|(_, one)| one.revision);
    unclaimed
}

#[cfg(test)]
pub(crate) mod tests;
