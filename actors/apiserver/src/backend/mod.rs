//! The objects behind the API: reads and watches from the cache, writes against the store.
//!
//! [`Backend`] runs two machines of `model` as components: the
//! [watch cache](model::machines::watch_cache), fed by the store, and the
//! [transactions](model::machines::transaction), which write to it. What is stored is a whole object as
//! canonical JSON without `resourceVersion`; the cache puts that in once, and every list and watch serves the
//! same bytes.

mod bootstrap;
mod counters;
mod follow;
mod index;
mod item;
mod request;
mod splice;
mod start;
mod store;
mod submit;
mod token;
mod watch;

use std::rc::Rc;

use bincode::{Decode, Encode};
use model::machines::transaction::{self, Seen, Strategy, Transactions, Write, WriteVerb, Written};
use model::machines::watch_cache::{self, Answer, Key, Read, Refusal, RequestId, WatchCache};
use model::objects::bytes::Bytes;
use model::objects::key::ObjectKey;
use model::objects::kinds;
use model::objects::status::{Reason, Status};
use model::rules::resource_version::ReadAt;
use shell::{EndGuard, Handle};
use tokio::sync::{mpsc, oneshot};
use transport::MessageId;

pub use bootstrap::SYSTEM_NAMESPACES;
pub use counters::{Counted, Counters};
pub use item::Item;
pub use request::{List, ListFrom, ListRequest, Selection, WatchFrom, WatchRequest};
pub use start::Start;
pub use watch::{Watch, WatchEvent};

use follow::Desk;
use item::Filter;
use request::selected;
use token::Token;
use watch::Guard;

/// The objects, for one strategy. Cheap to clone; clones share everything.
pub struct Backend<S: Served> {
    shared: Rc<Shared<S>>,
    cause: Option<MessageId>,
}

/// A strategy over bytes that a shell can run.
pub trait Served:
    Strategy<Value = Bytes, Change: Encode + Decode<()> + Send + Unpin>
    + Encode
    + Decode<()>
    + Unpin
    + 'static
{
}
impl<S> Served for S where
    S: Strategy<Value = Bytes, Change: Encode + Decode<()> + Send + Unpin>
        + Encode
        + Decode<()>
        + Unpin
        + 'static
{
}

struct Shared<S: Served> {
    cache: Handle<WatchCache<Item>>,
    writes: Handle<Transactions<S>>,
    desk: Rc<Desk>,
    waiting: submit::Waiting,
    gone: mpsc::UnboundedSender<RequestId>,
    environment: shell::Environment,
    next: std::cell::Cell<u64>,
}

impl<S: Served> Clone for Backend<S> {
    fn clone(&self) -> Self {
        Backend {
            shared: self.shared.clone(),
            cause: self.cause,
        }
    }
}

impl<S: Served> Backend<S> {
    /// The same backend, naming `cause` as the message because of which it reads and writes.
    pub fn caused_by(&self, cause: Option<MessageId>) -> Self {
        Backend {
            shared: self.shared.clone(),
            cause,
        }
    }

    /// Ends both machines at the latest when the guards are dropped.
    pub fn end_with(&self) -> (EndGuard<WatchCache<Item>>, EndGuard<Transactions<S>>) {
        (self.shared.cache.end_with(), self.shared.writes.end_with())
    }

    /// Ends both machines: what is asked afterwards fails. Returns when nothing of them is left.
    pub async fn stop(&self) {
        self.shared.writes.stop().await;
        self.shared.cache.stop().await;
    }

    /// Whether reads and writes are served: the cache is filled and takes in the store's changes; else why
    /// not.
    ///
    /// # Errors
    /// What is missing, in words.
    pub fn ready(&self) -> Result<(), String> {
        let desk = &self.shared.desk;
        if desk.following.get() {
            return Ok(());
        }
        let trouble = desk.trouble.borrow();
        let why = trouble.as_deref().unwrap_or("not yet");
        Err(format!("the changes of the store are not followed: {why}"))
    }

