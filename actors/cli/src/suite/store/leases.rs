//! A holder of leases: each with one key, kept alive for a while, then revoked or left to run out.

use std::rc::Rc;
use std::time::Duration;

use conformance::suite::store::observed::{LEASED, Lease, Observed};
use model::messages::store::{Operation, StoreRequest, StoreResponse, Transaction};
use model::objects::bytes::Bytes;

use super::client::Client;
use super::session::Shared;
use crate::suite::random::Random;

/// The shortest time to live that an etcd of default settings grants is no longer.
const TTL_SECONDS: u32 = 2;

/// Holds one lease after another until writing is over.
pub(super) async fn hold<C: Client>(shared: Rc<Shared<C>>, client: u32) -> anyhow::Result<()> {
    let mut random = Random::of(shared.plan.seed, client);
    for number in 0.. {
        if shared.last().is_some() {
            break;
        }
        one(&shared, &mut random, number).await;
    }
    Ok(())
}

/// One lease; it is not written down if the store did not answer each question of it.
async fn one<C: Client>(shared: &Shared<C>, random: &mut Random, number: u64) -> Option<()> {
    // A name of the session's own: others may hold leases in the same etcd.
    let lease = random.next().max(1);
    let mut kept_us = shared.clock.now_us();
    let grant = StoreRequest::LeaseGrant {
        lease,
        ttl_seconds: TTL_SECONDS,
    };
    let Ok(StoreResponse::Lease { ttl_seconds, .. }) = shared.store.ask(grant).await else {
        shared.pause(Duration::from_millis(50)).await;
        return None;
    };
    let key = format!("{LEASED}{number}");
    let put = Operation::Put {
        key: key.as_str().into(),
        value: Bytes::from(&*shared.value().to_string()),
        lease,
    };
    let request = StoreRequest::Transaction(Transaction {
        compares: Vec::new(),
        success: vec![put],
        failure: Vec::new(),
    });
    let Ok(StoreResponse::Transaction { revision, .. }) = shared.store.ask(request).await else {
        return None;
    };
    for _ in 0..random.below(3) {
        shared.pause(Duration::from_millis(300)).await;
        let began_us = shared.clock.now_us();
        let kept = shared.store.ask(StoreRequest::LeaseKeepAlive { lease });
        let Ok(StoreResponse::Lease { .. }) = kept.await else {
            return None;
        };
        kept_us = began_us;
    }
    let mut revoked = None;
    if random.below(2) == 0 {
        let began_us = shared.clock.now_us();
        let done = shared.store.ask(StoreRequest::LeaseRevoke { lease }).await;
        let Ok(StoreResponse::Done { .. }) = done else {
            return None;
        };
        revoked = Some((began_us, shared.clock.now_us()));
    } else {
        shared
            .pause(Duration::from_secs(u64::from(ttl_seconds) + 1))
            .await;
    }
    shared.observed.borrow_mut().leases.push(Lease {
        key,
        written: revision,
        ttl_seconds,
        kept_us,
        revoked,
        gone_us: None,
    });
    Some(())
}

/// When each leased key went, as the watches tell.
pub(super) fn find_ends(observed: &mut Observed) {
    let Observed {
        leases, watches, ..
    } = observed;
    for lease in leases {
        let gone = watches
            .iter()
            .flat_map(|watch| &watch.messages)
            .filter(|message| {
                let mut events = message.events.iter();
                events.any(|event| event.key == lease.key && event.now.is_none())
            })
            .map(|message| message.at_us);
        lease.gone_us = gone.min();
    }
}
