//! A client of the store that holds locks as etcd's clients do: a key that goes with a lease, and the lease is kept alive.
//!
//! What it holds it has for as long as the lease was promised (etcd's documentation, "Lease API"), and what it lets go of,
//! goes.

use std::time::Duration;

use model::messages::store::{
    KeyRange, LeaseId, Operation, RangeRequest, StoreError, StoreRequest, StoreResponse,
    Transaction,
};
use model::objects::bytes::Bytes;
use tokio::time::{Instant, sleep, timeout};
use transport::sim::SeededRandom;

use super::deeds::Deeds;
use super::store_client::StoreClient;

/// Where its keys are.
const PREFIX: &str = "/locks/";
/// How long to wait for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The names of its leases begin here.
const FIRST: LeaseId = 1;

/// A holder of locks, one after another.
pub struct LeaseHolder {
    store: StoreClient,
    random: SeededRandom,
    deeds: Deeds,
}

/// A lock that is held.
struct Held {
    key: String,
    lease: LeaseId,
    ttl: Duration,
    /// Until when it is certainly there: a time to live after the last question was sent that was answered.
    until: Instant,
}

impl LeaseHolder {
    /// One that tells what it sees to `deeds`.
    pub fn new(store: StoreClient, seed: u64, deeds: Deeds) -> Self {
        LeaseHolder {
            store,
            random: SeededRandom::stream(seed, "lease holder"),
            deeds,
        }
    }

    /// Holds locks until then.
    pub async fn hold(self, until: Instant) -> Self {
        for lease in FIRST.. {
            sleep(self.random_ms(100, 2_000)).await;
            if Instant::now() >= until {
                break;
            }
            if let Some(mut held) = self.take(lease).await {
                for _ in 0..self.random.between(1, 12) {
                    sleep(held.ttl / 3).await;
                    if !self.keep(&mut held).await {
                        break;
                    }
                }
            }
        }
        self
    }

    fn random_ms(&self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.random.between(least, most))
    }

    /// Takes a lock; `None` if that was refused or is not known to be done.
    async fn take(&self, lease: LeaseId) -> Option<Held> {
        let (asked, ttl_seconds) = (Instant::now(), self.random.between(2, 6) as u32);
        let granted = self.ask(StoreRequest::LeaseGrant { lease, ttl_seconds });
        let Some(StoreResponse::Lease { .. }) = granted.await else {
            return None;
        };
        let (key, ttl) = (
            format!("{PREFIX}{lease}"),
            Duration::from_secs(ttl_seconds.into()),
        );
        let put = StoreRequest::Transaction(Transaction {
            compares: Vec::new(),
            success: vec![Operation::Put {
                key: key.as_str().into(),
                value: Bytes::from("held"),
                lease,
            }],
            failure: Vec::new(),
        });
        let Some(StoreResponse::Transaction { .. }) = self.ask(put).await else {
            return None;
        };
        tracing::info!(key, ttl_seconds, "lease holder: took a lock");
        Some(Held {
            key,
            lease,
            ttl,
            until: asked + ttl,
        })
    }

    /// Keeps a lock, and looks whether it is there; false once it is lost.
    async fn keep(&self, held: &mut Held) -> bool {
        let (asked, lease) = (Instant::now(), held.lease);
        match self.ask(StoreRequest::LeaseKeepAlive { lease }).await {
            Some(StoreResponse::Lease { .. }) => held.until = asked + held.ttl,
            Some(StoreResponse::Failed(StoreError::LeaseNotFound { .. })) => {
                self.lost(held);
                return false;
            }
            // Nobody knows: it may last longer than it was promised to.
            _ => {}
        }
        match self.locks(&held.key).await {
            Some(keys) if keys.is_empty() => {
                self.lost(held);
                false
            }
            Some(_) | None => true,
        }
    }

    /// It is not there, at this moment at the latest.
    fn lost(&self, held: &Held) {
        let early = held.until.saturating_duration_since(Instant::now());
        if !early.is_zero() {
            let (key, lease) = (&held.key, held.lease);
            self.deeds.fault(format!(
                "{key} was gone {early:?} before the end of lease {lease}, as it was promised"
            ));
        }
    }

    /// Locks that are still there, although nobody has held any for longer than each was promised; `None` while the store
    /// does not tell.
    pub async fn left(&self) -> Option<Vec<String>> {
        self.locks(PREFIX).await
    }

    /// The locks whose keys begin with this.
    async fn locks(&self, prefix: &str) -> Option<Vec<String>> {
        let request = StoreRequest::Range(RangeRequest::now(KeyRange::prefix(prefix)));
        match self.ask(request).await? {
            StoreResponse::Range(range) => {
                let keys = range.items.iter().map(|item| item.key.to_string());
                Some(keys.collect())
            }
            _ => None,
        }
    }

    async fn ask(&self, request: StoreRequest<Bytes>) -> Option<StoreResponse<Bytes>> {
        timeout(PATIENCE, self.store.ask(request))
            .await
            .ok()
            .flatten()
    }
}
