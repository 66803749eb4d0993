//! Which pods go first: `ActivePodsWithRanks` of Kubernetes.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::machine::Now;
use crate::machines::replicaset::state::View;
use crate::machines::replicaset::view::{PodView, ReplicaSetView};
use crate::objects::key::ObjectKey;
use crate::objects::kinds;

/// So many of the pods, those that are worth least first.
pub(super) fn choose<'a>(
    view: &View,
    key: &ObjectKey,
    set: &ReplicaSetView,
    mut pods: Vec<(&'a ObjectKey, &'a PodView)>,
    count: usize,
    now: Now,
) -> Vec<(&'a ObjectKey, &'a PodView)> {
    if count < pods.len() {
        let neighbours = neighbours(view, key, set);
        let rank = |pod: &PodView| neighbours.get(pod.node.as_str()).copied().unwrap_or(0);
        pods.sort_by(|(a_key, a), (b_key, b)| {
            compare(a, b, rank(a), rank(b), now).then_with(|| a_key.cmp(b_key))
        });
    }
    pods.truncate(count);
    pods
}

/// How many active pods of related sets (those with the same controller, itself included) each node has.
fn neighbours<'a>(
    view: &'a View,
    key: &'a ObjectKey,
    set: &ReplicaSetView,
) -> BTreeMap<&'a str, usize> {
    let mut owners = vec![set.metadata.uid.as_str()];
    if let Some(controller) = set.metadata.controller() {
        let related = view.sets.namespace(kinds::replicasets(), &key.namespace);
        owners = related
            .filter(|(_, other)| {
                other
                    .metadata
                    .controller()
                    .is_some_and(|it| it.uid == controller.uid)
            })
            .map(|(_, other)| other.metadata.uid.as_str())
            .collect();
    }
    let mut counts = BTreeMap::new();
    for owner in owners {
        for (_, pod) in view.owned(owner).filter(|(_, pod)| pod.active()) {
            *counts.entry(pod.node.as_str()).or_insert(0) += 1;
        }
    }
    counts
}

/// The order of Kubernetes; `Less` goes first. Ranks count related pods on the same node.
///
/// Where two times are of one order of magnitude, upstream goes on by UID if they differ and by restarts if
/// they do not, which is no order at all; here it is always restarts, age, UID.
fn compare(a: &PodView, b: &PodView, a_rank: usize, b_rank: usize, now: Now) -> Ordering {
    // 1. Unassigned before assigned.
    let assigned = |pod: &PodView| !pod.node.is_empty();
    assigned(a)
        .cmp(&assigned(b))
        // 2. Pending before unknown before running.
        .then_with(|| a.phase.cmp(&b.phase))
        // 3. Not ready before ready.
        .then_with(|| a.ready_since_ms.is_some().cmp(&b.ready_since_ms.is_some()))
        // 4. Lower deletion cost first (KEP-2255).
        .then_with(|| a.deletion_cost.cmp(&b.deletion_cost))
        // 5. Doubled up before alone on its node.
        .then_with(|| b_rank.cmp(&a_rank))
        // 6. Ready for a shorter time first.
        .then_with(|| age(a.ready_since_ms, now).cmp(&age(b.ready_since_ms, now)))
        // 7. More restarts first.
        .then_with(|| b.restarts.cmp(&a.restarts))
        // 8. Newer first.
        .then_with(|| age(Some(a.created_ms), now).cmp(&age(Some(b.created_ms), now)))
        .then_with(|| a.uid.cmp(&b.uid))
}

/// The order of magnitude of a time that has passed (KEP-2185), so that the oldest of many pods of about the
/// same age are not all taken first; 0 for no time.
fn age(since_ms: Option<u64>, now: Now) -> u32 {
    match since_ms {
        None | Some(0) => 0,
        Some(since) => now
            .0
            .saturating_sub(since)
            .checked_ilog2()
            .map_or(0, |log| log + 1),
    }
}
