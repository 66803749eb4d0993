//! The tower service behind every HTTP connection; a simulation calls it without one.

use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::HeaderName;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Body;
use model::objects::status::{Reason, Status};
use model::rules::authorization::{self, Identity};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::Instant;
use tower::Service;

use super::body::AnswerBody;
use super::objects::{is_stream, not_allowed, verb};
use super::path::{self, Place, Target};
use super::query::Query;
use super::status::{answer, json_answer, with_type};
use super::{Limits, health, negotiate, upload, version, yaml};
use crate::api::Api;
use crate::metrics::{Held, RequestLabels};
use crate::{discovery, kinds, openapi};

/// The media type of metrics (OpenMetrics 1.0).
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The API over HTTP. Cheap to clone; clones share everything.
///
/// Whoever calls it has authenticated the client, and puts its [`Identity`] into the request's extensions;
/// without one the client is anonymous.
#[derive(Clone)]
pub struct Front {
    pub(super) api: Api,
    pub(super) limits: Limits,
    pub(super) ending: shell::Shutdown,
    requests: Rc<Semaphore>,
    streams: Arc<Semaphore>,
}

/// A request without its body.
pub(super) struct Call<'a> {
    pub(super) who: Identity,
    pub(super) parts: &'a mut Parts,
    pub(super) query: Query,
    /// Room for a stream, which it keeps as long as it lasts.
    pub(super) room: Option<OwnedSemaphorePermit>,
}

impl Front {
    /// The API with bounds for its clients. Streams end when `ending` is asked for.
    pub fn new(api: Api, limits: Limits, ending: shell::Shutdown) -> Self {
        Front {
            api,
            limits,
            ending,
            requests: Rc::new(Semaphore::new(limits.requests_max)),
            streams: Arc::new(Semaphore::new(limits.streams_max)),
        }
    }

    /// The answer to a request. There is always one.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<AnswerBody>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let began = Instant::now();
        let (mut parts, body) = request.into_parts();
        let who = parts
            .extensions
            .remove::<Identity>()
            .unwrap_or_else(Identity::anonymous);
        let query = Query::parse(parts.uri.query().unwrap_or_default());
        let target = path::read(parts.uri.path());
        let labels = labels(&parts.method, &target, &query);
        let stream = matches!(labels.verb.as_str(), "WATCH" | "CONNECT");
        let patched = parts.method == Method::PATCH;
        let in_yaml = !stream && negotiate::wants_yaml(&parts.headers);
        let call = Call {
            who,
            parts: &mut parts,
            query,
            room: None,
        };
        let routed = self.route(target, call, body);
        let result = if stream {
            routed.await
        } else {
            match tokio::time::timeout(self.limits.request_time_max, routed).await {
                Ok(result) => result,
                Err(_) => Err(Status::new(
                    Reason::Timeout,
                    "the server was unable to return a response in the time allotted, but may still be processing \
                     the request",
                )),
            }
        };
        let mut response = result.unwrap_or_else(|status| answer(&status));
        if response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            // RFC 5789, section 2.2, and RFC 9110, section 15.5.16: what would have been understood.
            let (header, media) = match patched {
                true => (
                    HeaderName::from_static("accept-patch"),
                    negotiate::ACCEPT_PATCH,
                ),
                false => (header::ACCEPT, "application/json"),
            };
            response
                .headers_mut()
                .insert(header, HeaderValue::from_static(media));
        }
        if in_yaml {
            response = yaml::of_json(response).await;
        }
        let took = (!stream).then(|| began.elapsed());
        self.api
            .metrics
            .answered(labels, response.status().as_u16(), took);
        response
    }

    async fn route<B>(
        &self,
        target: Target,
        call: Call<'_>,
        body: B,
    ) -> Result<Response<AnswerBody>, Status>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        match target {
            Target::Objects(place) => self.objects(place, call, body).await,
            Target::Bindings { namespace } => self.bindings(namespace, call, body).await,
            Target::Other => self.other(call),
        }
    }

    async fn objects<B>(
        &self,
        place: Place,
        call: Call<'_>,
        body: B,
    ) -> Result<Response<AnswerBody>, Status>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        known(&call.who)?;
        let verb =
            verb(&call.parts.method, &place, call.query.yes("watch")).ok_or_else(not_allowed)?;
        if is_stream(verb, &place) {
            let room = self.streams.clone().try_acquire_owned();
            let room = Some(room.map_err(|_| self.too_many())?);
            return self.read(verb, place, Call { room, ..call }).await;
        }
        let mutating = !matches!(verb, "get" | "list");
        let _held = self.admitted(mutating)?;
        if mutating {
            let body = upload::read(body, &self.limits).await?;
            let body = yaml::as_json(&call.parts.headers, body)?;
            self.write(verb, place, call, body).await
        } else {
            self.read(verb, place, call).await
        }
    }

    /// `POST …/bindings`: as `POST …/pods/NAME/binding`, with the name from the body.
    async fn bindings<B>(
        &self,
        namespace: String,
        call: Call<'_>,
        body: B,
    ) -> Result<Response<AnswerBody>, Status>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        known(&call.who)?;
        let row = kinds::find("", "pods")
            .filter(|_| call.parts.method == Method::POST)
            .ok_or_else(not_allowed)?;
        let _held = self.admitted(true)?;
        let body = upload::read(body, &self.limits).await?;
        let body = yaml::as_json(&call.parts.headers, body)?;
        #[derive(serde::Deserialize)]
        struct Named {
            #[serde(default)]
            metadata: model::objects::meta::Meta,
        }
        let named: Named = serde_json::from_slice(&body).map_err(|error| {
            Status::new(
                Reason::BadRequest,
                format!("couldn't get version/kind; json parse error: {error}"),
            )
        })?;
        let place = Place {
            row,
            namespace,
            name: named.metadata.name,
            subresource: Some(model::objects::kinds::Subresource::Binding),
        };
        self.write("create", place, call, body).await
    }

    /// What is no object: discovery, schemas, version, health, metrics.
    fn other(&self, call: Call<'_>) -> Result<Response<AnswerBody>, Status> {
        let path = call.parts.uri.path().to_owned();
        let method = &call.parts.method;
        let read = matches!(*method, Method::GET | Method::HEAD);
        if !(read && anyones(&path)) {
            known(&call.who)?;
        }
        let verb = if read {
            "get".to_owned()
        } else {
            method.as_str().to_lowercase()
        };
        authorization::authorize_path(&call.who, &verb, &path)?;
        if !read {
            return Err(if self.exists(&path) {
                not_allowed()
            } else {
                not_found()
            });
        }
        if let Some(response) = health::answer(&self.api, &path, &call.query) {
            return Ok(response);
        }
        match path.trim_end_matches('/') {
            "" => return Ok(json_answer(200, Bytes::from(paths().to_string()))),
            "/version" => {
                return Ok(json_answer(
                    200,
                    Bytes::from(version::document().to_string()),
                ));
            }
            "/metrics" => {
                let text = Bytes::from(self.api.metrics.text());
                return Ok(with_type(200, METRICS, text.into()));
            }
            _ => {}
        }
        if let Some((document, media)) = discovery::document(&path, &call.parts.headers)? {
            let mut response = with_type(200, media, Bytes::from(document.to_string()).into());
            response
                .headers_mut()
                .insert(header::VARY, HeaderValue::from_static("Accept"));
            return Ok(response);
        }
        if let Some(document) = openapi::document(&path) {
            negotiate::plain_json(&call.parts.headers)?;
            return Ok(json_answer(200, document));
        }
        Err(not_found())
    }

    fn exists(&self, path: &str) -> bool {
        anyones(path) || matches!(path, "/" | "/api" | "/apis" | "/metrics" | "/openapi/v3")
    }

    fn admitted(&self, mutating: bool) -> Result<(SemaphorePermit<'_>, Held), Status> {
        let permit = self.requests.try_acquire().map_err(|_| self.too_many())?;
        Ok((permit, self.api.metrics.in_flight(mutating)))
    }

    fn too_many(&self) -> Status {
        self.api.metrics.dropped();
        let mut status = Status::new(
            Reason::TooManyRequests,
            "Too many requests, please try again later.",
        );
        status.details.retry_after_seconds = 1;
        status
    }
}

