//! Components over QUIC: the same verbs as over HTTP, as `model::messages::api`.

use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use model::messages::api::{
    ApiRequest, ApiResponse, Change, EventHead, ItemHead, Verb, WatchFrame,
};
use model::objects::key::ObjectKey;
use model::objects::kinds::Subresource;
use model::objects::status::{Reason, Status};
use model::rules::authorization::{CONTROLLERS, Identity, MASTERS, SCHEDULER};
use transport::{Component, Connection, Endpoint, Incoming, Message, Stream};

use crate::api::{Api, ListQuery, WatchQuery, WriteOptions};
use crate::backend::{Item, WatchEvent};
use crate::http::path::Place;
use crate::kinds;
use crate::strategy::FieldValidation;

/// Events of one frame of a watch, in bytes of objects, at most; a single larger object goes alone.
const FRAME_BYTES_MAX: usize = 256 << 10;

/// Serves every component that connects, until the endpoint is closed.
pub async fn serve(endpoint: Endpoint, api: Api) {
    while let Some(accepted) = endpoint.accept().await {
        match accepted {
            Ok(connection) => {
                let api = api.clone();
                tokio::task::spawn_local(async move { component(connection, api).await });
            }
            Err(error) => tracing::info!(%error, "a component could not connect"),
        }
    }
}

/// The user that a component is. The store has nothing to ask, and an API server has itself.
fn user(identity: &transport::Identity) -> Option<Identity> {
    Some(match identity.component() {
        Component::Controllers => Identity::new(CONTROLLERS, &[]),
        Component::Scheduler => Identity::new(SCHEDULER, &[]),
        Component::Kubelet => Identity::node(identity.node()?),
        Component::Admin => Identity::new("plimsoll-admin", &[MASTERS]),
        Component::Store | Component::Apiserver => return None,
    })
}

async fn component(connection: Connection, api: Api) {
    let Some(who) = user(connection.identity()) else {
        connection
            .close("the API server serves controllers, scheduler, kubelets and administrators");
        return;
    };
    let who = Rc::new(who);
    let node = who.node_name().map(str::to_owned);
    tracing::debug!(component = %connection.identity(), "connected");
    let mut silent = true;
    loop {
        let incoming = connection.next().await;
        if let Some(node) = &node
            && !matches!(incoming, Incoming::Closed(_))
            && std::mem::take(&mut silent)
        {
            api.kubelets.speaks(node, &connection);
        }
        match incoming {
            Incoming::Ask(message, responder) => {
                let (api, who) = (api.clone(), who.clone());
                tokio::task::spawn_local(async move {
                    let (response, body) = answer(&api, &who, &message).await;
                    if let Err(error) = responder.answer(&response, body).await {
                        tracing::debug!(%error, "an answer could not be sent");
                    }
                });
            }
            Incoming::Open(message, stream) => {
                let (api, who) = (api.clone(), who.clone());
                tokio::task::spawn_local(async move { watch(&api, &who, &message, stream).await });
            }
            Incoming::Tell(_) => tracing::debug!("a message that wants no answer is ignored"),
            Incoming::Closed(reason) => {
                tracing::debug!(component = %connection.identity(), %reason, "disconnected");
                break;
            }
        }
    }
    if let Some(node) = node {
        api.kubelets.ended(&node, &connection);
    }
}

fn place(request: &ApiRequest) -> Result<Place, Status> {
    let key = ObjectKey::new(request.resource.clone(), &request.namespace, &request.name);
    let row = kinds::of(&request.resource).ok_or_else(|| Status::not_found(&key))?;
    let subresource = match request.subresource.as_str() {
        "" => None,
        word => {
            let found = row
                .kind
                .subresources
                .iter()
                .copied()
                .find(|sub| sub.as_str() == word);
            Some(found.ok_or_else(|| Status::not_found(&key))?)
        }
    };
    Ok(Place {
        row,
        namespace: request.namespace.clone(),
        name: request.name.clone(),
        subresource,
    })
}

async fn answer(api: &Api, who: &Identity, message: &Message) -> (ApiResponse, Bytes) {
    let result = match message.decode::<ApiRequest>() {
        Ok(request) => perform(api, who, request, &message.body).await,
        Err(error) => Err(Status::new(Reason::BadRequest, error.to_string())),
    };
    match result {
        Ok((revision, items)) => {
            let (heads, body) = join(&items);
            (
                ApiResponse::Done {
                    revision,
                    items: heads,
                },
                body,
            )
        }
        Err(status) => {
            let revision = api.environment.revisions.newest();
            (ApiResponse::Failed { revision, status }, Bytes::new())
        }
    }
}

