//! Who tells a lie: reads what is asked and told, remembers what a lie needs, and lets the lie have its way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use bytes::Bytes;
use http::{Method, Response, Uri};
use serde_json::Value;

use super::lies::{Lie, Tell};

/// A list, a watch, or another request, of which nothing is told but the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answered {
    List,
    Watch,
    Other,
}

/// What a client asks for.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    method: Method,
    path: String,
    pub(super) query: BTreeMap<String, String>,
    /// Strictly after a revision that no list gave.
    pub(super) resumes: bool,
}

impl Asked {
    /// Reads a request. Values stay percent-encoded.
    pub(super) fn of(method: &Method, uri: &Uri) -> Self {
        let pairs = uri.query().unwrap_or_default().split('&');
        Asked {
            method: method.clone(),
            path: uri.path().to_owned(),
            query: pairs
                .filter(|pair| !pair.is_empty())
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
            resumes: false,
        }
    }

    /// As it goes to the server.
    pub(super) fn path_and_query(&self) -> String {
        let pairs = self
            .query
            .iter()
            .map(|(key, value)| format!("{key}={value}"));
        let query: Vec<String> = pairs.collect();
        match query.is_empty() {
            true => self.path.clone(),
            false => format!("{}?{}", self.path, query.join("&")),
        }
    }

    /// What its answer is.
    pub(super) fn answered(&self) -> Answered {
        let collection = self.path.ends_with("/configmaps") && self.method == Method::GET;
        match (collection, self.query.contains_key("watch")) {
            (true, true) => Answered::Watch,
            (true, false) => Answered::List,
            (false, _) => Answered::Other,
        }
    }

    pub(super) fn revision(&self) -> Option<u64> {
        self.query.get("resourceVersion")?.parse().ok()
    }

    pub(super) fn is_selected(&self) -> bool {
        self.query.contains_key("labelSelector")
    }

    pub(super) fn wants_initial_events(&self) -> bool {
        self.query.contains_key("sendInitialEvents")
    }
}

/// What a proxy remembers of what it told.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// The first list for each selector.
    pub(super) first_lists: BTreeMap<Option<String>, Value>,
    /// The revisions of lists.
    pub(super) listed: BTreeSet<u64>,
    /// Watches that resumed.
    resumed: u64,
}

/// A watch that is being told.
#[derive(Debug)]
pub(super) struct Telling {
    pub(super) asked: Asked,
    /// Changes so far; initial events are none.
    pub(super) changes: u64,
    /// Whether the initial events are still coming.
    pub(super) initial: bool,
    /// What is held back.
    pub(super) held: Vec<Value>,
    /// What was last told of each object.
    pub(super) last: BTreeMap<String, Value>,
}

/// Tells one lie, or none.
pub(super) struct Liar {
    lie: Option<Lie>,
    memory: Mutex<Memory>,
}

impl Liar {
    /// Whoever tells `lie`.
    pub(super) fn of(lie: Option<Lie>) -> Self {
        Liar {
            lie,
            memory: Mutex::default(),
        }
    }

    fn tell(&self) -> Option<Tell> {
        self.lie.map(|lie| lie.tell)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().expect("no lie panics")
    }

    pub(super) fn lies(&self) -> bool {
        self.lie.is_some()
    }

    pub(super) fn thins(&self) -> bool {
        matches!(self.tell(), Some(Tell::Thin))
    }

    /// An answer that the server is not asked for.
    pub(super) fn refuse(&self, asked: &Asked) -> Option<Response<Bytes>> {
        if let Some(Tell::Nonsense(text)) = self.tell()
            && asked.path.contains("/configmaps")
        {
            return Some(Response::new(Bytes::from_static(text.as_bytes())));
        }
        let Some(Tell::Refuse(nth)) = self.tell() else {
            return None;
        };
        let mut memory = self.memory();
        if asked.answered() != Answered::Watch || !memory.is_resumed(asked) {
            return None;
        }
        memory.resumed += 1;
        if !memory.resumed.is_multiple_of(nth) {
            return None;
        }
        let status = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Expired","code":410}"#;
        let gone = Response::builder().status(410);
        gone.header(http::header::CONTENT_TYPE, "application/json")
            .body(Bytes::from_static(status.as_bytes()))
            .ok()
    }

    pub(super) fn ask(&self, asked: &mut Asked) {
        if asked.answered() == Answered::Other {
            return;
        }
        let mut memory = self.memory();
        asked.resumes = memory.is_resumed(asked);
        if let Some(Tell::Ask(ask)) = self.tell() {
            ask(asked, &mut memory);
        }
    }

    pub(super) fn list(&self, asked: &Asked, list: Value) -> Value {
        let mut memory = self.memory();
        let told = match self.tell() {
            Some(Tell::List(tell)) => tell(asked, list, &mut memory),
            _ => list,
        };
        memory.listed.insert(revision(&told));
        let selector = asked.query.get("labelSelector").cloned();
        let first = memory.first_lists.entry(selector);
        first.or_insert_with(|| told.clone());
        told
    }

    pub(super) fn telling(&self, asked: Asked) -> Telling {
        Telling {
            changes: 0,
            initial: asked.wants_initial_events(),
            held: Vec::new(),
            last: BTreeMap::new(),
            asked,
        }
    }

    pub(super) fn event(&self, telling: &mut Telling, event: Value) -> Vec<Value> {
        let told = match self.tell() {
            Some(Tell::Event(tell)) => tell(telling, event.clone()),
            _ => vec![event.clone()],
        };
        telling.initial &= !ends_initial_events(&event);
        if !is_bookmark(&event) {
            telling.changes += u64::from(!telling.initial);
            telling.last.insert(name(&event), event);
        }
        told
    }
}

impl Memory {
    fn is_resumed(&self, asked: &Asked) -> bool {
        let after = asked.revision().filter(|_| !asked.wants_initial_events());
        after.is_some_and(|after| after > 1 && !self.listed.contains(&after))
    }
}

impl Telling {
    /// Whether an event is one that a lie is told of: every seventeenth change.
    pub(super) fn is_chosen(&self, event: &Value) -> bool {
        !self.initial && !is_bookmark(event) && self.changes % 17 == 16
    }

    /// Whether it is the first change of this watch.
    pub(super) fn is_first(&self, event: &Value) -> bool {
        !self.initial && !is_bookmark(event) && self.changes == 0
    }
}

pub(super) fn is(event: &Value, kind: &str) -> bool {
    event["type"] == kind
}

pub(super) fn is_bookmark(event: &Value) -> bool {
    is(event, "BOOKMARK") || is(event, "ERROR")
}

pub(super) fn ends_initial_events(event: &Value) -> bool {
    event["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"] == "true"
}

pub(super) fn name(event: &Value) -> String {
    event["object"]["metadata"]["name"].to_string()
}

pub(super) fn revision(object: &Value) -> u64 {
    let text = object["metadata"]["resourceVersion"].as_str();
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}
