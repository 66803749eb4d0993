//! Who of the API servers waits for what, shared between a machine's effects and the connections.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use model::machines::store::{AskId, WatchId};
use model::messages::store::{StoreResponse, WatchFrame, Wire};
use model::objects::bytes::Bytes;
use tokio::sync::mpsc;
use transport::{MessageId, Responder};

/// A frame on its way to the task of its watch, with the message that caused it.
pub(crate) type Outgoing = (WatchFrame<Bytes>, Option<MessageId>);

/// Who waits for what, shared between the machine's effects and the connections.
#[derive(Clone)]
pub(crate) struct Clients {
    inner: Rc<RefCell<Inner>>,
}

struct Inner {
    /// Names asks and watches; the same count for both.
    last: u64,
    asks: BTreeMap<AskId, Responder>,
    /// The channels are bounded by the machine: it sends a watch [`frames`](model::machines::store::Limits)
    /// at a time and a last one.
    watches: BTreeMap<WatchId, mpsc::UnboundedSender<Outgoing>>,
}

/// An ask on its way to the machine. One that does not arrive, because another connection is heard by then, is forgotten.
pub(crate) struct Asked<'a> {
    clients: &'a Clients,
    id: AskId,
}

impl Asked<'_> {
    /// Its name.
    pub(crate) fn id(&self) -> AskId {
        self.id
    }

    /// The machine has it, and answers.
    pub(crate) fn taken(self) {
        std::mem::forget(self);
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.clients.inner.borrow_mut().asks.remove(&self.id);
    }
}

impl Clients {
    pub(crate) fn new() -> Self {
        let inner = Inner {
            last: 0,
            asks: BTreeMap::new(),
            watches: BTreeMap::new(),
        };
        Clients {
            inner: Rc::new(RefCell::new(inner)),
        }
    }

    /// Names an ask and keeps the duty to answer it.
    pub(crate) fn ask(&self, responder: Responder) -> Asked<'_> {
        let mut inner = self.inner.borrow_mut();
        inner.last += 1;
        let id = inner.last;
        inner.asks.insert(id, responder);
        let clients = self;
        Asked { clients, id }
    }

    /// Names a watch and gives its frames.
    pub(crate) fn watch(&self) -> (WatchId, mpsc::UnboundedReceiver<Outgoing>) {
        let (frames, outgoing) = mpsc::unbounded_channel();
        let mut inner = self.inner.borrow_mut();
        inner.last += 1;
        let id = inner.last;
        inner.watches.insert(id, frames);
        (id, outgoing)
    }

    /// Forgets a watch whose receiver has gone.
    pub(crate) fn unwatch(&self, id: WatchId) {
        self.inner.borrow_mut().watches.remove(&id);
    }

    pub(crate) fn answer(&self, to: AskId, response: StoreResponse<Bytes>) {
        let Some(responder) = self.inner.borrow_mut().asks.remove(&to) else {
            return;
        };
        match response.split() {
            Ok((header, body)) => {
                tokio::task::spawn_local(async move {
                    if let Err(error) = responder.answer(&header, body.into()).await {
                        tracing::debug!(%error, "an answer did not reach the API server");
                    }
                });
            }
            Err(error) => responder.refuse(&error.to_string()),
        }
    }

    pub(crate) fn frame(&self, id: WatchId, frame: WatchFrame<Bytes>, cause: Option<MessageId>) {
        let mut inner = self.inner.borrow_mut();
        let last = matches!(frame, WatchFrame::Cancelled(_));
        if let Some(frames) = inner.watches.get(&id) {
            // The task of a watch whose receiver has gone is about to say so.
            let _ = frames.send((frame, cause));
        }
        if last {
            inner.watches.remove(&id);
        }
    }
}
