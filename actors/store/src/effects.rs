//! Carrying out what the machine decides.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use model::machines::store::{AskId, Input, Output, Record, Store, WatchId};
use model::messages::store::{StoreResponse, WatchFrame, Wire};
use model::objects::bytes::Bytes;
use shell::{Effects, Handle};
use tokio::sync::{mpsc, watch};
use transport::{MessageId, Responder};

use crate::disk::Disk;

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
    pub(crate) fn ask(&self, responder: Responder) -> AskId {
        let mut inner = self.inner.borrow_mut();
        inner.last += 1;
        let id = inner.last;
        inner.asks.insert(id, responder);
        id
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

    fn answer(&self, to: AskId, response: StoreResponse<Bytes>) {
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

    fn frame(&self, id: WatchId, frame: WatchFrame<Bytes>, cause: Option<MessageId>) {
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

/// The disk, shared with whoever closes it at the end.
pub(crate) type SharedDisk = Rc<RefCell<dyn Disk>>;

/// Carries out what the machine decides.
pub(crate) struct StoreEffects {
    pub(crate) clients: Clients,
    pub(crate) disk: SharedDisk,
    /// Told when the machine has stopped, and why.
    pub(crate) stop: watch::Sender<Option<String>>,
}

impl StoreEffects {
    fn persist(&self, through: u64, records: Vec<Record<Bytes>>, handle: &Handle<Store<Bytes>>) {
        let done = self.disk.borrow_mut().commit(records);
        let machine = handle.clone();
        handle.spawn(async move {
            let input = match done.await {
                Ok(()) => Input::Persisted { through },
                Err(error) => Input::PersistFailed {
                    reason: error.to_string(),
                },
            };
            if let Err(stopped) = machine.send(input).await {
                tracing::debug!(%stopped, "a commit completed after the store had ended");
            }
        });
    }
}

impl Effects<Store<Bytes>> for StoreEffects {
    fn perform(&mut self, output: Output<Bytes>, handle: &Handle<Store<Bytes>>) {
        match output {
            Output::Answer { to, response } => self.clients.answer(to, response),
            Output::Frame { watch, frame } => self.clients.frame(watch, frame, handle.cause()),
            Output::Persist { through, records } => self.persist(through, records, handle),
            Output::Stop { reason } => {
                self.stop.send_replace(Some(reason));
            }
        }
    }
}
