//! The watch cache's outputs carried out: the feed from the store, answers to reads, changes to watches.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use model::machines::watch_cache::{
    Answer, Epoch, Fed, Input, Key, Listed, Output, Refusal, RequestId, WatchCache,
};
use model::messages::store::{
    Event, KeyRange, RangeRequest, Segment, StoreError, StoreRequest, StoreResponse, WatchFrame,
    WatchRequest, Wire,
};
use model::objects::bytes::Bytes;
use shell::{Effects, Handle};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use transport::{MessageId, Stream};

use super::item::Item;
use super::store::Store;
use super::watch::Passed;

/// Everything that is cached lies under this.
const PREFIX: &str = "/registry/";
/// How many objects a part of the list of everything has.
const PART: u32 = 500;

type Cache = Handle<WatchCache<Item>>;

/// What a read ends with.
type Read = Result<Answer<Item>, Refusal>;

/// Who waits for what.
#[derive(Default)]
pub(super) struct Desk {
    pub(super) reads: RefCell<BTreeMap<RequestId, oneshot::Sender<Read>>>,
    pub(super) watches: RefCell<BTreeMap<RequestId, mpsc::UnboundedSender<Passed>>>,
    /// Whether the store's changes are taken in at present.
    pub(super) following: Cell<bool>,
    /// Why they were not when that was tried last.
    pub(super) trouble: RefCell<Option<String>>,
    pub(super) counters: super::Counters,
}

/// Carries out what the watch cache decides.
pub(super) struct CacheEffects {
    pub(super) store: Store,
    pub(super) desk: Rc<Desk>,
    pub(super) feed: Option<AbortHandle>,
}

impl Drop for CacheEffects {
    fn drop(&mut self) {
        self.feed(None);
        // Who waits is told so: nothing answers any more.
        self.desk.reads.borrow_mut().clear();
        self.desk.watches.borrow_mut().clear();
    }
}

impl Desk {
    /// The store's changes are taken in from here on.
    fn began(&self) {
        self.following.set(true);
        self.trouble.replace(None);
    }

    /// The store has ended or refused that, or is not reached.
    fn ended(&self, why: String) {
        tracing::warn!(why, "the store is not followed");
        self.following.set(false);
        self.trouble.replace(Some(why));
    }
}

impl CacheEffects {
    fn feed(&mut self, next: Option<AbortHandle>) {
        self.desk.following.set(false);
        if let Some(feed) = std::mem::replace(&mut self.feed, next) {
            feed.abort();
        }
    }

    fn pass(&self, watcher: RequestId, passed: Passed) {
        // A watch whose client has gone is about to be dropped by its own message.
        if let Some(watch) = self.desk.watches.borrow().get(&watcher) {
            let _ = watch.send(passed);
        }
    }
}

impl Effects<WatchCache<Item>> for CacheEffects {
    fn perform(&mut self, output: Output<Item>, handle: &Cache) {
        let cause = handle.cause();
        match output {
            Output::List {
                epoch,
                revision,
                after,
            } => {
                let (store, desk) = (self.store.clone(), self.desk.clone());
                let task = list(store, desk, handle.clone(), epoch, revision, after);
                self.feed(handle.spawn(task));
            }
            Output::Follow { epoch, after } => {
                let (store, desk) = (self.store.clone(), self.desk.clone());
                let task = follow(store, desk, handle.clone(), epoch, after);
                self.feed(handle.spawn(task));
            }
            Output::Unfollow { .. } => self.feed(None),
            Output::Query { query } => {
                handle.spawn(ask_revision(self.store.clone(), handle.clone(), query));
            }
            Output::Answer { request, answer } => {
                if let Some(waiting) = self.desk.reads.borrow_mut().remove(&request) {
                    // Nobody may wait any more: then the answer is for nobody.
                    let _ = waiting.send(answer);
                }
            }
            Output::Deliver { watcher, changes } => {
                let count = changes.len() as u64;
                self.desk
                    .counters
                    .add(|counters| &counters.delivered, count);
                self.pass(watcher, Passed::Changes(changes, cause));
            }
            Output::Bookmark {
                watcher,
                revision,
                initial_events_end,
            } => self.pass(
                watcher,
                Passed::Bookmark {
                    revision,
                    initial_events_end,
                },
            ),
            Output::Close { watcher, status } => {
                self.pass(watcher, Passed::Closed(status));
                self.desk.watches.borrow_mut().remove(&watcher);
            }
        }
    }
}

