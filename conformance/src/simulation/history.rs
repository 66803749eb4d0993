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
            version: change.now.value.as_ref().map_or(0, |_| change.now.version),
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
