//! What is read of a namespace.

use bincode::{Decode, Encode};
use serde::Deserialize;

use crate::objects::meta::Meta;

/// What is read of a namespace.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Deserialize,
)]
#[serde(from = "Body")]
pub struct NamespaceView {
    /// Its UID.
    pub uid: String,
    /// The revision of its last write, as text.
    pub resource_version: String,
    /// Whether a deletion was asked for.
    pub deleting: bool,
    /// `spec.finalizers`.
    pub finalizers: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    metadata: Meta,
    spec: Spec,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spec {
    finalizers: Vec<String>,
}

impl From<Body> for NamespaceView {
    fn from(body: Body) -> Self {
        NamespaceView {
            deleting: body.metadata.deleting(),
            uid: body.metadata.uid,
            resource_version: body.metadata.resource_version,
            finalizers: body.spec.finalizers,
        }
    }
}