/// Paths that may be read without credentials.
fn anyones(path: &str) -> bool {
    let root = path
        .trim_start_matches('/')
        .split('/')
        .next()
        .unwrap_or_default();
    matches!(root, "livez" | "readyz" | "healthz" | "version")
}

/// 401 for a client without an identity.
fn known(who: &Identity) -> Result<(), Status> {
    if who.authenticated() {
        Ok(())
    } else {
        Err(Status::new(Reason::Unauthorized, "Unauthorized"))
    }
}

fn not_found() -> Status {
    Status::new(
        Reason::NotFound,
        "the server could not find the requested resource",
    )
}

/// What the root lists.
fn paths() -> serde_json::Value {
    let mut paths = vec!["/api".to_owned(), "/apis".to_owned()];
    for (group, version) in path::group_versions() {
        if group.is_empty() {
            paths.push(format!("/api/{version}"));
        } else {
            paths.extend([format!("/apis/{group}"), format!("/apis/{group}/{version}")]);
        }
    }
    let others = [
        "/healthz",
        "/livez",
        "/metrics",
        "/openapi/v3",
        "/readyz",
        "/version",
    ];
    paths.extend(others.map(str::to_owned));
    paths.sort();
    json!({ "paths": paths })
}

fn labels(method: &Method, target: &Target, query: &Query) -> RequestLabels {
    let mut labels = RequestLabels {
        verb: match *method {
            Method::GET
            | Method::HEAD
            | Method::POST
            | Method::PUT
            | Method::PATCH
            | Method::DELETE => method.as_str().to_owned(),
            _ => "other".to_owned(),
        },
        group: String::new(),
        version: String::new(),
        resource: String::new(),
        subresource: String::new(),
        scope: String::new(),
    };
    if let Target::Objects(place) = target {
        let kind = place.row.kind;
        labels.verb = match verb(method, place, query.yes("watch")) {
            Some(verb) if is_stream(verb, place) && verb != "watch" => "CONNECT".to_owned(),
            Some(word @ ("list" | "watch" | "deletecollection")) => word.to_uppercase(),
            _ => labels.verb,
        };
        labels.group = kind.group.to_owned();
        labels.version = kind.version.to_owned();
        labels.resource = kind.plural.to_owned();
        labels.subresource = place.subresource_word().to_owned();
        let scope = match (place.name.is_empty(), place.namespace.is_empty()) {
            (false, _) => "resource",
            (true, false) => "namespace",
            (true, true) => "cluster",
        };
        labels.scope = scope.to_owned();
    }
    labels
}

impl<B> Service<Request<B>> for Front
where
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let front = self.clone();
        Box::pin(async move { Ok(front.answer(request).await) })
    }
}
