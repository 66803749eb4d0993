//! What a path names.

use model::objects::key::ObjectKey;
use model::objects::kinds::{KINDS, Subresource};

use super::query::decode;
use crate::kinds::{self, Row};

/// What a path names.
#[derive(Clone, Debug)]
pub enum Target {
    /// Objects of a kind.
    Objects(Place),
    /// `POST /api/v1/namespaces/NS/bindings`: the older way to bind a pod, which the body names.
    Bindings {
        /// The namespace of the pod.
        namespace: String,
    },
    /// Something that is not an object: discovery, health, metrics, or nothing that is known.
    Other,
}

/// Objects of a kind, one object, or a part of one.
#[derive(Clone, Debug)]
pub struct Place {
    /// The row of the kind.
    pub row: &'static Row,
    /// The namespace; empty for cluster scope and for all namespaces.
    pub namespace: String,
    /// The name; empty for a collection.
    pub name: String,
    /// What of the object; `None` for the object itself.
    pub subresource: Option<Subresource>,
}

impl Place {
    /// The subresource as a word; empty for the object itself.
    pub fn subresource_word(&self) -> &'static str {
        self.subresource.map_or("", Subresource::as_str)
    }

    /// The object; its name is empty for a collection.
    pub fn key(&self) -> ObjectKey {
        ObjectKey::new(self.row.kind.resource(), &self.namespace, &self.name)
    }
}

/// Reads a path. Names arrive percent-decoded, and never hold a slash.
pub fn read(path: &str) -> Target {
    let mut segments = Vec::new();
    for segment in path.split('/').skip(1) {
        segments.push(decode(segment, false));
        if segments.last().is_some_and(|last| last.contains('/')) {
            return Target::Other;
        }
    }
    if segments.last().is_some_and(String::is_empty) {
        segments.pop();
    }
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (group, version, rest) = match segments.as_slice() {
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] if !group.is_empty() => (*group, *version, rest),
        _ => return Target::Other,
    };
    if rest.iter().any(|segment| segment.is_empty()) {
        return Target::Other;
    }
    match rest {
        ["namespaces", namespace, "bindings"] if group.is_empty() => Target::Bindings {
            namespace: (*namespace).to_owned(),
        },
        // `namespaces/NS/status` is a part of the namespace, `namespaces/NS/pods` a collection inside it.
        ["namespaces", namespace, resource, rest @ ..]
            if find(group, version, resource).is_some_and(|row| row.kind.namespaced) =>
        {
            objects(group, version, namespace, resource, rest)
        }
        [resource, rest @ ..] => objects(group, version, "", resource, rest),
        [] => Target::Other,
    }
}

fn objects(group: &str, version: &str, namespace: &str, resource: &str, rest: &[&str]) -> Target {
    let Some(row) = find(group, version, resource) else {
        return Target::Other;
    };
    let kind = row.kind;
    let (name, subresource) = match rest {
        [] => ("", None),
        [name] => (*name, None),
        [name, word] => match kind.subresources.iter().find(|sub| sub.as_str() == *word) {
            Some(found) => (*name, Some(*found)),
            None => return Target::Other,
        },
        _ => return Target::Other,
    };
    if kind.namespaced && namespace.is_empty() && !name.is_empty() {
        return Target::Other;
    }
    Target::Objects(Place {
        row,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        subresource,
    })
}

fn find(group: &str, version: &str, resource: &str) -> Option<&'static Row> {
    kinds::find(group, resource).filter(|row| row.kind.version == version)
}

/// The API groups and versions that are served, in the order of the table.
pub fn group_versions() -> Vec<(&'static str, &'static str)> {
    let mut all = Vec::new();
    for kind in KINDS {
        if !all.contains(&(kind.group, kind.version)) {
            all.push((kind.group, kind.version));
        }
    }
    all
}
