//! Keeping a receiver's copy of a resource up to date: the driver of the `reflector` machine.

use std::time::Duration;

use model::machine::{Machine, Out, Request, Step};
use model::machines::reflector::{Delivery, Event, Input, Item, Output, Reflector, WatchEnd};
use model::messages::api::{Change, ListOptions, Selection};
use model::objects::bytes::Bytes;
use model::objects::key::GroupResource;
use model::objects::object::Object;
use model::objects::status::Reason;
use transport::MessageId;

use crate::client::{ApiClient, CallError, Watch, WatchItem};
use crate::{Environment, TraceWriter};

/// What an informer follows.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Which resource.
    pub resource: GroupResource,
    /// In which namespace; empty for all.
    pub namespace: String,
    /// Which of its objects.
    pub selection: Selection,
}

/// Lists and watches a subject for ever and hands every change to `sink`, in order: first all objects, then
/// each change, and all objects again whenever the watch could not go on where it was. The next change is not
/// read before `sink` is done with the last, so a slow receiver slows the watch and nothing piles up.
///
/// # Errors
/// Only if the trace cannot be written: whatever the API server does is met by trying again.
pub async fn inform(
    client: &ApiClient,
    subject: &Subject,
    environment: &Environment,
    mut trace: Option<TraceWriter>,
    mut sink: impl AsyncFnMut(Delivery<Bytes>, Option<MessageId>),
) -> Result<(), crate::TraceError> {
    let machine = Reflector::default();
    let mut out = Out::new();
    let now = environment.now();
    if let Some(trace) = &mut trace {
        trace.take(None, now, &(&machine, None::<()>))?;
    }
    let mut state = machine.start(None, now, &mut out);
    if let Some(trace) = &mut trace {
        let stamp = (None, now, environment.revisions.newest());
        trace.made(stamp, &Step::Nothing, &out, &state)?;
    }
    let (mut pending, mut cause) = (Pending::List, None);
    loop {
        for request in out.drain() {
            match request {
                Request::Output(Output::List) => pending = Pending::List,
                Request::Output(Output::Watch { after }) => pending = Pending::Open(after),
                Request::Output(Output::Deliver(delivery)) => sink(delivery, cause).await,
                Request::Timer(timer, after_ms) => {
                    pending = Pending::Wait(after_ms, machine.fired(timer))
                }
                Request::Cancel(_) => {}
            }
        }
        let input;
        (input, pending, cause) = pending.next(client, subject).await;
        let now = environment.now();
        if let Some(trace) = &mut trace {
            trace.take(cause, now, &input)?;
        }
        let step = machine.step(&mut state, now, input, &mut out);
        if let Some(trace) = &mut trace {
            let stamp = (cause, now, environment.revisions.newest());
            trace.made(stamp, &step, &out, &state)?;
        }
    }
}

/// What a reflector waits for: one thing at a time.
enum Pending {
    List,
    Open(u64),
    Watching(Box<Watch>),
    Wait(u64, Input<Bytes>),
}

impl Pending {
    async fn next(
        self,
        client: &ApiClient,
        subject: &Subject,
    ) -> (Input<Bytes>, Pending, Option<MessageId>) {
        match self {
            Pending::List => (list(client, subject).await, Pending::List, None),
            Pending::Wait(after_ms, input) => {
                tokio::time::sleep(Duration::from_millis(after_ms)).await;
                (input, Pending::List, None)
            }
            Pending::Open(after) => {
                let selection = subject.selection.clone();
                match client
                    .watch(&subject.resource, &subject.namespace, selection, after)
                    .await
                {
                    Ok(watch) => {
                        Box::pin(Pending::Watching(Box::new(watch)).next(client, subject)).await
                    }
                    Err(error) => (ended(subject, &error), Pending::List, None),
                }
            }
            Pending::Watching(mut watch) => match watch.next().await {
                Ok(Some((item, id))) => (received(item), Pending::Watching(watch), Some(id)),
                Ok(None) => (Input::WatchEnded(WatchEnd::Closed), Pending::List, None),
                Err(error) => (ended(subject, &error), Pending::List, None),
            },
        }
    }
}

async fn list(client: &ApiClient, subject: &Subject) -> Input<Bytes> {
    let options = ListOptions {
        selection: subject.selection.clone(),
        ..ListOptions::default()
    };
    match client
        .list(&subject.resource, &subject.namespace, options)
        .await
    {
        Ok(listed) => Input::Listed {
            revision: listed.revision,
            items: listed.items.into_iter().map(item).collect(),
        },
        Err(error) => {
            tracing::warn!(resource = %subject.resource, %error, "the list failed");
            Input::ListFailed
        }
    }
}

fn received(received: WatchItem) -> Input<Bytes> {
    match received {
        WatchItem::Events(events) => Input::Events(
            events
                .into_iter()
                .map(|(head, object)| match head.change {
                    Change::Added | Change::Modified => Event::Applied(item(object)),
                    Change::Deleted => Event::Deleted(item(object)),
                })
                .collect(),
        ),
        WatchItem::Bookmark { revision, .. } => Input::Bookmark(revision),
    }
}

fn ended(subject: &Subject, error: &CallError) -> Input<Bytes> {
    let end = match error.reason() {
        Some(Reason::Gone | Reason::Expired) => WatchEnd::Gone,
        Some(Reason::TooManyRequests) => WatchEnd::Lagging,
        Some(_) | None => WatchEnd::Disconnected,
    };
    tracing::info!(resource = %subject.resource, %error, "the watch ended");
    Input::WatchEnded(end)
}

fn item(object: Object) -> Item<Bytes> {
    Item {
        key: object.key,
        revision: object.revision,
        value: object.body,
    }
}
