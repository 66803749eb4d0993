//! Writes that nobody has answered, settled while traces grow.
//!
//! As [`crate::fates`] does once traces have come to their end: a revision that nobody claims was written by the open
//! attempt that fits it, if whoever sent that attempt has said that it will never know, or is no more. An attempt that
//! no revision fits for long stays unknown: nobody can say that the store will not write it yet.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use model::actions::store::{Changed, StoreAction};
use model::actions::transaction::TransactionAction;
use model::objects::key::ObjectKey;
use model::objects::kinds;

use crate::fates::{Attempt, Revision};
use crate::said::Said;
use crate::timeline::{Moment, Place};

/// For how many passes a revision's commit is waited for, and an open attempt's revision: 30 s at five passes a second.
const WAITED_PASSES: u64 = 150;

/// A write: its API server, the start of it, its number.
type Write = (Rc<str>, u64, u64);

/// An attempt that its API server has not said the end of.
#[derive(Debug)]
struct Sent {
    attempt: Attempt,
    /// What its API server had heard of before it sent it: it wrote something later, if anything.
    heard: u64,
    /// Where it was told, or where its API server said that it does not know.
    place: Place,
    revision: u64,
    at_ms: u64,
    /// The pass in which it became known that no answer will come.
    ended: Option<u64>,
}

impl Sent {
    fn committed(self, revision: u64) -> Moment {
        let committed = self.attempt.committed(revision);
        self.moment(revision, committed)
    }

    fn unknown(self, id: u64) -> Moment {
        let revision = self.revision;
        self.moment(revision, TransactionAction::Unknown { id })
    }

    fn moment(self, revision: u64, action: TransactionAction) -> Moment {
        Moment {
            place: self.place,
            revision,
            at_ms: self.at_ms,
            said: Said::Transaction(action),
        }
    }
}

/// A revision that the store has made and nobody has committed.
#[derive(Debug)]
struct Unclaimed {
    /// The pass in which it was read.
    read: u64,
    /// The pass after which nobody waits for it.
    until: u64,
    changes: Vec<(ObjectKey, Revision)>,
    /// Whether its objects may have gone by themselves, so that nobody claims it.
    expired: bool,
}

impl Unclaimed {
    fn fits(&self, sent: &Sent) -> bool {
        let mut changes = self.changes.iter();
        changes.any(|(key, revision)| {
            revision.revision > sent.heard && sent.attempt.fits(key, revision)
        })
    }
}

/// Writes and revisions that wait for each other.
#[derive(Debug, Default)]
pub(super) struct OpenWrites {
    pass: u64,
    sent: BTreeMap<Write, Sent>,
    unclaimed: BTreeMap<u64, Unclaimed>,
    /// Revisions that were committed, until the store's own word that they are on its disk was read. A revision may be
    /// made twice: what is not on the disk when the store ends is made again by others.
    claimed: BTreeSet<u64>,
    /// The revision at which each object that there is was written last.
    last: BTreeMap<ObjectKey, u64>,
    /// What is on the store's disk for certain.
    durable: u64,
    /// What was written beyond, in order: the revision, the object, and what [`last`](Self::last) said of it before.
    beyond: Vec<(u64, ObjectKey, Option<u64>)>,
    /// Whether a store tells what it writes. One that is no part of the cluster does not.
    store_tells: bool,
}

impl OpenWrites {
    /// All files are about to be read once more. What is known of open writes by now.
    pub(super) fn begin_pass(&mut self) -> Vec<Moment> {
        self.pass += 1;
        let pass = self.pass;
        let mut told = self.settle(|sent| sent.ended.is_some_and(|ended| ended + 1 < pass));
        // What is not waited for any longer may have been written by any of those that fit it.
        let late = self
            .unclaimed
            .extract_if(.., |_, unclaimed| unclaimed.until < pass);
        let given_up: Vec<Unclaimed> = late.map(|(_, unclaimed)| unclaimed).collect();
        told.extend(self.give_up(|sent| given_up.iter().any(|unclaimed| unclaimed.fits(sent))));
        let waited = if self.store_tells { WAITED_PASSES } else { 0 };
        if !self.store_tells {
            self.claimed.clear();
        }
        told.extend(self.give_up(|sent| sent.ended.is_some_and(|ended| ended + waited < pass)));
        told
    }

