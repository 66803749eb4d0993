//! get, list and watch.

use model::messages::api::ListPlace;
use model::objects::status::{Reason, Status};
use model::rules::authorization::Identity;
use model::rules::resource_version::{self, ReadAt};
use model::rules::selector::{FieldSelector, Selector};

use super::Api;
use crate::backend::{
    Item, List, ListFrom, ListRequest, Selection, Watch, WatchFrom, WatchRequest,
};
use crate::http::path::Place;

/// What a list asks for, in the words of `ListOptions` of `meta/v1`.
#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    /// `labelSelector`.
    pub labels: String,
    /// `fieldSelector`.
    pub fields: String,
    /// `resourceVersion`.
    pub resource_version: String,
    /// `resourceVersionMatch`.
    pub resource_version_match: String,
    /// `limit`; 0 for all.
    pub limit: i64,
    /// `continue`.
    pub continue_token: String,
    /// Where the list goes on in place of `continue`, as components say it.
    pub after: Option<ListPlace>,
}

/// What a watch asks for, in the words of `ListOptions` of `meta/v1`.
#[derive(Clone, Debug, Default)]
pub struct WatchQuery {
    /// `labelSelector`.
    pub labels: String,
    /// `fieldSelector`.
    pub fields: String,
    /// `resourceVersion`.
    pub resource_version: String,
    /// `resourceVersionMatch`.
    pub resource_version_match: String,
    /// `sendInitialEvents`.
    pub send_initial_events: Option<bool>,
    /// `allowWatchBookmarks`.
    pub bookmarks: bool,
}

impl Api {
    /// One object.
    ///
    /// # Errors
    /// 403, 404, 504.
    pub async fn get(
        &self,
        who: &Identity,
        place: &Place,
        resource_version: &str,
    ) -> Result<Item, Status> {
        self.authorize(who, "get", place, &place.name, "").await?;
        let at = ReadAt::of_get(resource_version)?;
        self.backend.get(&place.key(), at).await
    }

    /// The objects of a collection.
    ///
    /// # Errors
    /// 403, 400 for bad selectors, 410 for a revision or token that is too old.
    pub async fn list(
        &self,
        who: &Identity,
        place: &Place,
        query: &ListQuery,
    ) -> Result<List, Status> {
        self.authorize(who, "list", place, "", &query.fields)
            .await?;
        let from = match (&query.after, query.continue_token.as_str()) {
            (Some(place), _) => ListFrom::After(place.clone()),
            (None, "") => ListFrom::Start,
            (None, token) => ListFrom::Token(token.to_owned()),
        };
        let at = if from == ListFrom::Start {
            ReadAt::of_list(&query.resource_version, &query.resource_version_match)?
        } else if matches!(query.resource_version.as_str(), "" | "0") {
            ReadAt::Consistent
        } else {
            return Err(Status::new(
                Reason::BadRequest,
                "specifying resource version is not allowed when using continue",
            ));
        };
        let request = ListRequest {
            selection: selection(place, &query.labels, &query.fields)?,
            at,
            limit: u64::try_from(query.limit).unwrap_or_default(),
            from,
        };
        self.backend.list(request).await
    }

    /// The changes of a collection's objects.
    ///
    /// # Errors
    /// 403, 400 or 422 for options that cannot be. 410 for a revision that is too old.
    pub async fn watch(
        &self,
        who: &Identity,
        place: &Place,
        query: &WatchQuery,
    ) -> Result<Watch, Status> {
        self.authorize(who, "watch", place, "", &query.fields)
            .await?;
        let request = WatchRequest {
            selection: selection(place, &query.labels, &query.fields)?,
            from: self.watch_from(place, query).await?,
            bookmarks: query.bookmarks,
        };
        self.backend.watch(request).await
    }

    /// Where a watch begins ("Semantics for watch" and "Streaming lists" of the API concepts).
    async fn watch_from(&self, place: &Place, query: &WatchQuery) -> Result<WatchFrom, Status> {
        let revision = resource_version::parse(&query.resource_version)?;
        let at = match revision {
            None => ReadAt::Consistent,
            Some(0) => ReadAt::Any,
            Some(revision) => ReadAt::AtLeast(revision),
        };
        match (
            query.send_initial_events,
            query.resource_version_match.as_str(),
        ) {
            (Some(_), "NotOlderThan") => {}
            (Some(_), _) => {
                return Err(forbidden_match(
                    "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
                ));
            }
            (None, "") => {}
            (None, _) => {
                return Err(forbidden_match(
                    "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
                ));
            }
        }
        match (query.send_initial_events, revision) {
            (Some(true), _) if !query.bookmarks => Err(Status::new(
                Reason::Invalid,
                "ListOptions.meta.k8s.io \"\" is invalid: allowWatchBookmarks: Forbidden: sendInitialEvents requires \
                 setting allowWatchBookmarks to true",
            )),
            (Some(true), _) => Ok(WatchFrom::Initial { at, bookmark: true }),
            (None, None | Some(0)) => Ok(WatchFrom::Initial {
                at,
                bookmark: false,
            }),
            (Some(false), None | Some(0)) => Ok(WatchFrom::After(self.present(place, at).await?)),
            (_, Some(revision)) => Ok(WatchFrom::After(revision)),
        }
    }

    /// The revision of the present.
    async fn present(&self, place: &Place, at: ReadAt) -> Result<u64, Status> {
        let request = ListRequest {
            selection: selection(place, "", "")?,
            at,
            limit: 1,
            from: ListFrom::Start,
        };
        Ok(self.backend.list(request).await?.revision)
    }
}

fn forbidden_match(why: &str) -> Status {
    Status::new(
        Reason::Invalid,
        format!("ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: {why}"),
    )
}

/// The objects of a place that selectors let through.
///
/// # Errors
/// 400 for a selector that cannot be read.
pub(super) fn selection(place: &Place, labels: &str, fields: &str) -> Result<Selection, Status> {
    let labels = Selector::parse(labels)
        .map_err(|error| Status::new(Reason::BadRequest, error.to_string()))?;
    let fields = FieldSelector::parse(fields)
        .map_err(|error| Status::new(Reason::BadRequest, error.to_string()))?;
    Ok(Selection {
        resource: place.row.kind.resource(),
        namespace: place.namespace.clone(),
        labels,
        fields,
    })
}
