//! Requests about objects: from method and path to a verb, and from what it gave to an answer.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Response, header};
use model::machines::transaction::Outcome;
use model::objects::kinds::Subresource;
use model::objects::status::{Reason, Status};
use serde_json::json;

use super::body::AnswerBody;
use super::path::Place;
use super::service::{Call, Front};
use super::status::{json_answer, success};
use super::{exec, lists, logs, negotiate, watches};
use crate::api::{self, Done, ListQuery, WatchQuery, WriteOptions};
use crate::schema::protobuf;
use crate::strategy::{FieldValidation, scale_of};
use crate::table::Include;

/// What a request does, in the words of authorization.
pub(super) fn verb(method: &Method, place: &Place, watch: bool) -> Option<&'static str> {
    let collection = place.name.is_empty();
    let everywhere = place.row.kind.namespaced && place.namespace.is_empty();
    Some(match (method.as_str(), collection, place.subresource) {
        ("GET" | "HEAD", true, None) if watch => "watch",
        ("GET" | "HEAD", true, None) => "list",
        ("GET" | "HEAD", false, None | Some(Subresource::Status | Subresource::Scale)) => "get",
        ("GET", false, Some(Subresource::Log | Subresource::Exec)) => "get",
        ("POST", true, None) if !everywhere => "create",
        ("POST", false, Some(Subresource::Binding | Subresource::Exec)) => "create",
        (
            "PUT",
            false,
            None | Some(Subresource::Status | Subresource::Scale | Subresource::Finalize),
        ) => "update",
        ("PATCH", false, None | Some(Subresource::Status | Subresource::Scale)) => "patch",
        ("DELETE", false, None) => "delete",
        ("DELETE", true, None) if !everywhere && place.row.kind.plural != "namespaces" => {
            "deletecollection"
        }
        _ => return None,
    })
}

/// 405 in Kubernetes' words.
pub(super) fn not_allowed() -> Status {
    Status::new(
        Reason::MethodNotAllowed,
        "the server does not allow this method on the requested resource",
    )
}

/// Whether a verb goes on for as long as its client wants.
pub(super) fn is_stream(verb: &str, place: &Place) -> bool {
    verb == "watch"
        || matches!(
            place.subresource,
            Some(Subresource::Log | Subresource::Exec)
        )
}

impl Front {
    /// Reads: get, list, watch, logs, exec.
    pub(super) async fn read(
        &self,
        verb: &str,
        place: Place,
        mut call: Call<'_>,
    ) -> Result<Response<AnswerBody>, Status> {
        match place.subresource {
            Some(Subresource::Log) => return logs::answer(self, &place, call).await,
            Some(Subresource::Exec) => return exec::answer(self, &place, call).await,
            _ => {}
        }
        let form = match verb {
            "watch" => negotiate::watch_form(&call.parts.headers)?,
            _ => negotiate::form(&call.parts.headers)?,
        };
        let include = include(&call)?;
        let now = self.api.environment.now();
        match verb {
            "list" => {
                let list = self
                    .api
                    .list(&call.who, &place, &list_query(&call)?)
                    .await?;
                lists::many(place.row, form, include, list, now)
            }
            "watch" => {
                let opened = self.api.watch(&call.who, &place, &watch_query(&call)).await;
                let seconds = number(&call, "timeoutSeconds")?.filter(|seconds| *seconds > 0);
                let asked = seconds.map(|seconds| Duration::from_secs(seconds.unsigned_abs()));
                let kind = place.row.kind;
                let show = watches::Show {
                    row: place.row,
                    form,
                    include,
                    lasting: asked
                        .unwrap_or(self.limits.watch_time)
                        .min(self.limits.watch_time_max),
                    unread_time_max: self.limits.unread_time_max,
                    ending: self.ending.clone(),
                };
                let held = self
                    .api
                    .metrics
                    .watcher(kind.group, kind.version, kind.kind);
                watches::answer(&self.api, opened, show, held.with(call.room.take()))
            }
            _ => {
                let item = self
                    .api
                    .get(&call.who, &place, call.query.get("resourceVersion"))
                    .await?;
                if place.subresource == Some(Subresource::Scale) {
                    let scale = scale_of(&api::parsed(&item));
                    return Ok(json_answer(200, Bytes::from(scale.to_string())));
                }
                lists::one(place.row, form, include, &item, 200, now)
            }
        }
    }

