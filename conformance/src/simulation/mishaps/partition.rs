//! Hosts that do not reach each other.

use std::rc::Rc;

use super::Mishaps;
use crate::simulation::part::Part;

/// How long the store is out of the API server's reach, in milliseconds: longer than a connection survives, and then than
/// the API server waits for another.
const UNREACHED_MS: (u64, u64) = (14_000, 20_000);

impl Mishaps {
    /// Severs a host from another or from all others, both ways or one.
    pub(super) fn part_ways(self: &Rc<Self>, both: bool) -> bool {
        let random = &self.random;
        let (Some(one), Some(other)) = (random.pick(&self.hosts), random.pick(&self.hosts)) else {
            return false;
        };
        let others: Vec<Part> = match random.once_in(2) {
            true => self.hosts.clone(),
            false => vec![*other],
        };
        let (one, outward) = (*one, random.once_in(2));
        let ways: Vec<_> = others
            .iter()
            .filter(|other| **other != one)
            .flat_map(|other| {
                let (there, back) = ((one.host(), other.host()), (other.host(), one.host()));
                [
                    (both || outward).then_some(there),
                    (both || !outward).then_some(back),
                ]
            })
            .flatten()
            .collect();
        if ways.is_empty() {
            return false;
        }
        for (from, to) in &ways {
            self.cluster.network.sever(*from, *to, true);
        }
        tracing::info!(
            host = one.name(),
            ways = ways.len(),
            both,
            "fault: a partition"
        );
        self.later(15_000, move |this| {
            for (from, to) in &ways {
                this.cluster.network.sever(*from, *to, false);
            }
        });
        true
    }

    /// Severs the API server from the store while it writes, for so long that it gives up what it has no answer to.
    pub(super) async fn part_from_store(self: &Rc<Self>) {
        self.ambush(Part::Store).await;
        let (one, other) = (Part::Apiserver.host(), Part::Store.host());
        let sever = move |this: &Rc<Self>, severed| {
            this.cluster.network.sever(one, other, severed);
            this.cluster.network.sever(other, one, severed);
        };
        sever(self, true);
        let lasting = self.random.between(UNREACHED_MS.0, UNREACHED_MS.1);
        tracing::info!(lasting, "fault: the API server does not reach the store");
        self.after(lasting, move |this| sever(this, false));
    }
}
