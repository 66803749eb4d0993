//! What is asked of the cache, and a list's answer.

use model::machines::watch_cache::Key;
use model::messages::api::ListPlace;
use model::objects::key::{GroupResource, ObjectKey};
use model::objects::kinds;
use model::objects::status::Status;
use model::rules::resource_version::ReadAt;
use model::rules::selector::{FieldSelector, Selector};

use super::item::{Filter, Item};

/// Which objects a list or a watch means.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Selection {
    /// Of which resource.
    pub resource: GroupResource,
    /// In which namespace; empty for all, and for cluster scope.
    pub namespace: String,
    /// With which labels.
    pub labels: Selector,
    /// With which fields. [`Backend::list`](super::Backend::list) and [`Backend::watch`](super::Backend::watch) answer 400 for a field that the resource
    /// does not let be selected.
    pub fields: FieldSelector,
}

/// A list to be read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ListRequest {
    /// Which objects.
    pub selection: Selection,
    /// How fresh. Only looked at where the list starts.
    pub at: ReadAt,
    /// At most so many; 0 for all.
    pub limit: u64,
    /// Which part.
    pub from: ListFrom,
}

/// Which part of a list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ListFrom {
    /// The first.
    Start,
    /// The one that a token (`continue`) stands for.
    Token(String),
    /// The one behind this object.
    After(ListPlace),
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

/// The keys and the filter that a selection means. One object by name is one key, not a scan.
pub(super) fn selected(selection: Selection) -> Result<(Key, Filter), Status> {
    let Selection {
        resource,
        namespace,
        labels,
        fields,
    } = selection;
    let filter = Filter::new(&resource, labels, &fields)?;
    let namespaced = kinds::find(&resource).is_none_or(|kind| kind.namespaced);
    let namespace = match fields.exactly("metadata.namespace") {
        Some(exactly) if namespace.is_empty() && namespaced && !exactly.contains('/') => {
            exactly.to_owned()
        }
        _ => namespace,
    };
    let prefix = match fields.exactly("metadata.name") {
        Some(name)
            if namespaced != namespace.is_empty() && !name.is_empty() && !name.contains('/') =>
        {
            ObjectKey::new(resource, &namespace, name).path()
        }
        _ if namespace.is_empty() => resource.prefix(),
        _ => resource.namespace_prefix(&namespace),
    };
    Ok((Key::from(prefix), filter))
}
