//! Selectors: which objects a list, a watch or a controller means, by their labels and fields.
//!
//! [`Selector`] is a conjunction of requirements on labels (`k8s.io/apimachinery/pkg/labels`); it is read from
//! a query by [`Selector::parse`] or made of a [`LabelSelector`], as workloads carry it. [`FieldSelector`] is
//! the same for the few fields that a kind lets be selected.

mod field;
mod label_selector;
mod parse;

use std::collections::BTreeMap;
use std::fmt;

use bincode::{Decode, Encode};

pub use field::{FieldRequirement, FieldSelector, FieldSelectorError};
pub use label_selector::{LabelSelector, LabelSelectorRequirement};

use crate::rules::names;

/// Longest selector that is parsed, in bytes.
pub const TEXT_LIMIT: usize = 64 * 1024;

/// Something with labels.
pub trait Labels {
    /// The value of a label, if the object has it.
    fn label(&self, key: &str) -> Option<&str>;
}

impl Labels for BTreeMap<String, String> {
    fn label(&self, key: &str) -> Option<&str> {
        self.get(key).map(String::as_str)
    }
}

/// What a requirement asks of a label's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Operator {
    /// `k=v`.
    Equals,
    /// `k==v`.
    DoubleEquals,
    /// `k!=v`; holds without the label too.
    NotEquals,
    /// `k in (v,w)`.
    In,
    /// `k notin (v,w)`; holds without the label too.
    NotIn,
    /// `k`.
    Exists,
    /// `!k`.
    DoesNotExist,
    /// `k>5`: both are integers.
    GreaterThan,
    /// `k<5`: both are integers.
    LessThan,
}

/// One requirement on a label. Its values are sorted and unique.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

/// Why a text or a requirement is not a selector; the words are Kubernetes'.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SelectorError(pub String);

impl Requirement {
    /// A requirement, checked as Kubernetes checks it.
    pub fn new(
        key: &str,
        operator: Operator,
        mut values: Vec<String>,
    ) -> Result<Self, SelectorError> {
        check_key(key)?;
        values.sort();
        values.dedup();
        let fault = match operator {
            Operator::In | Operator::NotIn if values.is_empty() => {
                Some("for 'in', 'notin' operators, values set can't be empty")
            }
            Operator::Equals | Operator::DoubleEquals | Operator::NotEquals
                if values.len() != 1 =>
            {
                Some("exact-match compatibility requires one single value")
            }
            Operator::Exists | Operator::DoesNotExist if !values.is_empty() => {
                Some("values set must be empty for exists and does not exist")
            }
            Operator::GreaterThan | Operator::LessThan if values.len() != 1 => {
                Some("for 'Gt', 'Lt' operators, exactly one value is required")
            }
            _ => None,
        };
        if let Some(fault) = fault {
            let shown = match values.len() {
                0 => "[]".to_owned(),
                _ => format!("[\"{}\"]", values.join("\",\"")),
            };
            return Err(SelectorError(format!(
                "values: Invalid value: {shown}: {fault}"
            )));
        }
        if matches!(operator, Operator::GreaterThan | Operator::LessThan)
            && values[0].parse::<i64>().is_err()
        {
            return Err(SelectorError(format!(
                "values[0]: Invalid value: \"{}\": for 'Gt', 'Lt' operators, the value must be an integer",
                values[0]
            )));
        }
        for (index, value) in values.iter().enumerate() {
            let faults = names::label_value(value);
            if !faults.is_empty() {
                return Err(SelectorError(format!(
                    "values[{index}][{key}]: Invalid value: \"{value}\": {}",
                    faults.join("; ")
                )));
            }
        }
        Ok(Requirement {
            key: key.to_owned(),
            operator,
            values,
        })
    }

    /// The label it is about.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What it asks of the label.
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// The values it names, sorted.
    pub fn values(&self) -> &[String] {
        &self.values
    }

    /// Whether an object with these labels meets it.
    pub fn matches(&self, labels: &(impl Labels + ?Sized)) -> bool {
        let value = labels.label(&self.key);
        let named = |value: &str| self.values.iter().any(|one| one == value);
        match self.operator {
            Operator::In | Operator::Equals | Operator::DoubleEquals => value.is_some_and(named),
            Operator::NotIn | Operator::NotEquals => !value.is_some_and(named),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::GreaterThan => self.compare(value, |value, bound| value > bound),
            Operator::LessThan => self.compare(value, |value, bound| value < bound),
        }
    }

    fn compare(&self, value: Option<&str>, holds: fn(i64, i64) -> bool) -> bool {
        let value = value.and_then(|value| value.parse().ok());
        let bound = self.values.first().and_then(|bound| bound.parse().ok());
        match (value, bound) {
            (Some(value), Some(bound)) => holds(value, bound),
            _ => false,
        }
    }
}

/// As it is written in a query; what it writes parses to the same requirement.
impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.operator {
            Operator::Equals => "=",
            Operator::DoubleEquals => "==",
            Operator::NotEquals => "!=",
            Operator::In => " in ",
            Operator::NotIn => " notin ",
            Operator::GreaterThan => ">",
            Operator::LessThan => "<",
            Operator::Exists => return f.write_str(&self.key),
            Operator::DoesNotExist => return write!(f, "!{}", self.key),
        };
        let values = self.values.join(",");
        match self.operator {
            Operator::In | Operator::NotIn => write!(f, "{}{sign}({values})", self.key),
            _ => write!(f, "{}{sign}{values}", self.key),
        }
    }
}

/// A conjunction of requirements, sorted by key. The empty one matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Selector {
    requirements: Vec<Requirement>,
    nothing: bool,
}

impl Selector {
    /// Matches every object.
    pub fn everything() -> Self {
        Selector::default()
    }

    /// Matches no object: what an absent [`LabelSelector`] means.
    pub fn nothing() -> Self {
        Selector {
            requirements: Vec::new(),
            nothing: true,
        }
    }

    /// The conjunction of requirements.
    pub fn of(mut requirements: Vec<Requirement>) -> Self {
        requirements.sort();
        Selector {
            requirements,
            nothing: false,
        }
    }

    /// Reads the syntax of the query parameter `labelSelector`: `app=web,tier in (a,b),!old`.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        if text.len() > TEXT_LIMIT {
            return Err(SelectorError(format!(
                "a selector must be no more than {TEXT_LIMIT} bytes"
            )));
        }
        Ok(Selector::of(parse::requirements(text)?))
    }

    /// Whether an object with these labels is selected.
    pub fn matches(&self, labels: &(impl Labels + ?Sized)) -> bool {
        !self.nothing && self.requirements.iter().all(|one| one.matches(labels))
    }

    /// Whether it selects every object.
    pub fn is_everything(&self) -> bool {
        !self.nothing && self.requirements.is_empty()
    }

    /// Its requirements, sorted by key.
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, requirement) in self.requirements.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{requirement}")?;
        }
        Ok(())
    }
}

fn check_key(key: &str) -> Result<(), SelectorError> {
    let faults = names::qualified_name(key);
    if faults.is_empty() {
        return Ok(());
    }
    Err(SelectorError(format!(
        "key: Invalid value: \"{key}\": {}",
        faults.join("; ")
    )))
}
