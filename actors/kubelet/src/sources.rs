//! Config maps and secrets that pods refer to, read through the API server.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::objects::key::ObjectKey;
use model::objects::kinds;
use model::objects::status::Reason;
use serde_json::Value;
use shell::{ApiClient, CallError};

/// Which kind of source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A config map: text in `data`, bytes in `binaryData`.
    ConfigMap,
    /// A secret: bytes in `data`.
    Secret,
}

/// Why a source cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    /// There is none of that name.
    #[error("{kind} \"{name}\" not found")]
    Absent {
        /// `configmap`, `secret`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// It has no entry of that name.
    #[error("couldn't find key {key} in {kind} {namespace}/{name}")]
    Key {
        /// `ConfigMap`, `Secret`.
        kind: &'static str,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The entry.
        key: String,
    },
    /// It could not be read.
    #[error("{kind} \"{name}\": {error}")]
    Call {
        /// `configmap`, `secret`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Why.
        error: CallError,
    },
    /// Its body is not one of its kind.
    #[error("{kind} \"{name}\" cannot be read: {why}")]
    Body {
        /// `configmap`, `secret`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Why.
        why: String,
    },
}

impl Kind {
    /// As messages name it.
    fn word(self) -> &'static str {
        match self {
            Kind::ConfigMap => "configmap",
            Kind::Secret => "secret",
        }
    }

    /// As the API names it.
    fn title(self) -> &'static str {
        match self {
            Kind::ConfigMap => "ConfigMap",
            Kind::Secret => "Secret",
        }
    }
}

/// What a source holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Entries {
    /// `data`: what variables are made from.
    pub(crate) data: BTreeMap<String, Vec<u8>>,
    /// `binaryData` of a config map: for files only (kubernetes `pkg/kubelet/kubelet_pods.go`,
    /// `makeEnvironmentVariables`, reads `data` alone).
    pub(crate) binary: BTreeMap<String, Vec<u8>>,
}

impl Entries {
    /// Everything, for files. The API server refuses a key that is in both maps.
    pub(crate) fn files(mut self) -> BTreeMap<String, Vec<u8>> {
        self.data.append(&mut self.binary);
        self.data
    }
}

/// The entries of a source; `None` if it is absent and may be.
pub(crate) async fn entries(
    client: &ApiClient,
    kind: Kind,
    namespace: &str,
    name: &str,
    optional: bool,
) -> Result<Option<Entries>, SourceError> {
    let resource = match kind {
        Kind::ConfigMap => kinds::configmaps(),
        Kind::Secret => kinds::secrets(),
    };
    let key = ObjectKey::new(resource, namespace, name);
    let (word, name) = (kind.word(), name.to_owned());
    match client.get(&key).await {
        Ok(object) => decode(kind, &object.body)
            .map(Some)
            .map_err(|why| SourceError::Body {
                kind: word,
                name,
                why,
            }),
        Err(error) if error.reason() == Some(Reason::NotFound) => {
            if optional {
                Ok(None)
            } else {
                Err(SourceError::Absent { kind: word, name })
            }
        }
        Err(error) => Err(SourceError::Call {
            kind: word,
            name,
            error,
        }),
    }
}

/// That an entry is not there.
pub(crate) fn no_such_key(kind: Kind, namespace: &str, name: &str, key: &str) -> SourceError {
    SourceError::Key {
        kind: kind.title(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        key: key.to_owned(),
    }
}

fn decode(kind: Kind, body: &[u8]) -> Result<Entries, String> {
    let object: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let binary = match kind {
        Kind::ConfigMap => map(&object, "binaryData", true)?,
        Kind::Secret => BTreeMap::new(),
    };
    Ok(Entries {
        data: map(&object, "data", kind == Kind::Secret)?,
        binary,
    })
}

fn map(object: &Value, field: &str, encoded: bool) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let map = object.get(field).and_then(Value::as_object);
    let mut entries = BTreeMap::new();
    for (key, value) in map.into_iter().flatten() {
        let text = value.as_str().unwrap_or_default();
        let bytes = if encoded {
            STANDARD
                .decode(text)
                .map_err(|error| format!("{field}.{key}: {error}"))?
        } else {
            text.as_bytes().to_vec()
        };
        entries.insert(key.clone(), bytes);
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_both_kinds() {
        let map = decode(
            Kind::ConfigMap,
            br#"{"data":{"a":"x"},"binaryData":{"b":"AAE="}}"#,
        );
        let map = map.expect("a config map");
        assert_eq!(map.data.keys().collect::<Vec<_>>(), ["a"]);
        let files = map.files();
        assert_eq!((&*files["a"], &*files["b"]), (&b"x"[..], &[0, 1][..]));
        let secret = decode(Kind::Secret, br#"{"data":{"p":"cHc="}}"#).expect("a secret");
        assert_eq!(secret.data["p"], b"pw");
        assert!(decode(Kind::Secret, br#"{"data":{"p":"!"}}"#).is_err());
    }
}