    /// Waits until the cache is filled for the first time.
    ///
    /// # Errors
    /// 500 if the backend has stopped.
    pub async fn filled(&self) -> Result<(), Status> {
        loop {
            let nothing = Read::Get(Key::from(""));
            match self.read(ReadAt::Any, nothing).await? {
                Ok(_) => return Ok(()),
                // The wait has a limit; the fill may take longer.
                Err(_) => continue,
            }
        }
    }

    /// What has been counted since the start, for `/metrics`.
    pub fn counters(&self) -> Counted {
        let mut counted = self.shared.desk.counters.read();
        counted.watches_open = self.shared.desk.watches.borrow().len() as u64;
        counted.writes_open = self.shared.waiting.borrow().len() as u64;
        counted
    }

    /// One object.
    ///
    /// # Errors
    /// 404, 504 if the cache does not become as fresh as asked in time.
    pub async fn get(&self, key: &ObjectKey, at: ReadAt) -> Result<Item, Status> {
        let found = self.object(&key.path(), at).await?;
        found.ok_or_else(|| Status::not_found(key))
    }

    async fn object(&self, path: &str, at: ReadAt) -> Result<Option<Item>, Status> {
        match self.read(at, Read::Get(Key::from(path))).await? {
            Ok(Answer::Object(object)) => Ok(object),
            Ok(Answer::List { .. }) => Err(internal("a get was answered with a list")),
            Err(refusal) => Err(refusal.status()),
        }
    }

    /// Objects of a resource, by namespace and name.
    ///
    /// # Errors
    /// 400 for a bad token or field, 410 for a revision or token that is too old, 504.
    pub async fn list(&self, request: ListRequest) -> Result<List, Status> {
        let (prefix, filter) = selected(request.selection)?;
        let token = match &request.from {
            ListFrom::Start => None,
            ListFrom::Token(text) => Some(Token::decode(text)?),
            ListFrom::After(place) => Some(Token::after(place, &prefix)?),
        };
        let at = match &token {
            None => request.at,
            Some(token) => token.revision.map_or(ReadAt::Consistent, ReadAt::Exact),
        };
        let after = token
            .as_ref()
            .map(|token| Key::from(format!("{prefix}{}", token.after)));
        let read = Read::List {
            prefix: prefix.clone(),
            filter,
            limit: request.limit,
            after,
        };
        match (self.read(at, read).await?, token) {
            (
                Ok(Answer::List {
                    revision,
                    items,
                    next,
                    remaining,
                }),
                _,
            ) => {
                let after = next.as_ref().and_then(|next| next.strip_prefix(&*prefix));
                let continue_token = after.map(|after| Token {
                    revision: Some(revision),
                    after: after.to_owned(),
                });
                Ok(List {
                    revision,
                    items,
                    continue_token: continue_token.map_or(String::new(), |token| token.encode()),
                    remaining,
                })
            }
            (Ok(Answer::Object(_)), _) => Err(internal("a list was answered with an object")),
            (Err(Refusal::Expired { .. }), Some(token)) => Err(token::expired(token.after)),
            (Err(refusal), _) => Err(refusal.status()),
        }
    }

    /// Changes of objects of a resource. What keeps the watch from beginning (410, 504) is its first event.
    ///
    /// # Errors
    /// 400 for a field that cannot be selected; 500 if the backend has stopped.
    pub async fn watch(&self, request: WatchRequest) -> Result<Watch, Status> {
        let (prefix, filter) = selected(request.selection)?;
        let start = match request.from {
            WatchFrom::After(revision) => watch_cache::Start::After(revision),
            WatchFrom::Initial { at, bookmark } => watch_cache::Start::Initial { at, bookmark },
        };
        let (id, guard) = self.request();
        let (sender, passed) = mpsc::unbounded_channel();
        self.shared.desk.watches.borrow_mut().insert(id, sender);
        let input = watch_cache::Input::Watch {
            request: id,
            watch: watch_cache::Watch {
                prefix,
                filter,
                start,
                bookmarks: request.bookmarks,
            },
        };
        let cache = self.cache();
        cache
            .send(input)
            .await
            .map_err(|error| internal(&error.to_string()))?;
        Ok(Watch {
            id,
            passed,
            cache,
            guard,
            taken: 0,
            taken_bytes: 0,
            cause: None,
        })
    }