    /// Writes: create, update, patch, delete, deletecollection.
    pub(super) async fn write(
        &self,
        verb: &str,
        place: Place,
        call: Call<'_>,
        body: Bytes,
    ) -> Result<Response<AnswerBody>, Status> {
        match verb {
            "delete" | "deletecollection" => return self.delete(verb, &place, &call, &body).await,
            _ => {}
        }
        let form = negotiate::form(&call.parts.headers)?;
        let done = match verb {
            "create" => {
                let body = json(&place, &call, body)?;
                self.api
                    .create(&call.who, &place, &body, options(&call, "CreateOptions")?)
                    .await?
            }
            "update" => {
                let body = json(&place, &call, body)?;
                self.api
                    .update(&call.who, &place, &body, options(&call, "UpdateOptions")?)
                    .await?
            }
            _ => {
                let patch = negotiate::patch_type(&call.parts.headers)?;
                let options = options(&call, "PatchOptions")?;
                self.api
                    .patch(&call.who, &place, patch, &body, options)
                    .await?
            }
        };
        self.written(&place, form, done)
    }

    fn written(
        &self,
        place: &Place,
        form: negotiate::Form,
        done: Done,
    ) -> Result<Response<AnswerBody>, Status> {
        let code = if api::created(done.written.outcome) {
            201
        } else {
            200
        };
        let item = &done.written.value;
        let mut response = match place.subresource {
            Some(Subresource::Binding) => {
                json_answer(201, Bytes::from(success(json!({})).to_string()))
            }
            Some(Subresource::Scale) => {
                let scale = scale_of(&api::parsed(item));
                json_answer(code, Bytes::from(scale.to_string()))
            }
            _ => lists::one(
                place.row,
                form,
                Include::default(),
                item,
                code,
                self.api.environment.now(),
            )?,
        };
        for warning in &done.warnings {
            // RFC 9111, section 5.5: code, agent, quoted text. A text that no header can carry is left out.
            let text = format!(
                "299 - \"{}\"",
                warning.replace('\\', "\\\\").replace('"', "\\\"")
            );
            if let Ok(value) = HeaderValue::from_str(&text) {
                response.headers_mut().append(header::WARNING, value);
            }
        }
        Ok(response)
    }

    async fn delete(
        &self,
        verb: &str,
        place: &Place,
        call: &Call<'_>,
        body: &[u8],
    ) -> Result<Response<AnswerBody>, Status> {
        let form = negotiate::form(&call.parts.headers)?;
        if !body.is_empty() {
            negotiate::json_body(&call.parts.headers)?;
        }
        let mut options = api::delete_options(body)?;
        if body.is_empty() {
            options.grace_period_seconds = api::grace(number(call, "gracePeriodSeconds")?);
            options.propagation = api::propagation(call.query.get("propagationPolicy"))?;
        }
        options.dry_run |= dry_run(call, "DeleteOptions")?;
        let now = self.api.environment.now();
        if verb == "deletecollection" {
            let query = list_query(call)?;
            let items = self
                .api
                .delete_collection(&call.who, place, &query, &options)
                .await?;
            let list = crate::backend::List {
                revision: items
                    .iter()
                    .map(crate::backend::Item::revision)
                    .max()
                    .unwrap_or_default(),
                items,
                continue_token: String::new(),
                remaining: None,
            };
            return lists::many(place.row, form, Include::default(), list, now);
        }
        let written = self.api.delete(&call.who, place, options).await?;
        let gone = written.outcome == Outcome::Deleted;
        // These two hand out what was deleted (`ReturnDeletedObject`), the others say that it is gone.
        if gone && !matches!(place.row.kind.plural, "pods" | "serviceaccounts") {
            let uid = api::parsed(&written.value)["metadata"]["uid"].clone();
            let mut details =
                json!({ "name": place.name, "kind": place.row.kind.plural, "uid": uid });
            if !place.row.kind.group.is_empty() {
                details["group"] = place.row.kind.group.into();
            }
            return Ok(json_answer(200, Bytes::from(success(details).to_string())));
        }
        lists::one(
            place.row,
            form,
            Include::default(),
            &written.value,
            200,
            now,
        )
    }
}

