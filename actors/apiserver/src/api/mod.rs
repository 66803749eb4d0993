//! The verbs, the same for HTTP and QUIC: authorize → decode → default → admit → validate → transaction → answer.

mod admit;
mod body;
mod facts;
mod read;
mod write;

use std::rc::Rc;

use model::objects::key::ObjectKey;
use model::objects::status::Status;
use model::rules::authorization::{self, Attributes, Identity};

use crate::backend::Backend;
use crate::http::path::Place;
use crate::kubelets::Kubelets;
use crate::metrics::Metrics;
use crate::strategy::Kinds;

pub use body::{Accepted, accept, delete_options, grace, propagation};
pub use read::{ListQuery, WatchQuery};
pub use write::{Done, WriteOptions, created, parsed};

/// What every request needs. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Api {
    /// The objects.
    pub backend: Backend<Kinds>,
    /// The connections that kubelets have made.
    pub kubelets: Kubelets,
    /// What is counted.
    pub metrics: Rc<Metrics>,
    /// The time of day, random bytes.
    pub environment: shell::Environment,
}

impl Api {
    /// Whether `who` may do `verb` at `place`; `name` is that of the body for a create.
    ///
    /// # Errors
    /// 403, or 404 for a kubelet's pod that is gone.
    pub async fn authorize(
        &self,
        who: &Identity,
        verb: &str,
        place: &Place,
        name: &str,
        fields: &str,
    ) -> Result<(), Status> {
        let what = Attributes {
            verb,
            group: place.row.kind.group,
            resource: place.row.kind.plural,
            subresource: place.subresource_word(),
            // A namespace is asked for in itself, as Kubernetes' attributes have it.
            namespace: if place.row.kind.plural == "namespaces" {
                name
            } else {
                &place.namespace
            },
            name,
            field_selector: fields,
        };
        let facts = facts::gather(&self.backend, who, &what).await;
        authorization::authorize(who, &what, &facts)
    }
}

/// The key of a namespace.
fn namespace_key(name: &str) -> ObjectKey {
    ObjectKey::new(model::objects::kinds::namespaces(), "", name)
}
