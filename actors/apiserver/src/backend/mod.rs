//! The objects behind the API: reads and watches from the cache, writes against the store.

mod item;

use std::future::Future;

use model::machines::transaction::{Strategy, Write, Written};
use model::objects::bytes::Bytes;
use model::objects::key::{GroupResource, ObjectKey};
use model::objects::status::Status;
use model::rules::resource_version::ReadAt;
use model::rules::selector::{FieldSelector, Selector};

pub use item::Item;

/// Which objects a list or a watch means.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Selection {
    /// Of which resource.
    pub resource: GroupResource,
    /// In which namespace; empty for all, and for cluster scope.
    pub namespace: String,
    /// With which labels.
    pub labels: Selector,
    /// With which fields. [`Backend::list`] and [`Backend::watch`] answer 400 for a field that the resource
    /// does not let be selected.
    pub fields: FieldSelector,
}

/// A list to be read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ListRequest {
    /// Which objects.
    pub selection: Selection,
    /// How fresh. Not looked at where there is a token.
    pub at: ReadAt,
    /// At most so many; 0 for all.
    pub limit: u64,
    /// The token of the list that this one continues; empty for a first one.
    pub continue_token: String,
}

/// A list, or a part of it.
#[derive(Clone, Debug)]
pub struct List {
    /// The revision it is as of.
    pub revision: u64,
    /// The objects, by namespace and name.
    pub items: Vec<Item>,
    /// For the next part; empty if this is the last one.
    pub continue_token: String,
    /// How many objects the next parts hold; `None` where it is not known (with selectors) and on the last one.
    pub remaining: Option<u64>,
}

/// A watch to be opened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WatchRequest {
    /// Which objects.
    pub selection: Selection,
    /// From where on.
    pub from: WatchFrom,
    /// Whether bookmarks are wanted (`allowWatchBookmarks`).
    pub bookmarks: bool,
}

/// Where a watch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WatchFrom {
    /// Strictly after a revision: 410 if that has left the window.
    After(u64),
    /// With the present objects, as `ADDED`, then their changes: `resourceVersion` unset or 0, or with
    /// `sendInitialEvents=true` any.
    Initial {
        /// How fresh the present objects must be.
        at: ReadAt,
        /// Whether a bookmark annotated `k8s.io/initial-events-end` ends them (`sendInitialEvents=true`).
        bookmark: bool,
    },
}

/// What a watch yields.
#[derive(Clone, Debug)]
pub enum WatchEvent {
    /// Changes in the order of revisions. A revision is never split over two.
    Changes(Vec<(model::messages::api::Change, Item)>),
    /// Every event up to this revision has been yielded.
    Bookmark {
        /// That revision.
        revision: u64,
        /// Whether it ends the initial events.
        initial_events_end: bool,
    },
    /// The watch ends here, and why: 410, 429, 500. Nothing follows.
    Failed(Status),
}

/// An open watch. Dropping it closes it.
pub struct Watch {
    _private: (),
}

impl Watch {
    /// The next changes; `None` after [`WatchEvent::Failed`] and when the server stops. What was yielded
    /// before counts as delivered: a caller asks again only after it has passed it on.
    pub async fn next(&mut self) -> Option<WatchEvent> {
        todo!()
    }
}

/// The objects, for one strategy. Cheap to clone; clones share everything.
pub struct Backend<S: Strategy<Value = Bytes>> {
    strategy: std::rc::Rc<S>,
}

impl<S: Strategy<Value = Bytes>> Clone for Backend<S> {
    fn clone(&self) -> Self {
        Backend {
            strategy: self.strategy.clone(),
        }
    }
}

impl<S: Strategy<Value = Bytes> + 'static> Backend<S> {
    /// Whether reads and writes are served: the cache is filled and the store is reached; else why not.
    pub fn ready(&self) -> Result<(), String> {
        todo!()
    }

    /// One object.
    ///
    /// # Errors
    /// 404, 504 if the cache does not become as fresh as asked in time.
    pub fn get(&self, key: &ObjectKey, at: ReadAt) -> impl Future<Output = Result<Item, Status>> {
        let _ = (key, at);
        async { todo!() }
    }

    /// Objects of a resource, by namespace and name.
    ///
    /// # Errors
    /// 400 for a bad token or field, 410 for a revision or token that is too old, 504.
    pub async fn list(&self, request: ListRequest) -> Result<List, Status> {
        let _ = request;
        todo!()
    }

    /// Changes of objects of a resource.
    ///
    /// # Errors
    /// 400 for a field that cannot be selected, 410, 504.
    pub async fn watch(&self, request: WatchRequest) -> Result<Watch, Status> {
        let _ = request;
        todo!()
    }

    /// Creates, updates, patches, binds or deletes an object. The write goes on if the future is dropped.
    ///
    /// # Errors
    /// What the strategy or the rules of writes say; 500 if the connection to the store was lost and it is
    /// not known whether the write was carried out.
    pub async fn write(&self, write: Write<S::Change>) -> Result<Written<Item>, Status> {
        let _ = write;
        todo!()
    }
}