/// The body of a write as JSON, if it came in a form that is read.
fn json(place: &Place, call: &Call<'_>, body: Bytes) -> Result<Bytes, Status> {
    let kind = place.row.kind;
    if !negotiate::is_protobuf(&call.parts.headers)
        || place.subresource.is_some()
        || !protobuf::reads(kind)
    {
        negotiate::json_body(&call.parts.headers)?;
        return Ok(body);
    }
    let object = protobuf::to_json(kind, &body).map_err(|error| {
        let unrecognized = format!(
            "the object provided is unrecognized (must be of type {}): {error}",
            kind.kind
        );
        Status::new(Reason::BadRequest, unrecognized)
    })?;
    Ok(Bytes::from(object.to_string()))
}

fn include(call: &Call<'_>) -> Result<Include, Status> {
    let text = call.query.get("includeObject");
    Include::parse(text).ok_or_else(|| {
        Status::new(
            Reason::BadRequest,
            format!("unrecognized includeObject value: {text:?}"),
        )
    })
}

fn number(call: &Call<'_>, name: &str) -> Result<Option<i64>, Status> {
    call.query
        .number(name)
        .map_err(|why| Status::new(Reason::BadRequest, why))
}

fn list_query(call: &Call<'_>) -> Result<ListQuery, Status> {
    let limit = number(call, "limit")?.unwrap_or_default();
    if limit < 0 {
        return Err(Status::new(
            Reason::BadRequest,
            format!("limit: Invalid value: {limit}: must be greater than or equal to 0"),
        ));
    }
    Ok(ListQuery {
        labels: call.query.get("labelSelector").to_owned(),
        fields: call.query.get("fieldSelector").to_owned(),
        resource_version: call.query.get("resourceVersion").to_owned(),
        resource_version_match: call.query.get("resourceVersionMatch").to_owned(),
        limit,
        continue_token: call.query.get("continue").to_owned(),
        after: None,
    })
}

fn watch_query(call: &Call<'_>) -> WatchQuery {
    let initial = call.query.all("sendInitialEvents").next();
    WatchQuery {
        labels: call.query.get("labelSelector").to_owned(),
        fields: call.query.get("fieldSelector").to_owned(),
        resource_version: call.query.get("resourceVersion").to_owned(),
        resource_version_match: call.query.get("resourceVersionMatch").to_owned(),
        send_initial_events: initial.map(|_| call.query.yes("sendInitialEvents")),
        bookmarks: call.query.yes("allowWatchBookmarks"),
    }
}

fn options(call: &Call<'_>, of: &str) -> Result<WriteOptions, Status> {
    Ok(WriteOptions {
        dry_run: dry_run(call, of)?,
        validation: FieldValidation::parse(call.query.get("fieldValidation"), of)?,
    })
}

fn dry_run(call: &Call<'_>, of: &str) -> Result<bool, Status> {
    let mut asked = false;
    for value in call.query.all("dryRun").filter(|value| !value.is_empty()) {
        if value != "All" {
            return Err(Status::new(
                Reason::Invalid,
                format!(
                    "{of}.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: {value:?}: supported values: \"All\""
                ),
            ));
        }
        asked = true;
    }
    Ok(asked)
}
