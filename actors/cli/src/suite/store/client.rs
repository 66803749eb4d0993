//! A store as a client has it, and the two that there are.

use model::machines::relay::CallError;
use model::messages::store::{Event, KeyRange, StoreRequest, StoreResponse};
use model::objects::bytes::Bytes;
use store::etcd::{Etcd, EtcdWatch, WatchEnd};

/// Why a watch ended.
pub(super) enum Ended {
    /// What it needs is compacted.
    Compacted,
    /// Anything else.
    Broken(String),
}

/// What a watch brought: events, and how far they reach.
pub(super) struct Brought {
    pub(super) revision: u64,
    pub(super) events: Vec<Event<Bytes>>,
}

/// A store that can be asked and watched, in the store's own messages.
pub(super) trait Client: Clone + 'static {
    /// An open watch.
    type Watch: Watching;

    /// Asks.
    async fn ask(&self, request: StoreRequest<Bytes>) -> Result<StoreResponse<Bytes>, CallError>;

    /// Watches strictly after a revision.
    async fn watch(
        &self,
        range: KeyRange,
        after: u64,
        previous: bool,
    ) -> Result<Self::Watch, Ended>;
}

/// An open watch.
pub(super) trait Watching {
    /// The next message. Nothing is lost if the future is dropped.
    async fn next(&mut self) -> Result<Brought, Ended>;
}

/// etcd's own API.
impl Client for Etcd {
    type Watch = EtcdWatch;

    async fn ask(&self, request: StoreRequest<Bytes>) -> Result<StoreResponse<Bytes>, CallError> {
        Etcd::ask(self, &request).await
    }

    async fn watch(&self, range: KeyRange, after: u64, previous: bool) -> Result<EtcdWatch, Ended> {
        Etcd::watch(self, &range, after, previous)
            .await
            .map_err(Ended::from)
    }
}

impl Watching for EtcdWatch {
    async fn next(&mut self) -> Result<Brought, Ended> {
        let batch = EtcdWatch::next(self).await?;
        Ok(Brought {
            revision: batch.revision,
            events: batch.events,
        })
    }
}

impl From<WatchEnd> for Ended {
    fn from(end: WatchEnd) -> Self {
        match end {
            WatchEnd::Compacted { .. } => Ended::Compacted,
            WatchEnd::Broken(reason) => Ended::Broken(reason),
        }
    }
}
