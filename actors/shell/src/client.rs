//! Speaking to the API server: `model::messages::api` over a link that reconnects by itself.

use model::messages::api::{
    ApiRequest, ApiResponse, DeleteOptions, EventHead, ItemHead, ListOptions, ListPlace, PatchType,
    Selection, Verb, WatchFrame, WatchOptions, split_items,
};
use model::objects::bytes::Bytes;
use model::objects::key::{GroupResource, ObjectKey};
use model::objects::object::Object;
use model::objects::status::{Reason, Status};
use transport::{Connection, Link, MessageId, Stream};

use crate::{Environment, Revisions};

/// Objects of a list that are asked for at a time.
pub const PART: u64 = 500;

/// Why a call to the API server has no result.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The API server refused, and says why.
    #[error("{0}")]
    Refused(Status),
    /// The connection broke. The request may have been carried out unless the error says that it was not sent.
    #[error("the API server cannot be reached: {0}")]
    Connection(Box<transport::Error>),
    /// This process has closed its link: it is ending.
    #[error("the link to the API server is closed")]
    Closed,
    /// The answer is not one that this version understands.
    #[error("the API server's answer cannot be understood: {0}")]
    Answer(String),
}

impl From<transport::Error> for CallError {
    fn from(error: transport::Error) -> Self {
        CallError::Connection(Box::new(error))
    }
}

impl CallError {
    /// The reason of a refusal.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            CallError::Refused(status) => Some(status.reason),
            CallError::Connection(_) | CallError::Closed | CallError::Answer(_) => None,
        }
    }
}

/// A list and the revision at which it was true.
#[derive(Debug)]
pub struct Listed {
    /// That revision.
    pub revision: u64,
    /// The objects.
    pub items: Vec<Object>,
}

/// What a watch brings.
#[derive(Debug)]
pub enum WatchItem {
    /// Changes in order, each with its object.
    Events(Vec<(EventHead, Object)>),
    /// Every event up to this revision has been sent.
    Bookmark {
        /// That revision.
        revision: u64,
        /// Whether the present objects have all been sent.
        initial_events_end: bool,
    },
}

/// A client of the API server. Clones share the link.
#[derive(Clone)]
pub struct ApiClient {
    link: Link,
    revisions: Revisions,
    cause: Option<MessageId>,
}

impl ApiClient {
    /// A client over a link to the API server. It notes in the environment which revisions it hears of.
    pub fn new(link: Link, environment: &Environment) -> Self {
        ApiClient {
            link,
            revisions: environment.revisions.clone(),
            cause: None,
        }
    }

    /// The link beneath.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// The same client, naming `cause` as the message because of which it asks.
    pub fn caused_by(&self, cause: Option<MessageId>) -> Self {
        ApiClient {
            cause,
            ..self.clone()
        }
    }

    /// One object.
    ///
    /// # Errors
    /// [`CallError`], as for every call: a refusal with its status, or a connection that broke.
    pub async fn get(&self, key: &ObjectKey) -> Result<Object, CallError> {
        self.one(&ApiRequest::object(Verb::Get, key), Bytes::default())
            .await
    }

    /// Objects of a resource, in a namespace or (empty) in all. They are asked for in parts of `options.limit`, or
    /// of [`PART`] where that is 0, so that no answer is longer than a message may be.
    pub async fn list(
        &self,
        resource: &GroupResource,
        namespace: &str,
        mut options: ListOptions,
    ) -> Result<Listed, CallError> {
        if options.limit == 0 {
            options.limit = PART;
        }
        let mut items = Vec::new();
        loop {
            let verb = Verb::List(options.clone());
            let request = ApiRequest::collection(verb, resource, namespace);
            let (revision, part) = self.call(&request, Bytes::default()).await?;
            let full = part.len() as u64 >= options.limit;
            items.extend(part);
            match items.last() {
                Some(last) if full => {
                    let key = last.key.clone();
                    options.after = Some(Box::new(ListPlace { revision, key }));
                }
                _ => return Ok(Listed { revision, items }),
            }
        }
    }

    /// A new object.
    pub async fn create(
        &self,
        resource: &GroupResource,
        namespace: &str,
        body: Bytes,
    ) -> Result<Object, CallError> {
        self.one(
            &ApiRequest::collection(Verb::Create, resource, namespace),
            body,
        )
        .await
    }

    /// The object, or the named subresource of it, replaced.
    pub async fn update(
        &self,
        key: &ObjectKey,
        subresource: &str,
        body: Bytes,
    ) -> Result<Object, CallError> {
        self.one(
            &ApiRequest::object(Verb::Update, key).subresource(subresource),
            body,
        )
        .await
    }

