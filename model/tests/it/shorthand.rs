//! Short forms in scenario files: `key=value` words for objects, `pods/d/a` for keys.

use std::collections::BTreeMap;

use model::machines::controller::Answer;
use model::machines::reflector::{Delivery, Item};
use model::objects::bytes::Bytes;
use model::objects::key::{GroupResource, ObjectKey};
use model::objects::object::Object;
use model::objects::status::{Reason, Status};
use serde_json::Value;

/// The words of a command: plain ones in order, and `key=value` ones by key (the last of a key counts).
pub struct Words<'a> {
    /// Without `=`.
    pub plain: Vec<&'a str>,
    named: BTreeMap<&'a str, &'a str>,
}

impl<'a> Words<'a> {
    /// Splits a command at spaces.
    pub fn of(command: &'a str) -> Self {
        let mut words = Words {
            plain: Vec::new(),
            named: BTreeMap::new(),
        };
        for word in command.split_whitespace() {
            match word.split_once('=') {
                Some((key, value)) => {
                    words.named.insert(key, value);
                }
                None => words.plain.push(word),
            }
        }
        words
    }

    /// The plain word at a place.
    pub fn at(&self, place: usize) -> Result<&'a str, String> {
        self.plain
            .get(place)
            .copied()
            .ok_or_else(|| format!("word {place} is missing"))
    }

    /// The plain word at a place as a number.
    pub fn number(&self, place: usize) -> Result<u64, String> {
        self.at(place)?
            .parse()
            .map_err(|_| format!("word {place} is not a number"))
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&'a str> {
        self.named.get(key).copied()
    }

    /// The value of a key as a number.
    pub fn int(&self, key: &str) -> Option<i64> {
        self.get(key)?.parse().ok()
    }

    /// Whether a plain word is there.
    pub fn has(&self, word: &str) -> bool {
        self.plain.contains(&word)
    }
}

/// An object with this body.
pub fn object(
    resource: &GroupResource,
    namespace: &str,
    name: &str,
    revision: u64,
    body: &Value,
) -> Object {
    Object {
        key: ObjectKey::new(resource.clone(), namespace, name),
        revision,
        body: Bytes::from(body.to_string().as_str()),
    }
}

/// An object as a reflector delivers it.
pub fn item<V>(object: Object, value: V) -> Item<V> {
    Item {
        key: object.key,
        revision: object.revision,
        value,
    }
}

/// An empty list.
pub fn empty<V>(revision: u64) -> Delivery<V> {
    Delivery::Replace {
        revision,
        items: Vec::new(),
    }
}

/// `ok@REVISION`, `lost`, or a reason followed by words.
pub fn answer(words: &[&str], about: Option<Object>) -> Result<Answer, String> {
    let first = words.first().copied().unwrap_or("ok@0");
    if first == "lost" {
        return Ok(Answer::Lost);
    }
    if let Some(revision) = first.strip_prefix("ok@") {
        let revision = revision.parse().map_err(|_| "ok@REVISION")?;
        return Ok(Answer::Done(revision, about.into_iter().collect()));
    }
    let reason: Reason =
        serde_json::from_value(Value::from(first)).map_err(|error| error.to_string())?;
    Ok(Answer::Failed(Status::new(reason, words[1..].join(" "))))
}

/// Output with keys and requests in short form.
pub fn shorten(text: &str) -> String {
    let mut text = text.to_owned();
    for (long, short) in [
        ("resource: GroupResource { group: \"\", ", ""),
        ("resource: GroupResource { group: \"apps\", ", ""),
        (
            "resource: GroupResource { group: \"coordination.k8s.io\", ",
            "",
        ),
        ("GroupResource { group: \"\", resource: \"pods\" }", "pods"),
        (
            "GroupResource { group: \"apps\", resource: \"replicasets\" }",
            "replicasets",
        ),
        (", subresource: \"\"", ""),
        (", name: \"\"", ""),
        (", dry_run: false", ""),
        ("grace_period_seconds: None, ", ""),
        (", resource_version: None", ""),
        (", propagation: None", ""),
        (
            ", details: Details { name: \"\", group: \"\", kind: \"\", uid: \"\", causes: [], retry_after_seconds: 0, continue_token: \"\" }",
            "",
        ),
    ] {
        text = text.replace(long, short);
    }
    let mut short = String::new();
    let mut rest = text.as_str();
    // `ObjectKey { resource: "pods" }, namespace: "d", name: "a" }` → `pods/d/a`
    while let Some(start) = rest.find("ObjectKey { resource: \"") {
        let (before, key) = rest.split_at(start);
        short.push_str(before);
        let end = key
            .find("name: \"")
            .and_then(|at| key[at..].find(" }").map(|end| at + end + 2));
        let Some(end) = end else {
            // A key without a name stays as it is.
            rest = key;
            break;
        };
        let parts: Vec<&str> = key[..end].split('"').collect();
        let named: Vec<&str> = [1, 3, 5]
            .iter()
            .filter_map(|at| parts.get(*at).copied())
            .collect();
        let named: Vec<&str> = named.into_iter().filter(|part| !part.is_empty()).collect();
        short.push_str(&named.join("/"));
        rest = &key[end..];
    }
    short.push_str(rest);
    short
}
