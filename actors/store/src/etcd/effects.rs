//! Carrying out what the relay decides.

use model::machines::relay::{Input, Output, Relay};
use model::objects::bytes::Bytes;
use shell::{Effects, Handle};

use super::client::{Etcd, spoken};
use crate::clients::Clients;

pub(super) struct RelayEffects {
    pub(super) clients: Clients,
    pub(super) etcd: Etcd,
}

impl Effects<Relay<Bytes>> for RelayEffects {
    fn perform(&mut self, output: Output<Bytes>, handle: &Handle<Relay<Bytes>>) {
        match output {
            Output::Answer { to, response } => self.clients.answer(to, response),
            Output::Frame { watch, frame } => self.clients.frame(watch, frame, handle.cause()),
            Output::Call { call, request } => {
                let (etcd, machine) = (self.etcd.clone(), handle.clone());
                handle.spawn(async move {
                    let answer = etcd.ask(&request).await;
                    if let Err(stopped) = machine.send(Input::Called { call, answer }).await {
                        tracing::debug!(%stopped, "etcd answered after the store had ended");
                    }
                });
            }
            Output::Mark => {
                let etcd = self.etcd.clone();
                handle.spawn(async move {
                    // The machine has it written again if its event does not come.
                    if let Err(status) = etcd.mark().await {
                        let reason = spoken(&status);
                        tracing::warn!(reason, "the mark was not written to etcd");
                    }
                });
            }
        }
    }
}
