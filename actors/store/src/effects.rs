//! Carrying out what the store's machine decides.

use std::cell::RefCell;
use std::rc::Rc;

use model::machines::store::{Input, Output, Record, Store};
use model::objects::bytes::Bytes;
use shell::{Effects, Handle};
use tokio::sync::watch;

use crate::clients::Clients;
use crate::disk::Disk;

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