    /// Nothing more comes: what is known of the rest.
    pub(super) fn end(&mut self) -> Vec<Moment> {
        self.pass += 2;
        let mut told = self.settle(|_| true);
        told.extend(self.give_up(|_| true));
        told
    }

    /// Takes note of what was read; whether it stands as it is. That nobody knows what became of a write does not: it
    /// may be known yet.
    pub(super) fn read(&mut self, moment: &Moment) -> bool {
        match &moment.said {
            Said::Store(StoreAction::Started { revision, .. }) => {
                self.store_tells = true;
                self.store_started(*revision);
            }
            Said::Store(StoreAction::Persisted { through }) => self.persisted(*through),
            Said::Store(StoreAction::Wrote { revision, changes }) => {
                self.wrote(*revision, changes);
            }
            Said::Transaction(action) => return self.server_said(moment, action),
            _ => {}
        }
        true
    }

    /// Another start of an API server speaks: what the ones before it have not said they will never say.
    pub(super) fn server_started(&mut self, server: &Rc<str>, start: u64) {
        let before = (server.clone(), 0, 0)..(server.clone(), start, 0);
        for (_, sent) in self.sent.range_mut(before) {
            sent.ended.get_or_insert(self.pass);
        }
    }

    /// Whether a commit at this revision, or before it, is waited for.
    pub(super) fn waits_for(&self, revision: u64) -> bool {
        let mut before = self.unclaimed.range(..=revision);
        before.any(|(one, unclaimed)| {
            // Who deletes says so before; in the pass after, that has been read.
            let expired = unclaimed.expired && unclaimed.read < self.pass;
            let sought = || self.sent.values().any(|sent| unclaimed.fits(sent));
            !self.claimed.contains(one) && (!expired || sought())
        })
    }

    /// What a store wrote and had not on its disk when it ended was never written.
    fn store_started(&mut self, revision: u64) {
        self.unclaimed.retain(|unclaimed, _| *unclaimed <= revision);
        self.persisted(revision);
        for (_, key, before) in std::mem::take(&mut self.beyond).into_iter().rev() {
            match before {
                Some(before) => self.last.insert(key, before),
                None => self.last.remove(&key),
            };
        }
    }

    fn persisted(&mut self, through: u64) {
        self.durable = through;
        let claimed = self.claimed.extract_if(..=through, |_| true);
        claimed.for_each(|revision| drop(self.unclaimed.remove(&revision)));
        self.beyond.retain(|(revision, ..)| *revision > through);
    }

    fn wrote(&mut self, revision: u64, changes: &[Changed]) {
        let mut written = Vec::new();
        for change in changes {
            let Some(key) = ObjectKey::parse(&change.key) else {
                continue;
            };
            let last = self.last.get(&key).copied();
            written.push((key.clone(), Revision::of(change, revision, last)));
            let before = match change.version {
                0 => self.last.remove(&key),
                _ => self.last.insert(key.clone(), revision),
            };
            self.beyond.push((revision, key, before));
        }
        let gone = |(key, one): &(ObjectKey, Revision)| {
            one.deleted() && kinds::find(&key.resource).is_some_and(|kind| kind.expires)
        };
        let unclaimed = Unclaimed {
            read: self.pass,
            until: self.pass + WAITED_PASSES,
            expired: written.iter().all(gone),
            changes: written,
        };
        self.unclaimed.insert(revision, unclaimed);
    }

