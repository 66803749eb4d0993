//! Field selectors: `metadata.name=a,spec.nodeName!=b` (`k8s.io/apimachinery/pkg/fields`).

use std::fmt;

use bincode::{Decode, Encode};

use super::TEXT_LIMIT;

/// One requirement on a field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct FieldRequirement {
    /// The field, as in `spec.nodeName`.
    pub field: String,
    /// The value, without escapes.
    pub value: String,
    /// Whether the field must be something else.
    pub differs: bool,
}

/// A conjunction of requirements on fields. The empty one matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct FieldSelector {
    /// The requirements, sorted as they are written.
    pub requirements: Vec<FieldRequirement>,
}

/// Why a text is not a field selector; the words are Kubernetes'.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldSelectorError {
    /// A term without an operator.
    #[error("invalid selector: '{selector}'; can't understand '{term}'")]
    Term {
        /// The whole text.
        selector: String,
        /// The term.
        term: String,
    },
    /// A backslash before something other than `\`, `,` and `=`.
    #[error("invalid field selector: invalid escape sequence: {0}")]
    Escape(String),
    /// A comma or equals sign inside a value without a backslash.
    #[error("invalid field selector: unescaped character in value: {0}")]
    Unescaped(u32),
    /// Over [`TEXT_LIMIT`].
    #[error("a field selector must be no more than {TEXT_LIMIT} bytes")]
    TooLong,
}

impl FieldSelector {
    /// Reads the syntax of the query parameter `fieldSelector`.
    pub fn parse(text: &str) -> Result<Self, FieldSelectorError> {
        if text.len() > TEXT_LIMIT {
            return Err(FieldSelectorError::TooLong);
        }
        let mut terms = split_terms(text);
        terms.sort_unstable();
        let mut requirements = Vec::new();
        for term in terms.into_iter().filter(|term| !term.is_empty()) {
            let (field, differs, value) =
                split_term(term).ok_or_else(|| FieldSelectorError::Term {
                    selector: text.to_owned(),
                    term: term.to_owned(),
                })?;
            requirements.push(FieldRequirement {
                field: field.to_owned(),
                value: unescape(value)?,
                differs,
            });
        }
        Ok(FieldSelector { requirements })
    }

    /// Whether it selects every object.
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether an object is selected; `field` gives the value of a field, empty where it has none.
    pub fn matches<'a>(&self, mut field: impl FnMut(&str) -> &'a str) -> bool {
        self.requirements
            .iter()
            .all(|one| (field(&one.field) == one.value) != one.differs)
    }

    /// The value that a field must have, where one requirement says so.
    pub fn exactly(&self, field: &str) -> Option<&str> {
        self.requirements
            .iter()
            .find(|one| one.field == field && !one.differs)
            .map(|one| one.value.as_str())
    }
}

impl fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, one) in self.requirements.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let sign = if one.differs { "!=" } else { "=" };
            write!(f, "{comma}{}{sign}{}", one.field, escape(&one.value))?;
        }
        Ok(())
    }
}

fn split_terms(text: &str) -> Vec<&str> {
    let mut terms = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => {
                terms.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    terms.push(&text[start..]);
    terms
}

fn split_term(term: &str) -> Option<(&str, bool, &str)> {
    let at = term
        .char_indices()
        .map(|(at, _)| at)
        .find(|at| term[*at..].starts_with("!=") || term[*at..].starts_with('='))?;
    let (field, rest) = term.split_at(at);
    let signs = [("!=", true), ("==", false), ("=", false)];
    signs
        .iter()
        .find_map(|(sign, differs)| Some((field, *differs, rest.strip_prefix(sign)?)))
}

fn unescape(value: &str) -> Result<String, FieldSelectorError> {
    let mut plain = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\\' | ',' | '=')) => plain.push(c),
                Some(c) => return Err(FieldSelectorError::Escape(format!("\\{c}"))),
                None => return Err(FieldSelectorError::Escape("\\".to_owned())),
            },
            ',' | '=' => return Err(FieldSelectorError::Unescaped(c as u32)),
            c => plain.push(c),
        }
    }
    Ok(plain)
}

fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '\\' | ',' | '=') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}
