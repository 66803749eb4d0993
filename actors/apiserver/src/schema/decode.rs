//! One parse of a body: JSON to a [`Value`], held against the schema on the way.
//!
//! Values of a wrong shape are errors. Fields that the schema does not know and keys that stand twice are
//! reported, with what to do about them left to `fieldValidation`; unknown fields do not survive, as in
//! Kubernetes. `null` and a map without entries stand for a field that is not set.
//! Times and quantities leave in canonical form.

use std::cell::RefCell;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::canonical;
use super::tree::{Node, NodeId, Struct, Tree};

/// More faults of one body are not listed.
const FAULTS_MAX: usize = 100;

/// What a body holds.
#[derive(Debug)]
pub struct Decoded {
    /// The object, in the shape of the schema.
    pub value: Value,
    /// `unknown field "spec.a"`, `duplicate field "spec.b"`.
    pub faults: Vec<String>,
}

/// Why a body is not an object of its kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It is not JSON, or nests deeper than 128 levels.
    #[error("couldn't get version/kind; json parse error: {0}")]
    Syntax(String),
    /// A value has a shape that its field does not have, in Go's words.
    #[error("{0}")]
    Shape(String),
}

/// Reads a body.
///
/// # Errors
/// [`DecodeError`].
pub fn from_slice(tree: &Tree, body: &[u8]) -> Result<Decoded, DecodeError> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let walk = Walk::new(tree);
    let value = walk.read(&mut deserializer)?;
    deserializer
        .end()
        .map_err(|error| DecodeError::Syntax(error.to_string()))?;
    Ok(walk.decoded(value))
}

/// Holds a value, such as a patched object, against the schema.
///
/// # Errors
/// [`DecodeError::Shape`].
pub fn from_value(tree: &Tree, value: Value) -> Result<Decoded, DecodeError> {
    let walk = Walk::new(tree);
    let value = walk.read(value)?;
    Ok(walk.decoded(value))
}

struct Walk<'t> {
    tree: &'t Tree,
    faults: RefCell<Vec<String>>,
    fatal: RefCell<Option<String>>,
}

impl<'t> Walk<'t> {
    fn new(tree: &'t Tree) -> Self {
        Walk {
            tree,
            faults: RefCell::default(),
            fatal: RefCell::default(),
        }
    }

    fn read<'de, D: Deserializer<'de>>(&self, from: D) -> Result<Value, DecodeError> {
        let seed = Seed {
            walk: self,
            node: self.tree.root,
            path: &Path::Root,
            owner: None,
        };
        seed.deserialize(from)
            .map_err(|error| match self.fatal.take() {
                Some(fatal) => DecodeError::Shape(fatal),
                None => DecodeError::Syntax(error.to_string()),
            })
    }

    fn decoded(self, value: Value) -> Decoded {
        Decoded {
            value,
            faults: self.faults.into_inner(),
        }
    }

    fn fault(&self, what: &str, path: &Path<'_>) {
        let mut faults = self.faults.borrow_mut();
        if faults.len() < FAULTS_MAX {
            faults.push(format!("{what} field \"{path}\""));
        }
    }
}

/// Where in the object a value stands, as a chain on the stack.
enum Path<'p> {
    Root,
    Field(&'p Path<'p>, &'p str),
    Index(&'p Path<'p>, usize),
}

