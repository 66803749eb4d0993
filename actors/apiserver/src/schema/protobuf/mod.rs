//! Bodies in Kubernetes' protobuf, turned into JSON: clients send some kinds so and do not ask again in JSON
//! (`kubectl create namespace|configmap|secret|serviceaccount`).
//!
//! Only the kinds of [`messages`] are read. Sources: "Protobuf encoding" of the API concepts; the field numbers of
//! `generated.proto` in `k8s.io/api` and `k8s.io/apimachinery`.

mod messages;
mod wire;

use jiff::Timestamp;
use model::objects::kinds::Kind;
use serde_json::{Map, Value};

use self::messages::{Field, Message, Shape};
use self::wire::{Part, parts, text};

/// The first bytes of every body.
const MAGIC: &[u8] = b"k8s\0";

/// Why bytes are not an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtobufError {
    /// The envelope is missing.
    #[error(
        "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
    )]
    Prefix,
    /// A field is cut off, or is not of the type that its number has.
    #[error("the protobuf message is cut off or malformed")]
    Malformed,
    /// A text is not UTF-8.
    #[error("a text of the protobuf message is not UTF-8")]
    Utf8,
}

/// Whether bodies of a kind are read.
pub fn reads(kind: &Kind) -> bool {
    messages::of(kind).is_some()
}

/// The JSON of a body of a kind. Fields without a number here are left out, as Kubernetes leaves out unknown ones.
///
/// # Errors
/// [`ProtobufError`].
pub fn to_json(kind: &Kind, body: &[u8]) -> Result<Value, ProtobufError> {
    let message = messages::of(kind).ok_or(ProtobufError::Malformed)?;
    let envelope = body.strip_prefix(MAGIC).ok_or(ProtobufError::Prefix)?;
    let (mut type_meta, mut raw) = (Map::new(), [].as_slice());
    for part in parts(envelope) {
        match part? {
            (1, Part::Bytes(bytes)) => type_meta = read(&messages::TYPE_META, bytes)?,
            (2, Part::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let mut object = read(message, raw)?;
    object.append(&mut type_meta);
    Ok(Value::Object(object))
}

fn read(message: &Message, bytes: &[u8]) -> Result<Map<String, Value>, ProtobufError> {
    let mut object = Map::new();
    for part in parts(bytes) {
        let (number, part) = part?;
        if let Some(field) = message.0.iter().find(|field| field.number == number) {
            put(&mut object, field, part)?;
        }
    }
    Ok(object)
}

/// Adds what a part holds to its field. What is empty is not set: Go writes it all the same.
fn put(
    object: &mut Map<String, Value>,
    field: &Field,
    part: Part<'_>,
) -> Result<(), ProtobufError> {
    let value = match (field.shape, part) {
        (Shape::Text, Part::Bytes(bytes)) => Value::from(text(bytes)?),
        (Shape::Flag, Part::Number(number)) => Value::from(number != 0),
        (Shape::Number, Part::Number(0)) => return Ok(()),
        (Shape::Number, Part::Number(number)) => Value::from(number.cast_signed()),
        (Shape::Time, Part::Bytes(bytes)) => match time(bytes)? {
            Some(time) => Value::from(time),
            None => return Ok(()),
        },
        (Shape::One(message), Part::Bytes(bytes)) => Value::Object(read(message, bytes)?),
        (Shape::Many(message), Part::Bytes(bytes)) => {
            return push(object, field, Value::Object(read(message, bytes)?));
        }
        (Shape::Texts, Part::Bytes(bytes)) => return push(object, field, text(bytes)?.into()),
        (Shape::TextMap | Shape::BytesMap, Part::Bytes(bytes)) => {
            return entry(object, field, bytes);
        }
        _ => return Err(ProtobufError::Malformed),
    };
    if value != "" {
        object.insert(field.name.to_owned(), value);
    }
    Ok(())
}

fn push(object: &mut Map<String, Value>, field: &Field, value: Value) -> Result<(), ProtobufError> {
    let list = object
        .entry(field.name)
        .or_insert_with(|| Value::Array(Vec::new()));
    list.as_array_mut()
        .ok_or(ProtobufError::Malformed)?
        .push(value);
    Ok(())
}

/// An entry of a map is a message of key and value.
fn entry(
    object: &mut Map<String, Value>,
    field: &Field,
    bytes: &[u8],
) -> Result<(), ProtobufError> {
    use base64::Engine;
    let (mut key, mut value) = (String::new(), [].as_slice());
    for part in parts(bytes) {
        match part? {
            (1, Part::Bytes(bytes)) => key = text(bytes)?,
            (2, Part::Bytes(bytes)) => value = bytes,
            _ => {}
        }
    }
    let value = match field.shape {
        Shape::BytesMap => base64::engine::general_purpose::STANDARD.encode(value),
        _ => text(value)?,
    };
    let map = object
        .entry(field.name)
        .or_insert_with(|| Value::Object(Map::new()));
    map.as_object_mut()
        .ok_or(ProtobufError::Malformed)?
        .insert(key, value.into());
    Ok(())
}

/// Seconds and nanoseconds since the Unix epoch; `None` for a time that is not set.
fn time(bytes: &[u8]) -> Result<Option<String>, ProtobufError> {
    let mut seconds = None;
    for part in parts(bytes) {
        if let (1, Part::Number(number)) = part? {
            seconds = Some(number.cast_signed());
        }
    }
    let time = seconds
        .map(|seconds| Timestamp::from_second(seconds).map_err(|_| ProtobufError::Malformed));
    Ok(time
        .transpose()?
        .map(|time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()))
}
