//! Paths of fields, and the faults found at them, in the words of `k8s.io/apimachinery/pkg/util/validation/field`.

use std::fmt;

use serde_json::Value;

use crate::objects::kinds::Kind;
use crate::objects::status::{Cause, Details, Reason, Status};

/// More faults of one object are not listed.
const FAULTS_MAX: usize = 50;

/// Where in an object a field stands, as a chain on the stack: nothing is built unless there is a fault.
#[derive(Clone, Copy, Debug)]
pub enum Path<'p> {
    /// The object itself.
    Root,
    /// A field of a struct.
    Field(&'p Path<'p>, &'p str),
    /// An entry of a map.
    Key(&'p Path<'p>, &'p str),
    /// An item of a list.
    Index(&'p Path<'p>, usize),
}

impl<'p> Path<'p> {
    /// A field of the struct at this path.
    pub fn field<'a>(&'a self, name: &'a str) -> Path<'a>
    where
        'p: 'a,
    {
        Path::Field(self, name)
    }

    /// An entry of the map at this path.
    pub fn key<'a>(&'a self, key: &'a str) -> Path<'a>
    where
        'p: 'a,
    {
        Path::Key(self, key)
    }

    /// An item of the list at this path.
    pub fn index<'a>(&'a self, index: usize) -> Path<'a>
    where
        'p: 'a,
    {
        Path::Index(self, index)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => Ok(()),
            Path::Field(Path::Root, name) => f.write_str(name),
            Path::Field(parent, name) => write!(f, "{parent}.{name}"),
            Path::Key(parent, key) => write!(f, "{parent}[{key}]"),
            Path::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// The faults of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(Vec<Cause>);

impl Faults {
    /// Whether the object is valid.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The faults.
    pub fn causes(&self) -> &[Cause] {
        &self.0
    }

    /// A field that must be there is not.
    pub fn required(&mut self, path: &Path<'_>, detail: &str) {
        self.push(
            "FieldValueRequired",
            path,
            with_detail("Required value", detail),
        );
    }

    /// A value breaks a rule.
    pub fn invalid(&mut self, path: &Path<'_>, value: &Value, detail: &str) {
        let message = with_detail(&format!("Invalid value: {}", shown(value)), detail);
        self.push("FieldValueInvalid", path, message);
    }

    /// A text breaks rules, each told as a fault of its own.
    pub fn invalid_text(&mut self, path: &Path<'_>, text: &str, details: &[String]) {
        for detail in details {
            self.invalid(path, &Value::from(text), detail);
        }
    }

    /// A value that must be unique stands twice.
    pub fn duplicate(&mut self, path: &Path<'_>, value: &Value) {
        self.push(
            "FieldValueDuplicate",
            path,
            format!("Duplicate value: {}", shown(value)),
        );
    }

    /// A value is none of those that are known.
    pub fn not_supported(&mut self, path: &Path<'_>, value: &str, supported: &[&str]) {
        let supported: Vec<String> = supported.iter().map(|one| format!("{one:?}")).collect();
        let message = format!(
            "Unsupported value: {value:?}: supported values: {}",
            supported.join(", ")
        );
        self.push("FieldValueNotSupported", path, message);
    }

    /// A value may not be there.
    pub fn forbidden(&mut self, path: &Path<'_>, detail: &str) {
        self.push("FieldValueForbidden", path, format!("Forbidden: {detail}"));
    }

    /// A text is over its limit of so many bytes.
    pub fn too_long(&mut self, path: &Path<'_>, limit: usize) {
        let message = format!("Too long: may not be more than {limit} bytes");
        self.push("FieldValueTooLong", path, message);
    }

    /// Something that the value names is not there.
    pub fn not_found(&mut self, path: &Path<'_>, value: &str) {
        self.push("FieldValueNotFound", path, format!("Not found: {value:?}"));
    }

    fn push(&mut self, reason: &str, path: &Path<'_>, message: String) {
        if self.0.len() < FAULTS_MAX {
            self.0.push(Cause {
                reason: reason.to_owned(),
                message,
                field: path.to_string(),
            });
        }
    }

    /// 422 for an object with faults: `Pod "a" is invalid: spec.containers[0].image: Required value`.
    ///
    /// # Errors
    /// The status, if there is any fault.
    pub fn into_result(self, kind: &Kind, name: &str) -> Result<(), Status> {
        if self.is_empty() {
            return Ok(());
        }
        Err(self.into_status(kind.group, kind.kind, name))
    }

    /// 422 for something of a group and kind, which may be empty.
    pub fn into_status(self, group: &str, kind: &str, name: &str) -> Status {
        let lines: Vec<String> = self
            .0
            .iter()
            .map(|cause| format!("{}: {}", cause.field, cause.message))
            .collect();
        let faults = match lines.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let qualified = if group.is_empty() {
            kind.to_owned()
        } else {
            format!("{kind}.{group}")
        };
        Status {
            reason: Reason::Invalid,
            message: format!("{qualified} {name:?} is invalid: {faults}"),
            details: Box::new(Details {
                name: name.to_owned(),
                group: group.to_owned(),
                kind: kind.to_owned(),
                causes: self.0,
                ..Details::default()
            }),
        }
    }
}

/// Text in quotes, everything else as JSON.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}

fn with_detail(head: &str, detail: &str) -> String {
    if detail.is_empty() {
        head.to_owned()
    } else {
        format!("{head}: {detail}")
    }
}
