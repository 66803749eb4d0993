//! What the scheduler's machine asks for, carried out.

use std::rc::Rc;

use model::machines::controller::Ask;
use model::machines::scheduler::{Binding, Input, Output, Scheduler};
use shell::{ApiClient, CallError, Effects, EventRecorder, Handle};
use tokio::sync::Semaphore;

/// How many conditions may be under way at once; what comes on top waits.
const REPORTS_MAX: usize = 32;

/// Asks the API server for bindings, conditions and events.
pub(crate) struct SchedulerEffects {
    client: ApiClient,
    recorder: EventRecorder,
    reports: Rc<Semaphore>,
}

impl SchedulerEffects {
    /// Over a client, with a recorder of its own.
    pub(crate) fn new(client: ApiClient, recorder: EventRecorder) -> Self {
        SchedulerEffects {
            client,
            recorder,
            reports: Rc::new(Semaphore::new(REPORTS_MAX)),
        }
    }

    /// A condition is not answered: a later attempt says it again.
    fn report(&self, ask: Ask, handle: &Handle<Scheduler>) {
        let client = self.client.caused_by(handle.cause());
        let reports = self.reports.clone();
        handle.spawn(async move {
            let Ok(_permit) = reports.acquire().await else {
                return;
            };
            if let Err(error) = client.call(&ask.request, ask.body).await {
                tracing::debug!(%error, pod = ask.request.name, "a condition was not written");
            }
        });
    }
}

impl Effects<Scheduler> for SchedulerEffects {
    fn perform(&mut self, output: Output, handle: &Handle<Scheduler>) {
        match output {
            // Step 5: the answer is an input, so that the machine has many bindings under way.
            Output::Bind { pod, uid, ask } => {
                let (client, machine) = (self.client.caused_by(handle.cause()), handle.clone());
                handle.spawn(async move {
                    let answer = match client.call(&ask.request, ask.body).await {
                        Ok(_) => Binding::Done,
                        Err(CallError::Refused(status)) => {
                            Binding::Refused(status.reason, status.message)
                        }
                        Err(error) => {
                            tracing::warn!(%error, %pod, "a binding was not answered");
                            Binding::Lost
                        }
                    };
                    // A machine that has stopped needs no answer.
                    let _ = machine.send(Input::Bound(pod, uid, answer)).await;
                });
            }
            Output::Report(ask) => self.report(ask, handle),
            Output::Record(event) => self.recorder.tell(event),
        }
    }
}
