//! An open watch, as the front ends read it.

use std::rc::Rc;

use model::machines::watch_cache::{Cached, Delivery, Input, RequestId, WatchCache};
use model::messages::api::Change;
use model::objects::status::Status;
use shell::Handle;
use tokio::sync::mpsc;
use transport::MessageId;

use super::follow::Desk;
use super::item::Item;

/// Taken changes are told to the cache in lots of so many, or of so many bytes: well below half of what
/// [`Limits`](model::machines::watch_cache::Limits) lets be on its way to a watch.
const LOT: u32 = 256;
const LOT_BYTES: usize = 1 << 20;

/// What the cache passes to a watch.
pub(super) enum Passed {
    Changes(Vec<Delivery<Item>>, Option<MessageId>),
    Bookmark {
        revision: u64,
        initial_events_end: bool,
    },
    Closed(Status),
}

/// What a watch yields.
#[derive(Clone, Debug)]
pub enum WatchEvent {
    /// Changes in the order of revisions. A revision is never split over two. A deletion carries the object's
    /// last state with the revision of the deletion.
    Changes(Vec<(Change, Item)>),
    /// Every event up to this revision has been yielded.
    Bookmark {
        /// That revision.
        revision: u64,
        /// Whether it ends the initial events.
        initial_events_end: bool,
    },
    /// The watch ends here, and why: 410, 429, 504. Nothing follows.
    Failed(Status),
}

/// An open watch. Dropping it closes it.
pub struct Watch {
    pub(super) id: RequestId,
    pub(super) passed: mpsc::UnboundedReceiver<Passed>,
    pub(super) cache: Handle<WatchCache<Item>>,
    pub(super) guard: Guard,
    pub(super) taken: u32,
    pub(super) taken_bytes: usize,
    pub(super) cause: Option<MessageId>,
}

impl Watch {
    /// The next changes; `None` after [`WatchEvent::Failed`] and when the server stops. What was yielded
    /// before counts as delivered: a caller asks again only after it has passed it on. Nothing is lost if the
    /// future is dropped.
    pub async fn next(&mut self) -> Option<WatchEvent> {
        if self.taken >= LOT || self.taken_bytes >= LOT_BYTES {
            let input = Input::Taken {
                watcher: self.id,
                changes: self.taken,
            };
            // Cleared first: should the future be dropped here, the input is under way already.
            self.taken = 0;
            self.taken_bytes = 0;
            self.cache.send(input).await.ok()?;
        }
        match self.passed.recv().await? {
            Passed::Changes(changes, cause) => {
                let count = u32::try_from(changes.len()).unwrap_or(u32::MAX);
                self.taken = self.taken.saturating_add(count);
                self.taken_bytes += changes.iter().map(|one| one.value.size()).sum::<usize>();
                self.cause = cause;
                let changes = changes
                    .into_iter()
                    .map(|one| (one.change, one.value))
                    .collect();
                Some(WatchEvent::Changes(changes))
            }
            Passed::Bookmark {
                revision,
                initial_events_end,
            } => {
                self.taken = self.taken.saturating_add(1);
                Some(WatchEvent::Bookmark {
                    revision,
                    initial_events_end,
                })
            }
            Passed::Closed(status) => {
                self.guard.done();
                Some(WatchEvent::Failed(status))
            }
        }
    }

    /// Says that this watch will soon be ended: whoever asked for bookmarks gets one more.
    pub async fn ending(&self) {
        // A cache that has stopped tells through `next`.
        let _ = self.cache.send(Input::Ending { watcher: self.id }).await;
    }

    /// The message that brought what was yielded last, to be named as the cause of passing it on.
    pub fn cause(&self) -> Option<MessageId> {
        self.cause
    }
}

/// Tells the cache when nobody waits for a read or listens to a watch any more.
pub(super) struct Guard {
    pub(super) id: RequestId,
    pub(super) desk: Rc<Desk>,
    pub(super) gone: Option<mpsc::UnboundedSender<RequestId>>,
}

impl Guard {
    /// The cache knows already.
    pub(super) fn done(&mut self) {
        self.gone = None;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(gone) = &self.gone {
            self.desk.reads.borrow_mut().remove(&self.id);
            self.desk.watches.borrow_mut().remove(&self.id);
            // The receiver lives as long as the cache, which else has nothing left to forget.
            let _ = gone.send(self.id);
        }
    }
}
