//! Every write of a simulation: what the store said that it wrote, and what its disk has of it. Compaction takes what is
//! old off the disk; the store's trace keeps it.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use model::actions::store::{Changed, StoreAction};
use model::machines::store::Durable;
use model::messages::api::Change;
use model::objects::bytes::Bytes;

use crate::said::Said;
use crate::timeline::Timeline;

/// What each revision changed.
#[derive(Debug, Default)]
pub struct History(BTreeMap<u64, Vec<Changed>>);

impl History {
    /// What the store's traces tell. A start tells what was durable: later revisions of earlier processes never were.
    pub fn told(timeline: &Timeline) -> Self {
        let mut store: Vec<_> = timeline
            .moments
            .iter()
            .filter_map(|moment| match &moment.said {
                Said::Store(action) => Some((&moment.place, action)),
                _ => None,
            })
            .collect();
        store.sort_by_key(|(place, _)| (place.incarnation, place.sequence));
        let mut history = BTreeMap::new();
        for (_, action) in store {
            match action {
                StoreAction::Started { revision, .. } => {
                    history.split_off(&revision.saturating_add(1));
                }
                StoreAction::Wrote { revision, changes } => {
                    history.insert(*revision, changes.clone());
                }
                _ => {}
            }
        }
        History(history)
    }

    /// Where the store's disk has another history, if anywhere.
    pub fn contradictions(&self, disk: &Durable<Bytes>) -> Vec<String> {
        let changed = |change: &model::machines::store::Change<Bytes>| Changed {
            key: change.key.clone(),
            lease: change.now.lease,
            version: change.now.version,
        };
        let revisions = disk.log.iter().filter_map(|(revision, changes)| {
            let there: Vec<Changed> = changes.iter().map(changed).collect();
            let told = self.0.get(revision);
            (told != Some(&there)).then(|| {
                format!(
                    "revision {revision} is {there:?} on the store's disk and {told:?} in its trace"
                )
            })
        });
        revisions.collect()
    }

    /// Every change below a prefix in these revisions, in order: its revision, its key, and its kind.
    pub fn changes(
        &self,
        revisions: RangeInclusive<u64>,
        prefix: &str,
    ) -> impl Iterator<Item = (u64, String, Change)> {
        let all = self.0.range(revisions);
        let all =
            all.flat_map(|(revision, changes)| changes.iter().map(move |one| (*revision, one)));
        all.filter(move |(_, change)| change.key.starts_with(prefix))
            .map(|(revision, change)| {
                let kind = match change.version {
                    0 => Change::Deleted,
                    1 => Change::Added,
                    _ => Change::Modified,
                };
                (revision, change.key.to_string(), kind)
            })
    }
}

#[cfg(test)]
mod tests {
    use model::machines::store::{Change as Written, Version};

    use super::*;
    use crate::timeline::{Moment, Place};

    fn wrote(revision: u64, key: &str, version: u64) -> StoreAction {
        let key = key.into();
        StoreAction::Wrote {
            revision,
            changes: vec![Changed {
                key,
                version,
                lease: 0,
            }],
        }
    }

    fn started(revision: u64) -> StoreAction {
        StoreAction::Started {
            revision,
            compacted: 0,
            leases: Vec::new(),
        }
    }

    fn told(processes: &[&[StoreAction]]) -> History {
        let moments = (1..).zip(processes).flat_map(|(incarnation, actions)| {
            let moment = move |(sequence, action): (u64, &StoreAction)| Moment {
                place: Place {
                    component: "store".into(),
                    machine: "store".into(),
                    incarnation,
                    sequence,
                },
                revision: 0,
                at_ms: 0,
                said: Said::Store(action.clone()),
            };
            (1..).zip(*actions).map(moment)
        });
        History::told(&Timeline {
            moments: moments.collect(),
            ..Timeline::default()
        })
    }

    #[test]
    fn what_was_not_durable_when_the_store_ended_was_never_written() {
        let history = told(&[
            &[started(1), wrote(2, "/pods/a", 1), wrote(3, "/pods/a", 0)],
            &[started(2), wrote(3, "/pods/a", 2), wrote(4, "/sets/b", 1)],
        ]);
        let changes: Vec<_> = history.changes(2..=4, "/pods/").collect();
        let a = |revision, kind| (revision, "/pods/a".to_owned(), kind);
        assert_eq!(changes, [a(2, Change::Added), a(3, Change::Modified)]);
    }

    #[test]
    fn the_disk_has_what_was_told() {
        let history = told(&[&[started(1), wrote(2, "/a", 1), wrote(3, "/a", 0)]]);
        let mut disk = Durable {
            compacted: 2,
            ..Durable::default()
        };
        let deleted = Version {
            mod_revision: 3,
            create_revision: 0,
            version: 0,
            lease: 0,
            value: None,
        };
        let change = Written {
            key: "/a".into(),
            now: deleted,
        };
        disk.log.insert(3, vec![change.clone()]);
        assert_eq!(history.contradictions(&disk), Vec::<String>::new());
        disk.log.insert(4, vec![change]);
        assert_eq!(history.contradictions(&disk).len(), 1);
    }
}