    /// The object, or the named subresource of it, changed by a patch.
    pub async fn patch(
        &self,
        key: &ObjectKey,
        subresource: &str,
        patch: PatchType,
        body: Bytes,
    ) -> Result<Object, CallError> {
        self.one(
            &ApiRequest::object(Verb::Patch(patch), key).subresource(subresource),
            body,
        )
        .await
    }

    /// The object deleted; its last state if it is gone, its present one if it is being deleted.
    pub async fn delete(
        &self,
        key: &ObjectKey,
        options: DeleteOptions,
    ) -> Result<Option<Object>, CallError> {
        let (_, mut items) = self
            .call(
                &ApiRequest::object(Verb::Delete(options), key),
                Bytes::default(),
            )
            .await?;
        Ok(items.pop())
    }

    /// A pod assigned to a node: the body is a `v1` Binding. Step 5 of the path of a pod.
    pub async fn bind(&self, pod: &ObjectKey, body: Bytes) -> Result<(), CallError> {
        self.call(
            &ApiRequest::object(Verb::Create, pod).subresource("binding"),
            body,
        )
        .await
        .map(drop)
    }

    /// The changes of a selection of a resource.
    pub async fn watch(
        &self,
        resource: &GroupResource,
        namespace: &str,
        selection: Selection,
        after: u64,
    ) -> Result<Watch, CallError> {
        let request = ApiRequest::collection(
            Verb::Watch(WatchOptions { selection, after }),
            resource,
            namespace,
        );
        let connection = self.connection().await?;
        let stream = connection
            .open(&request, bytes::Bytes::new(), self.cause)
            .await?;
        Ok(Watch {
            stream,
            revisions: self.revisions.clone(),
        })
    }

    async fn connection(&self) -> Result<Connection, CallError> {
        let live = self.link.connection().await.ok_or(CallError::Closed)?;
        Ok(live.connection)
    }

    async fn one(&self, request: &ApiRequest, body: Bytes) -> Result<Object, CallError> {
        let (_, mut items) = self.call(request, body).await?;
        match items.pop() {
            Some(object) if items.is_empty() => Ok(object),
            _ => Err(CallError::Answer(
                "not exactly one object where one was due".to_owned(),
            )),
        }
    }

    /// Any request, for machines that make them whole: the revision of the answer and its objects.
    pub async fn call(
        &self,
        request: &ApiRequest,
        body: Bytes,
    ) -> Result<(u64, Vec<Object>), CallError> {
        let connection = self.connection().await?;
        let body = bytes::Bytes::from_owner(body);
        let reply = connection.ask(request, body, self.cause).await?;
        let response = reply
            .decode::<ApiResponse>()
            .map_err(|error| CallError::Answer(error.to_string()))?;
        match response {
            ApiResponse::Done { revision, items } => {
                self.revisions.heard(revision);
                Ok((revision, objects(&items, &reply.body)?))
            }
            ApiResponse::Failed { revision, status } => {
                self.revisions.heard(revision);
                Err(CallError::Refused(status))
            }
        }
    }
}

/// A watch that is open.
pub struct Watch {
    stream: Stream,
    revisions: Revisions,
}

impl Watch {
    /// Waits for what comes next; `None` when the server has ended the watch, as it does after a while.
    ///
    /// # Errors
    /// [`CallError::Refused`] if the server says why it ends (410, 429), [`CallError::Connection`] if it broke.
    pub async fn next(&mut self) -> Result<Option<(WatchItem, MessageId)>, CallError> {
        let Some(message) = self.stream.recv().await? else {
            return Ok(None);
        };
        let frame = message
            .decode::<WatchFrame>()
            .map_err(|error| CallError::Answer(error.to_string()))?;
        let item = match frame {
            WatchFrame::Events(heads) => {
                let newest = heads.iter().map(|head| head.item.revision).max();
                self.revisions.heard(newest.unwrap_or(0));
                let objects = objects(heads.iter().map(|head| &head.item), &message.body)?;
                WatchItem::Events(heads.into_iter().zip(objects).collect())
            }
            WatchFrame::Bookmark {
                revision,
                initial_events_end,
            } => {
                self.revisions.heard(revision);
                WatchItem::Bookmark {
                    revision,
                    initial_events_end,
                }
            }
            WatchFrame::Failed(status) => return Err(CallError::Refused(status)),
        };
        Ok(Some((item, message.id)))
    }
}

fn objects<'a>(
    heads: impl IntoIterator<Item = &'a ItemHead>,
    body: &[u8],
) -> Result<Vec<Object>, CallError> {
    split_items(heads, body)
        .ok_or_else(|| CallError::Answer("the objects do not add up to the body".to_owned()))
}
