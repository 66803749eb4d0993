//! The steps by name, and when those on disk were.

use model::actions::store::StoreAction;

use super::Hop;
use crate::said::Said;
use crate::timeline::Moment;

/// What each step is called.
pub(super) const STEPS: [&str; 12] = [
    "the controller asks for the pod",
    "the client writes to the API server",
    "the store has it on disk",
    "the store notifies the API server",
    "the API server notifies the scheduler",
    "the scheduler decides",
    "the binding is on disk",
    "the store notifies the API server of the binding",
    "the API server notifies the node's kubelet",
    "the kubelet has the runtime start the pod",
    "the kubelet reports that it runs",
    "the status is on disk",
];

/// The steps that end on the store's disk.
const ON_DISK: [u8; 3] = [2, 6, 11];

/// What is on disk was there before its writer heard of it: the store's own word on when, if it tells.
pub(super) fn told_by_the_store(hops: &mut [Hop], moments: &[Moment]) {
    for hop in hops.iter_mut().filter(|hop| ON_DISK.contains(&hop.step)) {
        let persisted = moments.iter().filter_map(|moment| match moment.said {
            Said::Store(StoreAction::Persisted { through }) if through >= hop.revision => {
                Some(moment.at_ms)
            }
            _ => None,
        });
        hop.at_ms = persisted.chain([hop.at_ms]).min().unwrap_or(hop.at_ms);
    }
}
