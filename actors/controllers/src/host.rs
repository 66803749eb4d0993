//! Controllers of different kinds under one roof: each is given the changes of the resources it looks at.

use std::pin::Pin;
use std::time::Duration;

use bincode::{Decode, Encode};
use model::machines::controller::{Controller, Input, Reconcile};
use model::machines::reflector::Delivery;
use model::objects::bytes::Bytes;
use model::objects::key::GroupResource;
use shell::{Component, EndGuard, Environment, Handle, Start, Stopped, TraceWriter};
use transport::MessageId;

use crate::effects::ControllerEffects;

/// A future on this thread.
type Local<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// A controller that runs.
pub(crate) trait Hosted {
    /// The resources that it looks at.
    fn resources(&self) -> &[GroupResource];

    /// Gives it a change; returns when it has taken it in.
    fn deliver<'a>(
        &'a self,
        resource: &'a GroupResource,
        delivery: &'a Delivery<Bytes>,
        cause: Option<MessageId>,
    ) -> Local<'a, ()>;

    /// Waits until it ends, which it does only when something is wrong.
    fn stopped(&self) -> Local<'_, Stopped>;

    /// Ends it; returns when nothing of it is left.
    fn stop(&self) -> Local<'_, ()>;
}

/// A controller with the handle to its machine.
struct Host<R: Hostable> {
    reconcile: R,
    resources: Vec<GroupResource>,
    handle: Handle<Controller<R>>,
    _guard: EndGuard<Controller<R>>,
}

/// A controller that can be run and recorded.
pub(crate) trait Hostable:
    Reconcile<
        Seen: Encode + Decode<()> + Send + 'static,
        View: Unpin + 'static,
        Session: Unpin + 'static,
    > + Encode
    + Decode<()>
    + Unpin
    + 'static
{
}

impl<R> Hostable for R where
    R: Reconcile<
            Seen: Encode + Decode<()> + Send + 'static,
            View: Unpin + 'static,
            Session: Unpin + 'static,
        > + Encode
        + Decode<()>
        + Unpin
        + 'static
{
}

/// Starts a controller.
pub(crate) fn start<R>(
    reconcile: R,
    expectations: Duration,
    effects: ControllerEffects,
    trace: Option<TraceWriter>,
    environment: Environment,
) -> Box<dyn Hosted>
where
    R: Hostable,
{
    let handle = Component::start(Start {
        machine: Controller {
            expectations_ms: expectations.as_millis() as u64,
            ..Controller::new(reconcile.clone())
        },
        durable: None,
        effects,
        trace,
        environment,
    });
    let resources = reconcile.resources();
    Box::new(Host {
        reconcile,
        resources,
        _guard: handle.end_with(),
        handle,
    })
}

impl<R> Hosted for Host<R>
where
    R: Hostable,
{
    fn resources(&self) -> &[GroupResource] {
        &self.resources
    }

    fn deliver<'a>(
        &'a self,
        resource: &'a GroupResource,
        delivery: &'a Delivery<Bytes>,
        cause: Option<MessageId>,
    ) -> Local<'a, ()> {
        Box::pin(async move {
            let seen = delivery.view(
                |object| self.reconcile.read(object),
                || self.reconcile.absent(resource),
                |key, error| {
                    tracing::error!(%key, %error, controller = R::NAME, "an object cannot be read and is treated as absent");
                },
            );
            let handle = match cause {
                Some(cause) => self.handle.caused_by(cause),
                None => self.handle.clone(),
            };
            // A machine that has stopped is noticed by whoever waits for that.
            let _ = handle.send(Input::Seen(resource.clone(), seen)).await;
        })
    }

    fn stopped(&self) -> Local<'_, Stopped> {
        Box::pin(self.handle.stopped())
    }

    fn stop(&self) -> Local<'_, ()> {
        Box::pin(self.handle.stop())
    }
}
