//! Taints and tolerations, as `k8s.io/component-helpers/scheduling/corev1` reads them.

use std::fmt;

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// `NoSchedule`: pods that do not tolerate it are not placed there.
pub const NO_SCHEDULE: &str = "NoSchedule";
/// `PreferNoSchedule`: the same, if there is another place.
pub const PREFER_NO_SCHEDULE: &str = "PreferNoSchedule";
/// `NoExecute`: those that run there are removed too.
pub const NO_EXECUTE: &str = "NoExecute";
/// The taint of a node with `spec.unschedulable`.
pub const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// What a node holds against pods.
#[derive(
    Clone,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Encode,
    Decode,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "camelCase", default)]
pub struct Taint {
    /// Its key.
    pub key: String,
    /// Its value; may be empty.
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
}

/// `{key: value}`, as messages of the scheduler write it.
impl fmt::Display for Taint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{}: {}}}", self.key, self.value)
    }
}

/// What a pod puts up with.
#[derive(
    Clone,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Encode,
    Decode,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "camelCase", default)]
pub struct Toleration {
    /// The key of the taint; empty with `Exists` for every key.
    pub key: String,
    /// `Exists`, or `Equal` (also when empty).
    pub operator: String,
    /// The value of the taint, for `Equal`.
    pub value: String,
    /// The effect of the taint; empty for every effect.
    pub effect: String,
    /// For how long `NoExecute` is put up with; absent for ever.
    pub toleration_seconds: Option<i64>,
}

impl Toleration {
    /// Whether this toleration covers a taint: `ToleratesTaint`.
    pub fn tolerates(&self, taint: &Taint) -> bool {
        if !self.effect.is_empty() && self.effect != taint.effect {
            return false;
        }
        if !self.key.is_empty() && self.key != taint.key {
            return false;
        }
        match self.operator.as_str() {
            "" | "Equal" => self.value == taint.value,
            "Exists" => true,
            _ => false,
        }
    }
}

/// The first taint with one of these effects that none of the tolerations covers.
pub fn untolerated<'a>(
    taints: &'a [Taint],
    tolerations: &[Toleration],
    effects: &[&str],
) -> Option<&'a Taint> {
    taints
        .iter()
        .filter(|taint| effects.contains(&taint.effect.as_str()))
        .find(|taint| {
            !tolerations
                .iter()
                .any(|toleration| toleration.tolerates(taint))
        })
}

/// How many taints with the effect `PreferNoSchedule` are not covered.
pub fn disliked(taints: &[Taint], tolerations: &[Toleration]) -> usize {
    taints
        .iter()
        .filter(|taint| taint.effect == PREFER_NO_SCHEDULE)
        .filter(|taint| {
            !tolerations
                .iter()
                .any(|toleration| toleration.tolerates(taint))
        })
        .count()
}
