//! What a controller's machine asks for, carried out.

use std::rc::Rc;

use model::machines::controller::{Answer, Ask, Controller, Input, Output};
use shell::{ApiClient, CallError, Effects, EventRecorder, Handle};
use tokio::sync::Semaphore;

use crate::host::Hostable;

/// Asks the API server, and records events.
#[derive(Clone)]
pub(crate) struct ControllerEffects {
    client: ApiClient,
    recorder: EventRecorder,
    /// Bounds the requests under way, of all controllers together.
    requests: Rc<Semaphore>,
}

impl ControllerEffects {
    /// Over a client, with so many requests at once as the semaphore has permits.
    pub(crate) fn new(client: ApiClient, recorder: EventRecorder, requests: Rc<Semaphore>) -> Self {
        ControllerEffects {
            client,
            recorder,
            requests,
        }
    }
}

impl<R> Effects<Controller<R>> for ControllerEffects
where
    R: Hostable,
{
    fn perform(&mut self, output: Output, handle: &Handle<Controller<R>>) {
        match output {
            Output::Ask(key, index, ask) => {
                let (effects, machine) = (self.clone(), handle.clone());
                handle.spawn(async move {
                    let client = effects.client.caused_by(machine.cause());
                    let answer = match effects.requests.acquire().await {
                        Ok(_permit) => answer(&client, ask).await,
                        Err(_) => Answer::Lost,
                    };
                    // A machine that has stopped needs no answer.
                    let _ = machine.send(Input::Answered(key, index, answer)).await;
                });
            }
            Output::Record(event) => self.recorder.tell(event),
        }
    }
}

async fn answer(client: &ApiClient, ask: Ask) -> Answer {
    match client.call(&ask.request, ask.body).await {
        Ok((revision, objects)) => Answer::Done(revision, objects),
        Err(CallError::Refused(status)) => Answer::Failed(status),
        Err(error) => {
            tracing::warn!(%error, resource = %ask.request.resource, name = ask.request.name, "a request was not answered");
            Answer::Lost
        }
    }
}
