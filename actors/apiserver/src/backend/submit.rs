//! The transaction machine's outputs carried out: questions to the store, answers to clients.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use model::machines::transaction::{Input, Output, Transactions, WriteId, Written};
use model::messages::store::StoreRequest;
use model::objects::bytes::Bytes;
use model::objects::status::Status;
use shell::{Effects, Handle};
use tokio::sync::oneshot;

use super::Served;
use super::store::{AskError, Store};

/// Who waits for which write.
pub(super) type Waiting =
    Rc<RefCell<BTreeMap<WriteId, oneshot::Sender<Result<Written<Bytes>, Status>>>>>;

/// Carries out what the transaction machine decides.
pub(super) struct WriteEffects {
    pub(super) store: Store,
    pub(super) waiting: Waiting,
}

impl Drop for WriteEffects {
    fn drop(&mut self) {
        // Who waits is told so: nothing answers any more.
        self.waiting.borrow_mut().clear();
    }
}

impl<S: Served> Effects<Transactions<S>> for WriteEffects {
    fn perform(&mut self, output: Output<Bytes>, handle: &Handle<Transactions<S>>) {
        match output {
            Output::Ask { id, transaction } => {
                let (store, machine) = (self.store.clone(), handle.clone());
                handle.spawn(async move {
                    let request = StoreRequest::Transaction(transaction);
                    let cause = machine.cause();
                    let (input, machine) = match store.ask(request, cause).await {
                        Ok((response, reply)) => {
                            (Input::Stored { id, response }, machine.caused_by(reply))
                        }
                        Err(error @ AskError::Unsent(_)) => {
                            tracing::warn!(%error, "a write was not sent");
                            (Input::Unsent { id }, machine)
                        }
                        Err(error @ AskError::Lost(_)) => {
                            tracing::warn!(%error, "the outcome of a write is not known");
                            (Input::Lost { id }, machine)
                        }
                    };
                    // A machine that has stopped has dropped those who waited, which tells them.
                    let _ = machine.send(input).await;
                });
            }
            Output::Grant { lease, ttl_seconds } => {
                let (store, machine) = (self.store.clone(), handle.clone());
                handle.spawn(async move {
                    let request = StoreRequest::LeaseGrant { lease, ttl_seconds };
                    let cause = machine.cause();
                    let (answer, machine) = match store.ask(request, cause).await {
                        Ok((response, reply)) => (Some(response), machine.caused_by(reply)),
                        Err(error) => {
                            tracing::warn!(%error, "no lease was granted");
                            (None, machine)
                        }
                    };
                    let _ = machine.send(Input::Granted { lease, answer }).await;
                });
            }
            Output::Answer { id, result } => {
                if let Some(waiting) = self.waiting.borrow_mut().remove(&id) {
                    let _ = waiting.send(result);
                }
            }
        }
    }
}
