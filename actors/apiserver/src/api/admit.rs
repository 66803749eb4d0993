//! Admission of new objects, where it has to know of others: the plugins `NamespaceLifecycle` and
//! `ServiceAccount` of Kubernetes.

use std::time::Duration;

use model::messages::api::Change;
use model::objects::key::ObjectKey;
use model::objects::kinds;
use model::objects::status::{Cause, Details, Reason, Status};
use model::rules::resource_version::ReadAt;
use model::rules::selector::{FieldSelector, Selector};
use serde_json::Value;

use super::{Api, namespace_key, parsed};
use crate::backend::{Item, Selection, WatchEvent, WatchFrom, WatchRequest};
use crate::http::path::Place;

/// The service account that each namespace has, and how long a pod may wait for it.
const DEFAULT_ACCOUNT: &str = "default";
const ACCOUNT_TIME_MAX: Duration = Duration::from_secs(2);

impl Api {
    /// Whether a new object may come to where it wants to.
    ///
    /// # Errors
    /// 404 for a namespace that is not there, 403 for one that is being deleted and for a pod whose service
    /// account is not there.
    pub(super) async fn admit_new(&self, place: &Place, object: &Value) -> Result<(), Status> {
        if place.namespace.is_empty() {
            return Ok(());
        }
        let key = namespace_key(&place.namespace);
        let namespace = parsed(&self.present_or_fresh(&key).await?);
        if !namespace["metadata"]["deletionTimestamp"].is_null() {
            return Err(terminating(place, object));
        }
        if place.row.kind.plural == "pods" {
            self.admit_service_account(place, object).await?;
        }
        Ok(())
    }

    async fn admit_service_account(&self, place: &Place, object: &Value) -> Result<(), Status> {
        let spec = &object["spec"];
        let named = [&spec["serviceAccountName"], &spec["serviceAccount"]]
            .into_iter()
            .find_map(|name| name.as_str().filter(|name| !name.is_empty()));
        let name = named.unwrap_or("default");
        let key = ObjectKey::new(kinds::serviceaccounts(), &place.namespace, name);
        match self.present_or_fresh(&key).await {
            Ok(_) => Ok(()),
            Err(status) if status.reason == Reason::NotFound => {
                if name == DEFAULT_ACCOUNT && self.comes(&key).await {
                    return Ok(());
                }
                let why = format!(
                    "error looking up service account {}/{name}: {}",
                    place.namespace, status.message
                );
                Err(forbidden(place, object, &why, Vec::new()))
            }
            Err(status) => Err(status),
        }
    }

    /// Waits for a service account that is about to be made: each namespace gets its own from the controllers,
    /// a moment after it was created itself.
    async fn comes(&self, key: &ObjectKey) -> bool {
        let Ok(fields) = FieldSelector::parse(&format!("metadata.name={}", key.name)) else {
            return false;
        };
        let request = WatchRequest {
            selection: Selection {
                resource: key.resource.clone(),
                namespace: key.namespace.clone(),
                labels: Selector::everything(),
                fields,
            },
            from: WatchFrom::Initial {
                at: ReadAt::Any,
                bookmark: false,
            },
            bookmarks: false,
        };
        let Ok(mut watch) = self.backend.watch(request).await else {
            return false;
        };
        let added = async {
            while let Some(event) = watch.next().await {
                if let WatchEvent::Changes(changes) = event
                    && changes.iter().any(|(change, _)| *change != Change::Deleted)
                {
                    return true;
                }
            }
            false
        };
        tokio::time::timeout(ACCOUNT_TIME_MAX, added)
            .await
            .unwrap_or(false)
    }

    /// An object from the cache; one that the cache does not know is asked of the store before it is missed.
    async fn present_or_fresh(&self, key: &ObjectKey) -> Result<Item, Status> {
        match self.backend.get(key, ReadAt::Any).await {
            Err(status) if status.reason == Reason::NotFound => {
                self.backend.get(key, ReadAt::Consistent).await
            }
            found => found,
        }
    }
}

fn terminating(place: &Place, object: &Value) -> Status {
    let namespace = &place.namespace;
    let why = format!(
        "unable to create new content in namespace {namespace} because it is being terminated"
    );
    let cause = Cause {
        reason: "NamespaceTerminating".to_owned(),
        message: format!("namespace {namespace} is being terminated"),
        field: "metadata.namespace".to_owned(),
    };
    forbidden(place, object, &why, vec![cause])
}

fn forbidden(place: &Place, object: &Value, why: &str, causes: Vec<Cause>) -> Status {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    Status {
        reason: Reason::Forbidden,
        message: format!("{} {name:?} is forbidden: {why}", place.row.kind.resource()),
        details: Box::new(Details {
            name: name.to_owned(),
            group: place.row.kind.group.to_owned(),
            kind: place.row.kind.plural.to_owned(),
            causes,
            ..Details::default()
        }),
    }
}
