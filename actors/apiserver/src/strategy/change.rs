//! What a client asks a write for.

use std::sync::Arc;

use bincode::de::{BorrowDecoder, Decoder};
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{BorrowDecode, Decode, Encode};
use model::messages::api::PatchType;
use model::objects::bytes::Bytes;
use model::objects::key::ObjectKey;
use model::objects::kinds::Subresource;
use model::objects::status::{Reason, Status};
use model::rules::patch;
use model::rules::validation::{Faults, Path};
use serde_json::Value;

use super::{internal, scale};
use crate::http::path::Place;
use crate::kinds::Row;
use crate::schema::{Tree, decode};

/// More operations of one JSON patch are refused, as in Kubernetes.
const JSON_PATCH_OPERATIONS_MAX: usize = 10_000;

/// What becomes of fields that a schema does not know, and of keys that stand twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub enum FieldValidation {
    /// They are dropped.
    Ignore,
    /// They are dropped, and the client is told.
    #[default]
    Warn,
    /// The request is refused.
    Strict,
}

impl FieldValidation {
    /// Reads the query parameter `fieldValidation`.
    ///
    /// # Errors
    /// 422 in Kubernetes' words; `options` names the kind of options it stands in.
    pub fn parse(text: &str, options: &str) -> Result<Self, Status> {
        match text {
            "" | "Warn" => Ok(FieldValidation::Warn),
            "Ignore" => Ok(FieldValidation::Ignore),
            "Strict" => Ok(FieldValidation::Strict),
            other => Err(Status::new(
                Reason::Invalid,
                format!(
                    "{options}.meta.k8s.io \"\" is invalid: fieldValidation: Unsupported value: {other:?}: \
                     supported values: \"Ignore\", \"Strict\", \"Warn\""
                ),
            )),
        }
    }
}

/// What a client asks a write for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// This object, as its schema has accepted it.
    Whole(Arc<Value>),
    /// The present object, changed so.
    Patch {
        /// How the body is read.
        patch: PatchType,
        /// The patch.
        body: Bytes,
        /// What becomes of faults of the patched object.
        validation: FieldValidation,
    },
}

/// In records of inputs: an object is its JSON.
impl Encode for Change {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        match self {
            Change::Whole(value) => {
                let text = serde_json::to_vec(value)
                    .map_err(|error| EncodeError::OtherString(error.to_string()))?;
                (0_u8, text).encode(encoder)
            }
            Change::Patch {
                patch,
                body,
                validation,
            } => (1_u8, patch, body, validation).encode(encoder),
        }
    }
}

impl<C> Decode<C> for Change {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        match u8::decode(decoder)? {
            0 => {
                let text: Vec<u8> = Decode::decode(decoder)?;
                serde_json::from_slice(&text)
                    .map(|value| Change::Whole(Arc::new(value)))
                    .map_err(|error| DecodeError::OtherString(error.to_string()))
            }
            1 => Ok(Change::Patch {
                patch: Decode::decode(decoder)?,
                body: Decode::decode(decoder)?,
                validation: Decode::decode(decoder)?,
            }),
            other => Err(DecodeError::OtherString(format!(
                "no change of form {other}"
            ))),
        }
    }
}

impl<'de, C> BorrowDecode<'de, C> for Change {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(
        decoder: &mut D,
    ) -> Result<Self, DecodeError> {
        Self::decode(decoder)
    }
}

impl Change {
    /// The object of a create.
    pub(super) fn whole(&self, key: &ObjectKey) -> Result<&Value, Status> {
        match self {
            Change::Whole(value) => Ok(value),
            Change::Patch { .. } => Err(internal(key, "a create from a patch")),
        }
    }

    /// What is to be told of a patch that the schema would rather not have, given the object that it is about to
    /// change: fields that it does not know, and keys that stand twice in the patch. Nothing, if the patch cannot be
    /// applied: then its errors are told.
    pub fn warnings(&self, place: &Place, current: &Value) -> Vec<String> {
        let Change::Patch { patch, body, .. } = self else {
            return Vec::new();
        };
        let (definition, tree, current) = match place.subresource {
            Some(Subresource::Scale) => (
                scale::DEFINITION.to_owned(),
                scale::tree(),
                &scale::of_object(current),
            ),
            _ => (patch::definition(place.row.kind), place.row.tree(), current),
        };
        let patched = patched(&definition, *patch, body, current).ok();
        patched
            .and_then(|patched| decode::from_value(tree, patched).ok())
            .map_or(Vec::new(), |decoded| faults(body, decoded.faults))
    }

