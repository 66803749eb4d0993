//! Node selectors of `core/v1`: terms of which one must hold, each a conjunction.

use bincode::{Decode, Encode};
use serde::Deserialize;

use crate::machines::scheduler::view::NodeView;

/// `NodeSelector`.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Deserialize,
)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeSelector {
    /// One of these must hold.
    pub node_selector_terms: Vec<NodeSelectorTerm>,
}

/// `NodeSelectorTerm`. One without any requirement selects no node.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Deserialize,
)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeSelectorTerm {
    /// On labels.
    pub match_expressions: Vec<Requirement>,
    /// On fields, of which there is one: `metadata.name`.
    pub match_fields: Vec<Requirement>,
}

/// `NodeSelectorRequirement`.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Deserialize,
)]
#[serde(default)]
pub struct Requirement {
    /// The label or field.
    pub key: String,
    /// `In`, `NotIn`, `Exists`, `DoesNotExist`, `Gt`, `Lt`.
    pub operator: String,
    /// Its operands.
    pub values: Vec<String>,
}

impl NodeSelector {
    /// Whether a node is selected.
    pub fn matches(&self, name: &str, node: &NodeView) -> bool {
        self.node_selector_terms
            .iter()
            .any(|term| term.matches(name, node))
    }
}

impl NodeSelectorTerm {
    fn matches(&self, name: &str, node: &NodeView) -> bool {
        if self.match_expressions.is_empty() && self.match_fields.is_empty() {
            return false;
        }
        let label = |it: &Requirement| it.holds(node.labels.get(&it.key).map(String::as_str));
        let field = |it: &Requirement| it.key == "metadata.name" && it.holds(Some(name));
        self.match_expressions.iter().all(label) && self.match_fields.iter().all(field)
    }
}

impl Requirement {
    fn holds(&self, value: Option<&str>) -> bool {
        let named = value.is_some_and(|value| self.values.iter().any(|one| one == value));
        match self.operator.as_str() {
            "In" => named,
            "NotIn" => !named,
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            "Gt" => self
                .compare(value)
                .is_some_and(|(value, bound)| value > bound),
            "Lt" => self
                .compare(value)
                .is_some_and(|(value, bound)| value < bound),
            // Validation lets no other through; what is not understood selects nothing.
            _ => false,
        }
    }

    fn compare(&self, value: Option<&str>) -> Option<(i64, i64)> {
        Some((value?.parse().ok()?, self.values.first()?.parse().ok()?))
    }
}