impl Path<'_> {
    /// Without indices, as Go names a field in a decode error.
    fn fields(&self) -> String {
        match self {
            Path::Root => String::new(),
            Path::Index(parent, _) => parent.fields(),
            Path::Field(parent, name) => match parent.fields() {
                head if head.is_empty() => (*name).to_owned(),
                head => format!("{head}.{name}"),
            },
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => Ok(()),
            Path::Field(Path::Root, name) => f.write_str(name),
            Path::Field(parent, name) => write!(f, "{parent}.{name}"),
            Path::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// Reads one value of a known shape.
#[derive(Clone, Copy)]
struct Seed<'w, 't, 'p> {
    walk: &'w Walk<'t>,
    node: NodeId,
    path: &'p Path<'p>,
    owner: Option<&'t Struct>,
}

impl<'t> Seed<'_, 't, '_> {
    fn shape(&self) -> &'t Node {
        self.walk.tree.node(self.node)
    }

    /// Ends the walk: JSON's `found` stands where the schema wants something else.
    fn mismatch<E: serde::de::Error>(&self, found: &str) -> E {
        let expected = self.walk.tree.go_type(self.node);
        let place = match self.owner {
            Some(owner) => format!("Go struct field {}.{}", owner.name(), self.path.fields()),
            None => "Go value".to_owned(),
        };
        self.fail(format!(
            "json: cannot unmarshal {found} into {place} of type {expected}"
        ))
    }

    fn fail<E: serde::de::Error>(&self, message: String) -> E {
        self.walk.fatal.replace(Some(message));
        E::custom("shape")
    }

    fn number<E: serde::de::Error>(&self, number: i128) -> Result<Value, E> {
        let in_32_bits = i32::try_from(number).is_ok();
        match self.shape() {
            Node::Int32 | Node::IntOrString if in_32_bits => Ok(Value::from(number as i64)),
            Node::Int64 if i64::try_from(number).is_ok() => Ok(Value::from(number as i64)),
            Node::Int32 | Node::Int64 | Node::IntOrString => {
                Err(self.mismatch(&format!("number {number}")))
            }
            Node::Quantity => Ok(Value::from(number.to_string())),
            Node::Any => Ok(match i64::try_from(number) {
                Ok(number) => Value::from(number),
                Err(_) => Value::from(number as u64),
            }),
            _ => Err(self.mismatch("number")),
        }
    }

    fn text<E: serde::de::Error>(&self, text: String) -> Result<Value, E> {
        match self.shape() {
            Node::String | Node::IntOrString | Node::Any => Ok(Value::String(text)),
            Node::Time => canonical::time(text)
                .map(Value::String)
                .map_err(|e| self.fail(e)),
            Node::MicroTime => canonical::micro_time(text)
                .map(Value::String)
                .map_err(|e| self.fail(e)),
            Node::Quantity => canonical::quantity(text)
                .map(Value::String)
                .map_err(|e| self.fail(e)),
            Node::Bytes => match canonical::base64_fault(&text) {
                None => Ok(Value::String(text)),
                Some(fault) => Err(self.fail(fault)),
            },
            _ => Err(self.mismatch("string")),
        }
    }

    /// Whether a field holds a map without entries, which Go leaves out (`omitempty`). A struct without fields, such as
    /// `emptyDir: {}`, says something by being there.
    fn is_empty_map(&self, node: NodeId, value: &Value) -> bool {
        matches!(self.walk.tree.node(node), Node::Map(_))
            && value.as_object().is_some_and(Map::is_empty)
    }

    /// What Go makes of `null` where a value must stand: in lists and as a map's value.
    fn zero(&self) -> Value {
        match self.shape() {
            Node::Struct(_) | Node::Map(_) => Value::Object(Map::new()),
            Node::List(_) => Value::Array(Vec::new()),
            Node::String | Node::Bytes => Value::from(""),
            Node::Int32 | Node::Int64 | Node::IntOrString => Value::from(0),
            Node::Bool => Value::from(false),
            Node::Quantity => Value::from("0"),
            Node::Time | Node::MicroTime | Node::Any => Value::Null,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_, '_, '_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_, '_, '_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.walk.tree.go_type(self.node))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Value, E> {
        match self.shape() {
            Node::Bool | Node::Any => Ok(Value::Bool(value)),
            _ => Err(self.mismatch("bool")),
        }
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        self.number(value.into())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        self.number(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        match self.shape() {
            Node::Quantity => self.text(value.to_string()),
            Node::Any => Ok(Value::from(value)),
            _ => Err(self.mismatch(&format!("number {value}"))),
        }
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Value, E> {
        self.text(text.to_owned())
    }

    fn visit_string<E: serde::de::Error>(self, text: String) -> Result<Value, E> {
        self.text(text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let node = match self.shape() {
            Node::List(item) => *item,
            Node::Any => self.node,
            _ => return Err(self.mismatch("array")),
        };
        let mut values = Vec::new();
        loop {
            let path = Path::Index(self.path, values.len());
            let seed = Seed {
                node,
                path: &path,
                ..self
            };
            match list.next_element_seed(seed)? {
                Some(Value::Null) => values.push(seed.zero()),
                Some(value) => values.push(value),
                None => return Ok(Value::Array(values)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Value, A::Error> {
        match self.shape() {
            Node::Struct(fields) => self.fields(fields, entries),
            Node::Map(value) => self.entries(*value, entries),
            Node::Any => self.entries(self.node, entries),
            _ => Err(self.mismatch("object")),
        }
    }
}

impl<'t> Seed<'_, 't, '_> {
    fn fields<'de, A: MapAccess<'de>>(
        self,
        fields: &'t Struct,
        mut entries: A,
    ) -> Result<Value, A::Error> {
        let mut object = Map::new();
        let mut seen_as_unset = Vec::new();
        while let Some(name) = entries.next_key::<String>()? {
            let path = Path::Field(self.path, &name);
            let Some(node) = fields.field(&name) else {
                entries.next_value::<IgnoredAny>()?;
                self.walk.fault("unknown", &path);
                continue;
            };
            if object.contains_key(&name) || seen_as_unset.contains(&name) {
                self.walk.fault("duplicate", &path);
            }
            let seed = Seed {
                node,
                path: &path,
                owner: Some(fields),
                ..self
            };
            match entries.next_value_seed(seed)? {
                value if value.is_null() || self.is_empty_map(node, &value) => {
                    object.remove(&name);
                    seen_as_unset.push(name);
                }
                value => {
                    object.insert(name, value);
                }
            }
        }
        Ok(Value::Object(object))
    }

    fn entries<'de, A: MapAccess<'de>>(
        self,
        node: NodeId,
        mut entries: A,
    ) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            let path = Path::Field(self.path, &name);
            let seed = Seed {
                node,
                path: &path,
                ..self
            };
            let value = match entries.next_value_seed(seed)? {
                Value::Null => seed.zero(),
                value => value,
            };
            if object.contains_key(&name) {
                self.walk.fault("duplicate", &path);
            }
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}