    /// The object that is asked for, given the present one, in the shape of its schema.
    pub(super) fn apply(&self, row: &Row, current: &Value) -> Result<Value, Status> {
        match self {
            Change::Whole(value) => Ok((**value).clone()),
            Change::Patch {
                patch: kind,
                body,
                validation,
            } => {
                let patched = patched(&patch::definition(row.kind), *kind, body, current)?;
                let decoded = decode::from_value(row.tree(), patched).map_err(|error| {
                    unhandled(row.kind.version, row.kind.kind, &error.to_string())
                })?;
                if *validation == FieldValidation::Strict {
                    refuse_faults(body, decoded.faults)?;
                }
                for field in ["apiVersion", "kind"] {
                    if decoded.value.get(field) != current.get(field) {
                        return Err(Status::new(
                            Reason::BadRequest,
                            format!("the {field} of an object cannot be changed by a patch"),
                        ));
                    }
                }
                Ok(decoded.value)
            }
        }
    }
}

/// Applies a patch to an object of an OpenAPI definition.
///
/// # Errors
/// 400 for a patch that cannot be read, 422 for one that cannot be applied, 413 for one with too many operations.
pub(super) fn patched(
    definition: &str,
    patch: PatchType,
    body: &[u8],
    current: &Value,
) -> Result<Value, Status> {
    let mut value = current.clone();
    match patch {
        PatchType::Json => {
            let operations: json_patch::Patch =
                serde_json::from_slice(body).map_err(undecodable)?;
            if operations.0.len() > JSON_PATCH_OPERATIONS_MAX {
                return Err(Status::new(
                    Reason::RequestEntityTooLarge,
                    format!(
                        "The allowed maximum operations in a JSON patch is {JSON_PATCH_OPERATIONS_MAX}, got {}",
                        operations.0.len()
                    ),
                ));
            }
            json_patch::patch(&mut value, &operations).map_err(|error| {
                Status::new(
                    Reason::Invalid,
                    format!(
                        "the server rejected our request due to an error in our request: {error}"
                    ),
                )
            })?;
        }
        PatchType::Merge => {
            let patch: Value = serde_json::from_slice(body).map_err(undecodable)?;
            patch::merge(&mut value, &patch);
        }
        PatchType::StrategicMerge => {
            let patch: Value = serde_json::from_slice(body).map_err(undecodable)?;
            patch::strategic_merge(definition, &mut value, &patch)
                .map_err(|error| Status::new(Reason::BadRequest, error.to_string()))?;
        }
    }
    Ok(value)
}

fn undecodable(error: serde_json::Error) -> Status {
    Status::new(Reason::BadRequest, format!("error decoding patch: {error}"))
}

/// 400 for fields that the schema does not know, and for keys that stand twice.
pub fn strict(faults: &[String]) -> Status {
    Status::new(
        Reason::BadRequest,
        format!("strict decoding error: {}", faults.join(", ")),
    )
}

/// The keys that stand twice in a patch, and behind them the faults of the patched object.
fn faults(patch: &[u8], of_patched: Vec<String>) -> Vec<String> {
    let twice = decode::from_slice(Tree::anything(), patch);
    let mut faults = twice.map_or(Vec::new(), |decoded| decoded.faults);
    faults.extend(of_patched);
    faults
}

/// 422 for a patch in which keys stand twice, or that brings fields that the schema does not know.
pub(super) fn refuse_faults(patch: &[u8], of_patched: Vec<String>) -> Result<(), Status> {
    let faults = faults(patch, of_patched);
    if faults.is_empty() {
        return Ok(());
    }
    let mut causes = Faults::default();
    let patch = Value::from(String::from_utf8_lossy(patch));
    let root = Path::Root;
    causes.invalid(&root.field("patch"), &patch, &strict(&faults).message);
    Err(causes.into_status("", "", ""))
}

/// 400 for a body that is no object of its kind.
pub fn unhandled(version: &str, kind: &str, why: &str) -> Status {
    Status::new(
        Reason::BadRequest,
        format!("{kind} in version {version:?} cannot be handled as a {kind}: {why}"),
    )
}