    /// Creates, updates, patches, binds or deletes an object. The write goes on if the future is dropped.
    ///
    /// # Errors
    /// What the strategy or the rules of writes say; 500 if the connection to the store was lost and it is
    /// not known whether the write was carried out; 503 if it certainly was not.
    pub async fn write(&self, write: Write<S::Change>) -> Result<Written<Item>, Status> {
        let key = &write.key;
        let creates = matches!(write.verb, WriteVerb::Create(_));
        let object = match creates {
            true => Seen::Absent,
            false => self.seen(key).await?,
        };
        let into_namespace = matches!(
            write.verb,
            WriteVerb::Create(_) | WriteVerb::Update(None, _)
        );
        let namespace = match into_namespace && !key.namespace.is_empty() {
            true => {
                let of = ObjectKey::new(kinds::namespaces(), "", &key.namespace);
                self.seen(&of).await?
            }
            false => Seen::Absent,
        };
        let written = self.submit(write, object, namespace).await?;
        let path = Key::from(written.key.path());
        Ok(Written {
            value: Item::stored(path, written.revision, &written.value),
            key: written.key,
            outcome: written.outcome,
            revision: written.revision,
        })
    }

    async fn submit(
        &self,
        write: Write<S::Change>,
        object: Seen<Bytes>,
        namespace: Seen<Bytes>,
    ) -> Result<Written<Bytes>, Status> {
        let environment = &self.shared.environment;
        let failed = |error: std::io::Error| internal(&format!("no random bytes: {error}"));
        let mut random = [0; 8];
        environment
            .transport
            .random
            .fill(&mut random)
            .map_err(failed)?;
        let uid = environment.uuid().map_err(failed)?;
        let id = self.next();
        let (answer, answered) = oneshot::channel();
        self.shared.waiting.borrow_mut().insert(id, answer);
        self.shared
            .desk
            .counters
            .add(|counters| &counters.writes, 1);
        let input = transaction::Input::Submit {
            id,
            write,
            object,
            namespace,
            uid,
            random: u64::from_le_bytes(random),
        };
        let writes = &self.shared.writes;
        let sent = match self.cause {
            Some(cause) => writes.caused_by(cause).send(input).await,
            None => writes.send(input).await,
        };
        if let Err(error) = sent {
            self.shared.waiting.borrow_mut().remove(&id);
            return Err(internal(&error.to_string()));
        }
        answered.await.unwrap_or_else(|_| {
            Err(internal(
                "the server stops; the outcome of the write is not known",
            ))
        })
    }

    async fn seen(&self, key: &ObjectKey) -> Result<Seen<Bytes>, Status> {
        Ok(match self.object(&key.path(), ReadAt::Any).await? {
            Some(item) => Seen::Present {
                revision: item.revision(),
                value: item.body().clone(),
            },
            None => Seen::Absent,
        })
    }

    async fn read(
        &self,
        at: ReadAt,
        read: Read<Filter>,
    ) -> Result<Result<Answer<Item>, Refusal>, Status> {
        let (id, mut guard) = self.request();
        let (answer, answered) = oneshot::channel();
        self.shared.desk.reads.borrow_mut().insert(id, answer);
        self.shared.desk.counters.add(|counters| &counters.reads, 1);
        let input = watch_cache::Input::Read {
            request: id,
            at,
            read,
        };
        let sent = self.cache().send(input).await;
        sent.map_err(|error| internal(&error.to_string()))?;
        let answer = answered.await.map_err(|_| internal("the cache stops"))?;
        guard.done();
        Ok(answer)
    }

    fn cache(&self) -> Handle<WatchCache<Item>> {
        match self.cause {
            Some(cause) => self.shared.cache.caused_by(cause),
            None => self.shared.cache.clone(),
        }
    }

    fn request(&self) -> (RequestId, Guard) {
        let id = self.next();
        let guard = Guard {
            id,
            desk: self.shared.desk.clone(),
            gone: Some(self.shared.gone.clone()),
        };
        (id, guard)
    }

    fn next(&self) -> u64 {
        let id = self.shared.next.get() + 1;
        self.shared.next.set(id);
        id
    }
}

fn internal(why: &str) -> Status {
    Status::new(
        Reason::InternalError,
        format!("Internal error occurred: {why}"),
    )
}
