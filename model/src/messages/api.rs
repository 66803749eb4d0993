//! Every component to the API server: the verbs of the Kubernetes API without HTTP.
//!
//! `Get`, `List`, writes and `Delete` are asks; `Watch` opens a stream. Objects travel as raw bytes behind
//! the header, each announced by an [`ItemHead`]. What an identity may ask for is checked on every request.

use bincode::{Decode, Encode};

use crate::objects::bytes::Bytes;
use crate::objects::key::{GroupResource, ObjectKey};
use crate::objects::object::Object;
use crate::objects::status::Status;

/// A request to the API server. A body, where the verb has one, follows as raw bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct ApiRequest {
    /// What to do.
    pub verb: Verb,
    /// With objects of which resource.
    pub resource: GroupResource,
    /// In which namespace; empty for all namespaces and for cluster scope.
    pub namespace: String,
    /// With which object; empty for lists, watches and for creates (the body names those).
    pub name: String,
    /// `status`, `scale`, `binding`; empty for the object itself.
    pub subresource: String,
}

impl ApiRequest {
    /// A request about one object.
    pub fn object(verb: Verb, key: &ObjectKey) -> Self {
        ApiRequest {
            verb,
            resource: key.resource.clone(),
            namespace: key.namespace.clone(),
            name: key.name.clone(),
            subresource: String::new(),
        }
    }

    /// A request about the objects of a resource, in a namespace or (empty) in all.
    pub fn collection(verb: Verb, resource: &GroupResource, namespace: &str) -> Self {
        ApiRequest {
            verb,
            resource: resource.clone(),
            namespace: namespace.to_owned(),
            name: String::new(),
            subresource: String::new(),
        }
    }

    /// The same about a subresource.
    pub fn subresource(mut self, subresource: &str) -> Self {
        self.subresource = subresource.to_owned();
        self
    }
}

/// The verbs, with the options each takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Verb {
    /// One object.
    Get,
    /// Objects of a resource.
    List(ListOptions),
    /// Their changes, from a revision on. Opens a stream of [`WatchFrame`]s.
    Watch(WatchOptions),
    /// A new object: the body.
    Create,
    /// The object replaced by the body. With a `resourceVersion` in it, only if that is still current.
    Update,
    /// The object changed by the body.
    Patch(PatchType),
    /// The object deleted, gracefully where its kind knows grace.
    Delete(DeleteOptions),
    /// Every object of a selection deleted.
    DeleteCollection(DeleteOptions, Selection),
}

/// What a list or watch selects, in the syntax of the query parameters `labelSelector` and `fieldSelector`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Selection {
    /// As in `app=web,tier!=cache`; empty for all.
    pub labels: String,
    /// As in `spec.nodeName=node-1`; empty for all.
    pub fields: String,
}

/// Options of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct ListOptions {
    /// Which objects.
    pub selection: Selection,
    /// As `resourceVersion` of the API: empty = consistent, `0` = any, else at least this one. Not looked at where
    /// the list goes on.
    pub resource_version: String,
    /// At most so many objects; 0 for all. As many as that mean that more may follow.
    pub limit: u64,
    /// Where the part before ended; `None` for the first part.
    pub after: Option<Box<ListPlace>>,
}

/// Where a part of a list ended. The next part is as of the same revision, so that the parts are one list (KEP-365);
/// 410 if that revision has left the API server's window.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct ListPlace {
    /// The revision that the first part was as of.
    pub revision: u64,
    /// The last object of the part.
    pub key: ObjectKey,
}

/// Options of a watch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct WatchOptions {
    /// Which objects.
    pub selection: Selection,
    /// Only events after this revision; 0 = the present objects first, then their changes.
    pub after: u64,
}

/// How the body of a patch is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum PatchType {
    /// RFC 6902, `application/json-patch+json`.
    Json,
    /// RFC 7386, `application/merge-patch+json`.
    Merge,
    /// Kubernetes' own: lists merged by key, `application/strategic-merge-patch+json`.
    StrategicMerge,
}

/// `DeleteOptions` of `meta/v1`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct DeleteOptions {
    /// Seconds that the deletion may take; `None` for the object's own.
    pub grace_period_seconds: Option<i64>,
    /// Only an object with this UID.
    pub uid: Option<String>,
    /// Only an object at this resourceVersion.
    pub resource_version: Option<String>,
    /// What becomes of dependents; `None` for the kind's default.
    pub propagation: Option<Propagation>,
    /// Decide and answer, but do not write.
    pub dry_run: bool,
}

/// What becomes of the dependents of a deleted object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Propagation {
    /// They stay, and lose the owner reference.
    Orphan,
    /// The object goes at once, the collector deletes them after it.
    Background,
    /// They go first; until then the object stays, being deleted.
    Foreground,
}

/// The answer to an ask.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum ApiResponse {
    /// Done. The objects follow in the body, one after another: one for a `Get` or a write (a delete that
    /// completed answers with the last state of the object), any number for a `List`.
    Done {
        /// The revision of the list or of the write.
        revision: u64,
        /// What follows.
        items: Vec<ItemHead>,
    },
    /// Not done.
    Failed {
        /// How far into the store's history the server had heard: that an object is not there is so at a revision.
        revision: u64,
        /// Why.
        status: Status,
    },
}

/// Announces one object in the body behind a header.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct ItemHead {
    /// What names it.
    pub key: ObjectKey,
    /// The revision of its last write.
    pub revision: u64,
    /// Its length in bytes.
    pub length: u32,
}

/// One frame of a watch.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum WatchFrame {
    /// Changes in the order of their revisions; a revision is never split over two frames.
    Events(Vec<EventHead>),
    /// Every event up to this revision has been sent.
    Bookmark {
        /// That revision.
        revision: u64,
        /// Whether the present objects have all been sent (once, for a watch that began with them).
        initial_events_end: bool,
    },
    /// The watch ends here: 410 if its revision left the window, 429 if the receiver stayed behind.
    Failed(Status),
}

/// One change. The object's body follows the header.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct EventHead {
    /// What happened, as this selection sees it.
    pub change: Change,
    /// The object: as written, or for a deletion its last state with the revision of the deletion.
    pub item: ItemHead,
}

/// What happened to an object, as a watcher with a selector sees it: an object that comes to match is added,
/// one that ceases to match is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Change {
    /// `ADDED`.
    Added,
    /// `MODIFIED`.
    Modified,
    /// `DELETED`.
    Deleted,
}

/// The objects in a body, cut as their heads say. `None` if the lengths do not add up to the body.
pub fn split_items<'a>(
    heads: impl IntoIterator<Item = &'a ItemHead>,
    body: &[u8],
) -> Option<Vec<Object>> {
    let mut rest = body;
    let mut objects = Vec::new();
    for head in heads {
        let (item, tail) = rest.split_at_checked(head.length as usize)?;
        objects.push(Object {
            key: head.key.clone(),
            revision: head.revision,
            body: Bytes::from(item),
        });
        rest = tail;
    }
    rest.is_empty().then_some(objects)
}

/// The heads and the body of objects that go out together.
pub fn join_items<'a>(objects: impl IntoIterator<Item = &'a Object>) -> (Vec<ItemHead>, Vec<u8>) {
    let mut body = Vec::new();
    let heads = objects
        .into_iter()
        .map(|object| {
            body.extend_from_slice(&object.body);
            ItemHead {
                key: object.key.clone(),
                revision: object.revision,
                length: object.body.len() as u32,
            }
        })
        .collect();
    (heads, body)
}