/// The revision and the objects that a request gives.
async fn perform(
    api: &Api,
    who: &Identity,
    request: ApiRequest,
    body: &[u8],
) -> Result<(u64, Vec<Item>), Status> {
    let place = place(&request)?;
    let one = |item: Item| (item.revision(), vec![item]);
    let options = WriteOptions {
        dry_run: false,
        validation: FieldValidation::Strict,
    };
    // A name in the request of a create belongs to the body, unless it is a pod's whose binding is created.
    match request.verb {
        Verb::Get => Ok(one(api.get(who, &place, "").await?)),
        Verb::List(list) => {
            let query = ListQuery {
                labels: list.selection.labels,
                fields: list.selection.fields,
                resource_version: match list.after {
                    None => list.resource_version,
                    Some(_) => String::new(),
                },
                limit: i64::try_from(list.limit).unwrap_or(i64::MAX),
                after: list.after.map(|place| *place),
                ..ListQuery::default()
            };
            let list = api.list(who, &place, &query).await?;
            Ok((list.revision, list.items))
        }
        Verb::Create
            if place
                .subresource
                .is_some_and(|sub| sub != Subresource::Binding) =>
        {
            Err(not_allowed())
        }
        Verb::Create => Ok(one(api
            .create(who, &place, body, options)
            .await?
            .written
            .value)),
        Verb::Update => Ok(one(api
            .update(who, &place, body, options)
            .await?
            .written
            .value)),
        Verb::Patch(patch) => Ok(one(api
            .patch(who, &place, patch, body, options)
            .await?
            .written
            .value)),
        Verb::Delete(delete) => Ok(one(api.delete(who, &place, delete).await?.value)),
        Verb::DeleteCollection(delete, selection) => {
            let query = ListQuery {
                labels: selection.labels,
                fields: selection.fields,
                ..ListQuery::default()
            };
            let items = api.delete_collection(who, &place, &query, &delete).await?;
            let revision = items.iter().map(Item::revision).max().unwrap_or_default();
            // A collection may be longer than an answer, and no component looks at what it was.
            Ok((revision, Vec::new()))
        }
        Verb::Watch(_) => Err(not_allowed()),
    }
}

fn not_allowed() -> Status {
    Status::new(
        Reason::MethodNotAllowed,
        "the server does not allow this method on the requested resource",
    )
}

/// Announces objects, and lays their bytes behind each other.
fn join<'a>(items: impl IntoIterator<Item = &'a Item>) -> (Vec<ItemHead>, Bytes) {
    let mut body = BytesMut::new();
    let mut heads = Vec::new();
    for item in items {
        if let Some(head) = head(item) {
            body.extend_from_slice(item.body());
            heads.push(head);
        }
    }
    (heads, body.freeze())
}

fn head(item: &Item) -> Option<ItemHead> {
    Some(ItemHead {
        key: item.key()?,
        revision: item.revision(),
        length: u32::try_from(item.body().len()).ok()?,
    })
}

/// Serves a watch until its component ends it, or it ends itself.
async fn watch(api: &Api, who: &Identity, message: &Message, stream: Stream) {
    let opened = match message.decode::<ApiRequest>() {
        Ok(request) => open(api, who, request).await,
        Err(error) => Err(Status::new(Reason::BadRequest, error.to_string())),
    };
    let (mut sender, mut receiver) = stream.split();
    let mut watch = match opened {
        Ok(watch) => watch,
        Err(status) => {
            // A component that is gone needs no reason.
            let _ = sender
                .send(&WatchFrame::Failed(status), Bytes::new(), Some(message.id))
                .await;
            let _ = sender.finish().await;
            return;
        }
    };
    loop {
        let event = tokio::select! {
            biased;
            // The component says nothing more: whatever comes is its end.
            _ = receiver.recv() => return,
            event = watch.next() => event,
        };
        let sent = match event {
            Some(WatchEvent::Changes(changes)) => {
                let mut sent = Ok(());
                for (heads, body) in frames(&changes) {
                    sent = sender
                        .send(&WatchFrame::Events(heads), body, Some(message.id))
                        .await
                        .map(drop);
                    if sent.is_err() {
                        break;
                    }
                }
                sent
            }
            Some(WatchEvent::Bookmark {
                revision,
                initial_events_end,
            }) => {
                let frame = WatchFrame::Bookmark {
                    revision,
                    initial_events_end,
                };
                sender
                    .send(&frame, Bytes::new(), Some(message.id))
                    .await
                    .map(drop)
            }
            Some(WatchEvent::Failed(status)) => {
                let _ = sender
                    .send(&WatchFrame::Failed(status), Bytes::new(), Some(message.id))
                    .await;
                break;
            }
            None => break,
        };
        if let Err(error) = sent {
            tracing::debug!(%error, "a watch has ended");
            return;
        }
    }
    let _ = sender.finish().await;
}

async fn open(
    api: &Api,
    who: &Identity,
    request: ApiRequest,
) -> Result<crate::backend::Watch, Status> {
    let place = place(&request)?;
    let Verb::Watch(options) = request.verb else {
        return Err(Status::new(Reason::BadRequest, "only a watch is a stream"));
    };
    let initial = options.after == 0;
    let query = WatchQuery {
        labels: options.selection.labels,
        fields: options.selection.fields,
        resource_version: if initial {
            String::new()
        } else {
            options.after.to_string()
        },
        resource_version_match: if initial {
            "NotOlderThan".to_owned()
        } else {
            String::new()
        },
        send_initial_events: initial.then_some(true),
        bookmarks: true,
    };
    api.watch(who, &place, &query).await
}

/// Changes as frames of bounded size; the events of one revision stay in one.
fn frames(changes: &[(Change, Item)]) -> Vec<(Vec<EventHead>, Bytes)> {
    let mut frames = Vec::new();
    let (mut heads, mut body, mut last) = (Vec::new(), BytesMut::new(), 0);
    for (change, item) in changes {
        let Some(item_head) = head(item) else {
            continue;
        };
        let full = body.len() + item.body().len() > FRAME_BYTES_MAX;
        if full && !heads.is_empty() && item.revision() != last {
            frames.push((
                std::mem::take(&mut heads),
                std::mem::take(&mut body).freeze(),
            ));
        }
        last = item.revision();
        body.extend_from_slice(item.body());
        heads.push(EventHead {
            change: *change,
            item: item_head,
        });
    }
    if !heads.is_empty() {
        frames.push((heads, body.freeze()));
    }
    frames
}
