//! The client of the checks: JSON asked and answered, and what was wrong with an answer.

use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use crate::client::{Connection, Request, Server};

/// How long an answer may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);

/// How much of an answer that is no JSON is shown, in characters.
const SHOWN_CHARS: usize = 120;

/// Media types of bodies.
pub(super) const JSON: &str = "application/json";
pub(super) const MERGE: &str = "application/merge-patch+json";
pub(super) const JSON_PATCH: &str = "application/json-patch+json";
pub(super) const STRATEGIC: &str = "application/strategic-merge-patch+json";
pub(super) const APPLY: &str = "application/apply-patch+yaml";

/// What a check found.
pub(super) type Found = Result<(), Wrong>;

/// Why a check was not passed.
#[derive(Debug)]
pub(super) enum Wrong {
    /// The server does something else than is promised.
    Broken(String),
    /// Nothing can be said: there was no answer.
    Unknown(anyhow::Error),
}

impl From<anyhow::Error> for Wrong {
    fn from(error: anyhow::Error) -> Self {
        Wrong::Unknown(error)
    }
}

/// A connection, the namespace, and what the present check has seen.
pub(super) struct Api {
    server: Server,
    connection: Connection,
    pub(super) namespace: String,
    instances: u64,
    requests: u64,
}

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    asked: String,
    pub(super) status: u16,
    /// Null if it is not JSON.
    pub(super) body: Value,
    text: String,
    pub(super) warnings: usize,
}

impl Api {
    pub(super) async fn connect(server: &Server, namespace: &str) -> anyhow::Result<Self> {
        Ok(Api {
            server: server.clone(),
            connection: server.connect().await?,
            namespace: namespace.to_owned(),
            instances: 0,
            requests: 0,
        })
    }

    pub(super) async fn reconnect(&mut self) -> anyhow::Result<()> {
        self.connection = self.server.connect().await?;
        Ok(())
    }

    /// Another connection to the same server, for what happens at once.
    pub(super) async fn another(&self) -> anyhow::Result<Api> {
        Api::connect(&self.server, &self.namespace).await
    }

    /// A check begins.
    pub(super) fn begin(&mut self) {
        self.instances = 0;
    }

    /// How often something could have been seen to be wrong.
    pub(super) fn instances(&self) -> u64 {
        self.instances
    }

    pub(super) fn requests(&self) -> u64 {
        self.requests
    }

    /// The path of a collection of the core group in the suite's namespace.
    pub(super) fn path(&self, resource: &str) -> String {
        format!("/api/v1/namespaces/{}/{resource}", self.namespace)
    }

    /// Sends a request with a body of a media type.
    pub(super) async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Option<(&str, Bytes)>,
        accept: &str,
    ) -> anyhow::Result<Answer> {
        self.requests += 1;
        let asked = format!("{method} {path}");
        let request = Request {
            method,
            path,
            accept,
            body,
        };
        let answered = async {
            let reply = self.connection.send(request).await?;
            let (status, warnings) = (reply.status().as_u16(), reply.warnings());
            anyhow::Ok((status, warnings, reply.bytes().await?))
        };
        let (status, warnings, bytes) = tokio::time::timeout(ANSWER_TIME_MAX, answered)
            .await
            .with_context(|| format!("{asked}: no answer in {ANSWER_TIME_MAX:?}"))??;
        Ok(Answer {
            asked,
            status,
            warnings,
            body: serde_json::from_slice(&bytes).unwrap_or_default(),
            text: String::from_utf8_lossy(&bytes)
                .chars()
                .take(SHOWN_CHARS)
                .collect(),
        })
    }

    pub(super) async fn get(&mut self, path: &str) -> anyhow::Result<Answer> {
        self.send(Method::GET, path, None, JSON).await
    }

    pub(super) async fn post(&mut self, path: &str, object: &Value) -> anyhow::Result<Answer> {
        let body = Bytes::from(object.to_string());
        self.send(Method::POST, path, Some((JSON, body)), JSON)
            .await
    }

    pub(super) async fn put(&mut self, path: &str, object: &Value) -> anyhow::Result<Answer> {
        let body = Bytes::from(object.to_string());
        self.send(Method::PUT, path, Some((JSON, body)), JSON).await
    }

    pub(super) async fn patch(
        &mut self,
        path: &str,
        media: &str,
        patch: &Value,
    ) -> anyhow::Result<Answer> {
        let body = Bytes::from(patch.to_string());
        self.send(Method::PATCH, path, Some((media, body)), JSON)
            .await
    }

    /// Deletes with options; null for none.
    pub(super) async fn delete(&mut self, path: &str, options: &Value) -> anyhow::Result<Answer> {
        let body = (!options.is_null()).then(|| (JSON, Bytes::from(options.to_string())));
        self.send(Method::DELETE, path, body, JSON).await
    }

    /// Makes a config map that must be there for a check; its path and what the server answered.
    pub(super) async fn config_map(&mut self, name: &str) -> Result<(String, Value), Wrong> {
        let maps = self.path("configmaps");
        let map = json!({"metadata": {"name": name}, "data": {"key": "value"}});
        let made = self.post(&maps, &map).await?;
        self.status(&made, 201)?;
        Ok((format!("{maps}/{name}"), made.body))
    }

    /// Something must hold.
    pub(super) fn hold(&mut self, holds: bool, what: impl FnOnce() -> String) -> Found {
        self.instances += 1;
        match holds {
            true => Ok(()),
            false => Err(Wrong::Broken(what())),
        }
    }

    /// An answer must have a status code.
    pub(super) fn status(&mut self, answer: &Answer, status: u16) -> Found {
        self.hold(answer.status == status, || {
            format!("{}, expected {status}", answer.told())
        })
    }

    /// A field of an answer must be so.
    pub(super) fn field(&mut self, answer: &Answer, pointer: &str, value: &Value) -> Found {
        let found = answer.at(pointer);
        self.hold(found == value, || {
            format!("{}: {pointer} is {found}, expected {value}", answer.asked)
        })
    }

    /// An answer must be a `Status` that says no, with a code and a reason.
    pub(super) fn refused(&mut self, answer: &Answer, code: u16, reason: &str) -> Found {
        self.status(answer, code)?;
        let body = &answer.body;
        let is_status = body["kind"] == "Status" && body["status"] == "Failure";
        let right = is_status && body["code"] == code && body["reason"] == reason;
        self.hold(right, || {
            format!(
                "{}, expected a Status with code {code} and reason {reason}",
                answer.told()
            )
        })
    }
}

impl Answer {
    /// A field by its JSON pointer; null if there is none.
    pub(super) fn at(&self, pointer: &str) -> &Value {
        self.body.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// A field as text; empty if it is none.
    pub(super) fn text(&self, pointer: &str) -> &str {
        self.at(pointer).as_str().unwrap_or_default()
    }

    /// What was asked and answered, for people.
    pub(super) fn told(&self) -> String {
        let (asked, status) = (&self.asked, self.status);
        match (self.body["reason"].as_str(), self.body["message"].as_str()) {
            (Some(reason), Some(message)) => format!("{asked}: {status} {reason}: {message}"),
            _ => format!("{asked}: {status} {}", self.text),
        }
    }

    /// The names of the items of a list.
    pub(super) fn names(&self) -> Vec<String> {
        let items = self.body["items"].as_array().map(Vec::as_slice);
        let names = items.unwrap_or_default().iter();
        names
            .filter_map(|item| item["metadata"]["name"].as_str())
            .map(str::to_owned)
            .collect()
    }
}