/// Reads a part of everything.
async fn list(
    store: Store,
    desk: Rc<Desk>,
    cache: Cache,
    epoch: Epoch,
    revision: Option<u64>,
    after: Option<Key>,
) {
    let everything = KeyRange::prefix(PREFIX);
    let range = match &after {
        Some(after) => everything.after(after),
        None => everything,
    };
    let request = RangeRequest {
        revision,
        limit: PART,
        ..RangeRequest::now(range)
    };
    let input = match store.ask(StoreRequest::Range(request), None).await {
        Ok((StoreResponse::Range(range), _)) => Input::Listed {
            epoch,
            revision: range.revision,
            more: range.more,
            items: range
                .items
                .into_iter()
                .map(|found| Listed {
                    value: Item::stored(
                        found.key.clone(),
                        found.mod_revision,
                        found.value.as_deref().unwrap_or_default(),
                    ),
                    key: found.key,
                    revision: found.mod_revision,
                })
                .collect(),
        },
        Ok((StoreResponse::Failed(error), _)) => {
            desk.ended(error.to_string());
            ended(epoch, &error)
        }
        Ok(_) => Input::Lost { epoch },
        Err(error) => {
            desk.ended(error.to_string());
            Input::Lost { epoch }
        }
    };
    // A cache that has stopped needs no list.
    let _ = cache.send(input).await;
}

/// Follows the changes until the stream ends, one after another, as fast as the cache takes them.
async fn follow(store: Store, desk: Rc<Desk>, cache: Cache, epoch: Epoch, after: u64) {
    let end = match open(&store, after).await {
        Ok(mut stream) => take_in(&store, &desk, &mut stream, &cache, epoch).await,
        Err(error) => {
            desk.ended(error);
            Some(Input::Lost { epoch })
        }
    };
    if let Some(end) = end {
        let _ = cache.send(end).await;
    }
}

async fn open(store: &Store, after: u64) -> Result<Stream, String> {
    let connection = store.connection().await.ok_or("the link is closed")?;
    let request = WatchRequest {
        range: KeyRange::prefix(PREFIX),
        after: Some(after),
        previous: false,
    };
    // Both halves are kept: to drop the one that sends would tell the store that nobody receives.
    connection
        .open(&request, Default::default(), None)
        .await
        .map_err(|error| error.to_string())
}

/// What ends the feed; `None` if the cache has.
async fn take_in(
    store: &Store,
    desk: &Desk,
    stream: &mut Stream,
    cache: &Cache,
    epoch: Epoch,
) -> Option<Input<Item>> {
    loop {
        let (frame, id) = match receive(stream).await {
            Ok(Some(received)) => received,
            Ok(None) => {
                desk.ended("the store ended the feed without a reason".to_owned());
                return Some(Input::Lost { epoch });
            }
            Err(error) => {
                desk.ended(error);
                return Some(Input::Lost { epoch });
            }
        };
        let input = match frame {
            WatchFrame::Started { .. } => {
                desk.began();
                continue;
            }
            WatchFrame::Progress { revision } => Input::Fed {
                epoch,
                revision,
                changes: Vec::new(),
            },
            WatchFrame::Events { revision, events } => Input::Fed {
                epoch,
                revision,
                changes: events.into_iter().map(fed).collect(),
            },
            WatchFrame::Cancelled(error) => {
                desk.ended(error.to_string());
                return Some(ended(epoch, &error));
            }
        };
        if let Input::Fed { revision, .. } = &input {
            store.heard(*revision);
        }
        cache.caused_by(id).send(input).await.ok()?;
    }
}

async fn receive(stream: &mut Stream) -> Result<Option<(WatchFrame<Bytes>, MessageId)>, String> {
    let Some(message) = stream.recv().await.map_err(|error| error.to_string())? else {
        return Ok(None);
    };
    let header = message
        .decode::<WatchFrame<Segment>>()
        .map_err(|error| error.to_string())?;
    let frame = WatchFrame::join(header, &message.body).map_err(|error| error.to_string())?;
    Ok(Some((frame, message.id)))
}

fn fed(event: Event<Bytes>) -> Fed<Item> {
    let (key, revision) = (event.key().clone(), event.revision());
    let value = match event {
        Event::Put { now, .. } => now
            .value
            .map(|value| Item::stored(key.clone(), revision, &value)),
        Event::Deleted { .. } => None,
    };
    Fed {
        key,
        revision,
        value,
    }
}

/// Whether everything has to be read again after the store has ended the feed or refused a list.
fn ended(epoch: Epoch, error: &StoreError) -> Input<Item> {
    match error {
        StoreError::Compacted { .. }
        | StoreError::Behind { .. }
        | StoreError::FutureRevision { .. } => Input::Expired { epoch },
        _ => Input::Lost { epoch },
    }
}

async fn ask_revision(store: Store, cache: Cache, query: u64) {
    let input = match store.ask(StoreRequest::Progress, None).await {
        Ok((StoreResponse::Done { revision }, _)) => Input::Progressed { query, revision },
        Ok((other, _)) => {
            tracing::warn!(?other, "the store does not tell its revision");
            Input::QueryLost { query }
        }
        Err(error) => {
            tracing::warn!(%error, "the store's revision is not known");
            Input::QueryLost { query }
        }
    };
    let _ = cache.send(input).await;
}