    fn server_said(&mut self, moment: &Moment, action: &TransactionAction) -> bool {
        let place = &moment.place;
        let write = |id: u64| (place.component.clone(), place.incarnation, id);
        match action {
            TransactionAction::Attempted { id, .. } => {
                let sent = Attempt::of(action).map(|attempt| Sent {
                    attempt,
                    heard: moment.revision,
                    place: place.clone(),
                    revision: moment.revision,
                    at_ms: moment.at_ms,
                    ended: None,
                });
                self.sent.extend(sent.map(|sent| (write(*id), sent)));
            }
            TransactionAction::Unknown { id } => {
                if !self.store_tells {
                    self.sent.remove(&write(*id));
                } else if let Some(sent) = self.sent.get_mut(&write(*id)) {
                    sent.place = place.clone();
                    sent.revision = moment.revision;
                    sent.ended = Some(self.pass);
                    return false;
                }
            }
            TransactionAction::Committed { id, revision, .. } => {
                self.sent.remove(&write(*id));
                if *revision <= self.durable {
                    self.unclaimed.remove(revision);
                } else {
                    self.claimed.insert(*revision);
                }
            }
            TransactionAction::LostRace { id } => drop(self.sent.remove(&write(*id))),
            TransactionAction::Answered { id, .. } => {
                // One that is answered though nobody knows what became of it is still open.
                let write = write(*id);
                if self
                    .sent
                    .get(&write)
                    .is_some_and(|sent| sent.ended.is_none())
                {
                    self.sent.remove(&write);
                }
            }
            TransactionAction::Submitted { .. }
            | TransactionAction::Confirmed { .. }
            | TransactionAction::LeaseAsked { .. }
            | TransactionAction::LeaseGranted { .. }
            | TransactionAction::LeaseLeft { .. } => {}
        }
        true
    }

    /// What is known of revisions, where `over` says of every attempt that fits that nobody will answer it: a commit if
    /// all of them would have done the same, and else that nobody knows.
    fn settle(&mut self, over: impl Fn(&Sent) -> bool) -> Vec<Moment> {
        let mut told = Vec::new();
        // What was read before the latest pass has everything that led to it read; what is not on the disk may never
        // have been written.
        let durable = self.unclaimed.range(..=self.durable);
        let due = durable.filter(|(_, unclaimed)| unclaimed.read + 1 < self.pass);
        let revisions: Vec<u64> = due.map(|(revision, _)| *revision).collect();
        for revision in revisions {
            let Some(fit) = self.fit(revision, &over) else {
                continue;
            };
            self.unclaimed.remove(&revision);
            match fit.as_slice() {
                [writer] => {
                    let sent = self.sent.remove(writer);
                    told.extend(sent.map(|sent| sent.committed(revision)));
                }
                doubtful => {
                    let doubtful = doubtful.iter().filter_map(|write| {
                        let sent = self.sent.remove(write)?;
                        Some(sent.unknown(write.2))
                    });
                    told.extend(doubtful);
                }
            }
        }
        told
    }

    /// The attempt that wrote a revision, or those of which one did; `None` while an answer may come.
    fn fit(&self, revision: u64, over: &impl Fn(&Sent) -> bool) -> Option<Vec<Write>> {
        let unclaimed = self.unclaimed.get(&revision)?;
        let sent = self.sent.iter();
        let fit: Vec<(&Write, &Sent)> = sent.filter(|(_, sent)| unclaimed.fits(sent)).collect();
        if fit.is_empty() || !fit.iter().all(|(_, sent)| over(sent)) {
            return None;
        }
        let effects: BTreeSet<_> = fit.iter().map(|(_, sent)| sent.attempt.does()).collect();
        let told_apart = if effects.len() == 1 { 1 } else { fit.len() };
        let fit = fit.into_iter().take(told_apart);
        Some(fit.map(|(write, _)| write.clone()).collect())
    }

    /// Says of attempts that nobody will answer that nobody knows.
    fn give_up(&mut self, which: impl Fn(&Sent) -> bool) -> Vec<Moment> {
        let which = |_: &Write, sent: &mut Sent| sent.ended.is_some() && which(sent);
        let given_up = self.sent.extract_if(.., which);
        given_up
            .map(|((_, _, id), sent)| sent.unknown(id))
            .collect()
    }
}

#[cfg(test)]
mod tests;
