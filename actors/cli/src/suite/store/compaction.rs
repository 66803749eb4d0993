//! One who compacts, and asks for what is compacted; and has watches told how far they are.

use std::rc::Rc;
use std::time::Duration;

use conformance::suite::store::observed::{Compaction, Past};
use model::messages::store::{KeyRange, StoreRequest, StoreResponse};

use super::client::{Client, Ended, Watching};
use super::readers;
use super::session::Shared;

/// How much history a compaction leaves.
const KEPT: u64 = 60;
/// How long a watch may take to say that it serves the past.
const FIRST_EVENT_TIME_MAX: Duration = Duration::from_secs(5);

/// Compacts several times in a session.
pub(super) async fn compact<C: Client>(shared: Rc<Shared<C>>, client: u32) -> anyhow::Result<()> {
    let mut compacted = 0;
    while shared.last().is_none() {
        shared.pause(shared.plan.duration / 6).await;
        // Whether a store tells each watch how far it is when it is asked differs; what it tells must be true.
        let _ = shared.store.ask(StoreRequest::Progress).await;
        let revision = shared.newest().saturating_sub(KEPT);
        if revision <= compacted + 1 {
            continue;
        }
        let began_us = shared.clock.now_us();
        let answer = shared.store.ask(StoreRequest::Compact { revision }).await;
        let done = matches!(answer, Ok(StoreResponse::Done { .. }));
        shared.observed.borrow_mut().compactions.push(Compaction {
            began_us,
            ended_us: shared.clock.now_us(),
            revision,
            done,
        });
        compacted = revision;
        for past in [revision - 1, revision, revision + KEPT / 2] {
            readers::everything(&shared, client, Some(past)).await?;
        }
        for past in [revision.saturating_sub(2), revision] {
            watch_after(&shared, past).await;
        }
    }
    Ok(())
}

/// Whether a watch from after a revision is served; not written down if the store does not say in time.
async fn watch_after<C: Client>(shared: &Shared<C>, revision: u64) {
    let began_us = shared.clock.now_us();
    let first = async {
        let range = KeyRange::prefix("/");
        let mut watch = shared.store.watch(range, revision, false).await?;
        watch.next().await.map(drop)
    };
    let served = match tokio::time::timeout(FIRST_EVENT_TIME_MAX, first).await {
        Ok(Ok(())) => true,
        Ok(Err(Ended::Compacted)) => false,
        Ok(Err(Ended::Broken(_))) | Err(_) => return,
    };
    shared.observed.borrow_mut().pasts.push(Past {
        began_us,
        ended_us: shared.clock.now_us(),
        watch: true,
        revision,
        served,
    });
}
