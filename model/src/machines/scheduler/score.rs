//! Which of the nodes that fit is best.

use crate::machines::scheduler::cache::{Cache, NodeInfo};
use crate::machines::scheduler::filter;
use crate::machines::scheduler::view::{Demand, NodeView};
use crate::rules::taints;

/// Upstream's weight of TaintToleration; NodeResourcesFit has 1.
const TAINT_WEIGHT: i64 = 3;

/// The best node that fits; of equals the first in turn. `None` if none fits.
pub(super) fn choose(cache: &Cache, demand: &Demand) -> Option<String> {
    let fitting = cache
        .around()
        .filter(|(name, info, node)| filter::fits(demand, name, info, node));
    let mut best: Option<(i64, &str)> = None;
    if !dislikes(cache) {
        for (name, info, node) in fitting {
            let score = least_allocated(demand, info, node);
            if best.is_none_or(|(most, _)| score > most) {
                best = Some((score, name));
            }
        }
        return best.map(|(_, name)| name.to_owned());
    }
    // A preference is measured against the most disliked of the nodes that fit.
    let fitting: Vec<_> = fitting
        .map(|(name, info, node)| {
            (
                name,
                info,
                node,
                taints::disliked(&node.taints, &demand.tolerations),
            )
        })
        .collect();
    let most_disliked = fitting.iter().map(|it| it.3).max().unwrap_or(0) as i64;
    for (name, info, node, disliked) in fitting {
        let liked = if most_disliked == 0 {
            100
        } else {
            100 - 100 * disliked as i64 / most_disliked
        };
        let score = least_allocated(demand, info, node) + TAINT_WEIGHT * liked;
        if best.is_none_or(|(most, _)| score > most) {
            best = Some((score, name));
        }
    }
    best.map(|(_, name)| name.to_owned())
}

/// Whether some node has a taint that is only a preference.
fn dislikes(cache: &Cache) -> bool {
    cache.around().any(|(_, _, node)| {
        node.taints
            .iter()
            .any(|taint| taint.effect == taints::PREFER_NO_SCHEDULE)
    })
}

/// The mean over CPU and memory of what would be left, in hundredths of what there is.
fn least_allocated(demand: &Demand, info: &NodeInfo, node: &NodeView) -> i64 {
    let left = |has: i64, taken: i64, asked: i64| -> Option<i64> {
        let wanted = taken.saturating_add(asked);
        match has {
            0 => None,
            _ if wanted > has => Some(0),
            _ => i64::try_from(i128::from(has - wanted) * 100 / i128::from(has)).ok(),
        }
    };
    let scores = [
        left(node.allocatable.milli_cpu, info.weight.0, demand.weight.0),
        left(node.allocatable.memory, info.weight.1, demand.weight.1),
    ];
    let scores: Vec<i64> = scores.into_iter().flatten().collect();
    if scores.is_empty() {
        0
    } else {
        scores.iter().sum::<i64>() / scores.len() as i64
    }
}
