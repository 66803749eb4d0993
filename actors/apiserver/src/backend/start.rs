//! Starting the backend.

use std::cell::Cell;
use std::rc::Rc;

use model::machines::transaction::Transactions;
use model::machines::watch_cache::{Input, Limits, WatchCache};
use shell::{Component, TraceWriter};
use tokio::sync::mpsc;
use transport::Link;

use super::follow::{CacheEffects, Desk};
use super::store::Store;
use super::submit::WriteEffects;
use super::{Backend, Served, Shared};

/// What a backend starts with.
pub struct Start<S> {
    /// The link to the store.
    pub link: Link,
    /// The schema work of writes.
    pub strategy: S,
    /// How long objects that expire live after their last write, in seconds, at least 1.
    pub ttl_seconds: u32,
    /// How much the cache keeps and how long it waits.
    pub limits: Limits,
    /// Clock and random source.
    pub environment: shell::Environment,
    /// Where the watch cache's actions are recorded; `None` records nothing.
    pub cache_trace: Option<TraceWriter>,
    /// Where the writes' actions are recorded; `None` records nothing.
    pub write_trace: Option<TraceWriter>,
}

impl<S: Served> Start<S> {
    /// Starts both machines on the running system. The cache begins to fill at once.
    pub fn start(self) -> Backend<S> {
        let store = Store::new(self.link, self.environment.revisions.clone());
        let desk = Rc::new(Desk::default());
        let cache = Component::start(shell::Start {
            machine: WatchCache::new(self.limits),
            durable: None,
            effects: CacheEffects {
                store: store.clone(),
                desk: desk.clone(),
                feed: None,
            },
            trace: self.cache_trace,
            environment: self.environment.clone(),
        });
        let waiting = super::submit::Waiting::default();
        let writes = Component::start(shell::Start {
            machine: Transactions {
                strategy: self.strategy,
                ttl_seconds: self.ttl_seconds,
            },
            durable: None,
            effects: WriteEffects {
                store,
                waiting: waiting.clone(),
            },
            trace: self.write_trace,
            environment: self.environment.clone(),
        });
        let (gone, mut forgotten) = mpsc::unbounded_channel();
        let forget = cache.clone();
        cache.spawn(async move {
            while let Some(request) = forgotten.recv().await {
                if forget.send(Input::Dropped { request }).await.is_err() {
                    return;
                }
            }
        });
        Backend {
            shared: Rc::new(Shared {
                cache,
                writes,
                desk,
                waiting,
                gone,
                environment: self.environment,
                next: Cell::new(0),
            }),
            cause: None,
        }
    }
}
